"""One conversation of a client: calls that share a session, a language and a context.

Wire reference, messages.md section 7. What a call says itself wins over what the conversation says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict

from agent.hub import messages
from agent.hub.context import merged_context
from agent.hub.events import ThalovantEvent
from agent.hub.protocol.bus import session_of
from agent.hub.reply import ThalovantReply
from agent.hub.subscriptions import EventStream, ThalovantSubscription

if TYPE_CHECKING:
    from agent.hub.client import ThalovantClient
    from agent.hub.listening import Predicate


class _Scope(TypedDict):
    """What every call of a conversation says of itself."""

    context: dict[str, Any] | None
    session_id: str


class ThalovantConversation:
    """Related turns. Any thread may call; see `ThalovantClient` for what the calls do and raise."""

    def __init__(
        self,
        client: ThalovantClient,
        *,
        session_id: str | None = None,
        lang: str = messages.DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.session_id = session_id or messages.new_session_id()
        self.lang = lang
        self.context = dict(context or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The client stays open: it may have other conversations."""

    def ask(
        self,
        text: str,
        *,
        timeout: float = 12.0,
        lang: str | None = None,
        context: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        stt_lang: str | None = None,
        pipeline: Iterable[str] | None = None,
        location: Mapping[str, Any] | None = None,
    ) -> ThalovantReply:
        """The next turn: what the one before left is carried along."""
        return self.client.ask(
            text,
            timeout=timeout,
            lang=lang or self.lang,
            request_id=request_id,
            stt_lang=stt_lang,
            pipeline=pipeline,
            location=location,
            **self._scope(context),
        )

    def query(
        self,
        text: str,
        *,
        timeout: float = 12.0,
        lang: str | None = None,
        context: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        query_id: str | None = None,
    ) -> ThalovantReply:
        """A query in this session. It carries nothing from turn to turn."""
        return self.client.query(
            text,
            timeout=timeout,
            lang=lang or self.lang,
            request_id=request_id,
            query_id=query_id,
            **self._scope(context),
        )

    def send_utterance(
        self,
        text: str,
        *,
        lang: str | None = None,
        context: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> str:
        """Say something and do not wait for what comes of it."""
        return self.client.send_utterance(text, lang=lang or self.lang, request_id=request_id, **self._scope(context))

    def send_action(
        self,
        payload: str,
        *,
        title: str | None = None,
        lang: str | None = None,
        context: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> str:
        """Send what a button, a menu pick or a confirmation stands for."""
        return self.client.send_action(
            payload, title=title, lang=lang or self.lang, request_id=request_id, **self._scope(context)
        )

    def send_code(
        self,
        value: str,
        *,
        kind: str = "code",
        label: str | None = None,
        lang: str | None = None,
        context: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> str:
        """Send a scanned or typed value."""
        return self.client.send_code(
            value, kind=kind, label=label, lang=lang or self.lang, request_id=request_id, **self._scope(context)
        )

    def emit(
        self, event_type: str, data: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        """Send any other event; it names this session, its site and its language."""
        merged = merged_context(self.context, context) or {}
        known = {"site_id": self.client.identity.site_id, "lang": self.lang}
        session = {**known, **session_of(merged), "session_id": self.session_id}
        self.client.emit(event_type, data, {**merged, "session": session})

    def on(
        self,
        event_name: str,
        handler: Callable[[ThalovantEvent], object],
        *,
        context: Mapping[str, Any] | None = None,
        predicate: Predicate | None = None,
    ) -> ThalovantSubscription:
        """Call `handler` with the events that concern this conversation."""
        return self.client.on(event_name, handler, predicate=predicate, **self._scope(context))

    def wait_for_event(
        self,
        event_name: str,
        *,
        timeout: float = 12.0,
        context: Mapping[str, Any] | None = None,
        predicate: Predicate | None = None,
    ) -> ThalovantEvent:
        """The first such event that concerns this conversation."""
        return self.client.wait_for_event(event_name, timeout=timeout, predicate=predicate, **self._scope(context))

    def listen(
        self,
        event_name: str,
        *,
        timeout: float | None = None,
        max_events: int | None = None,
        max_buffered_events: int = 256,
        context: Mapping[str, Any] | None = None,
        predicate: Predicate | None = None,
    ) -> EventStream[ThalovantEvent]:
        """The events that concern this conversation, as they come."""
        return self.client.listen(
            event_name,
            timeout=timeout,
            max_events=max_events,
            max_buffered_events=max_buffered_events,
            predicate=predicate,
            **self._scope(context),
        )

    def _scope(self, context: Mapping[str, Any] | None) -> _Scope:
        return {"context": merged_context(self.context, context), "session_id": self.session_id}

    def __repr__(self) -> str:
        return f"ThalovantConversation(session_id={self.session_id!r}, lang={self.lang!r})"
