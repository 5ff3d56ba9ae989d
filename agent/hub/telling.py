"""Telling a hub something: each call returns when the carrier took the message, and does not learn what the hub made
of it.

Wire reference, messages.md sections 3 and 7. A denial comes as an event, `hive.policy.denied`, and names no request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.hub import messages
from agent.hub.context import reply_context
from agent.hub.events import ThalovantEvent
from agent.hub.exchanges import Exchanges
from agent.hub.identity import ThalovantIdentity
from agent.hub.messages import DEFAULT_LANG, BusMessage
from agent.hub.protocol import bus, wire
from agent.hub.reach import Reach


class Telling:
    """The half of a client that tells. Any thread may call; each call connects when there is no link."""

    identity: ThalovantIdentity
    _user_agent: str
    _reach: Reach
    _exchanges: Exchanges

    def send_utterance(
        self,
        text: str,
        *,
        lang: str = DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Say `text` to the hub; returns the request id its answers will carry."""
        return self._tell(
            self._spoken(
                messages.utterance, text, lang=lang, context=context, session_id=session_id, request_id=request_id
            )
        )

    def send_action(
        self,
        payload: str,
        *,
        title: str | None = None,
        lang: str = DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Send what a button, a menu pick or a confirmation stands for; returns the request id."""
        return self._tell(
            self._spoken(
                messages.action,
                payload,
                title=title,
                lang=lang,
                context=context,
                session_id=session_id,
                request_id=request_id,
            )
        )

    def send_code(
        self,
        value: str,
        *,
        kind: str = "code",
        label: str | None = None,
        lang: str = DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Send a scanned or typed value, marked as exact; returns the request id."""
        return self._tell(
            self._spoken(
                messages.code,
                value,
                kind=kind,
                label=label,
                lang=lang,
                context=context,
                session_id=session_id,
                request_id=request_id,
            )
        )

    def emit(
        self, event_type: str, data: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        """Send any event. The hub takes those its operator allows this client, and denies the others by an event."""
        self._tell(messages.event(event_type, data, context, metadata=self.identity.metadata))

    def reply(
        self,
        event: ThalovantEvent | Mapping[str, Any],
        msg_type: str,
        data: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Answer an event of the hub, given as it was heard or as a bus message, along the way it came."""
        raw = event.raw if isinstance(event, ThalovantEvent) else event
        self.emit(msg_type, data, reply_context(bus.as_object(raw.get("context")), context))

    def propagate(
        self, event_type: str, data: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        """Send an event to every node of the hive. A hub that does not grant it ends the connection."""
        self._send_to_hive("propagate", event_type, data, context)

    def escalate(
        self, event_type: str, data: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        """Send an event to the hubs above this one. A hub that does not grant it ends the connection."""
        self._send_to_hive("escalate", event_type, data, context)

    def broadcast(
        self, event_type: str, data: Mapping[str, Any] | None = None, context: Mapping[str, Any] | None = None
    ) -> None:
        """Send an event to every other client of the hub; for administrators. Any other's connection it ends."""
        self._send_to_hive("broadcast", event_type, data, context)

    # -- how it is done

    def _spoken(
        self,
        build: Callable[..., BusMessage],
        text: str,
        **about: Any,
    ) -> BusMessage:
        """An utterance, an action or a code, as `build` makes it, with what the identity adds."""
        return build(text, site_id=self.identity.site_id, metadata=self.identity.metadata, **about)

    def _stamped(self, message: BusMessage) -> BusMessage:
        return messages.stamped(
            message,
            user_agent=self._user_agent,
            session_id=self._reach.session_id,
            site_id=self.identity.site_id,
        )

    def _tell(self, message: BusMessage) -> str:
        stamped = self._stamped(message)
        # Counted just before publishing: its denial, which names nobody, may come while an ask waits.
        before = self._exchanges.sent if message.type == bus.UTTERANCE else _nothing
        self._reach.publish(wire.envelope("bus", stamped.as_payload()), before=before)
        return message.request_id or ""

    def _send_to_hive(
        self, kind: str, event_type: str, data: Mapping[str, Any] | None, context: Mapping[str, Any] | None
    ) -> None:
        message = self._stamped(messages.event(event_type, data, context))
        self._reach.publish(wire.envelope(kind, wire.envelope("bus", message.as_payload())))


def _nothing() -> None:
    pass
