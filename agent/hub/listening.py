"""Listening to a hub: handlers that are called, streams that are read, one event that is waited for.

Each call connects first, and hears from the moment it returns (wire reference, messages.md section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from agent.hub.dispatcher import Dispatcher
from agent.hub.errors import ThalovantTimeoutError
from agent.hub.events import ThalovantEvent, concerns, hive_kind
from agent.hub.reach import Reach, deadline_after
from agent.hub.reply import ThalovantBinary
from agent.hub.subscriptions import Channel, EventStream, Subscriptions, ThalovantSubscription

Predicate = Callable[[ThalovantEvent], bool]

_STREAM_LIMIT = 256


class Listening:
    """The half of a client that listens. Any thread may call, handlers included; times are seconds."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._dispatcher = Dispatcher()
        self._subscriptions = Subscriptions(self._dispatcher)

    def on(
        self,
        event_name: str,
        handler: Callable[[ThalovantEvent], object],
        *,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        predicate: Predicate | None = None,
    ) -> ThalovantSubscription:
        """Call `handler` with every such event that may concern the request or the conversation named.

        Handlers run one after the other on a thread of their own, in the order of the events, and may use the client.
        The subscription outlives the link, which is dialled again for it, and ends when it is cancelled.
        """
        wanted = _filter(context, session_id, request_id)

        def hear(event: ThalovantEvent) -> None:
            if wanted(event) and (predicate is None or predicate(event)):
                handler(event)

        return self._handle(Channel.BUS, event_name, hear)

    def on_hive(self, kind: str, handler: Callable[[Mapping[str, Any]], object]) -> ThalovantSubscription:
        """Call `handler` with every frame between hubs of this kind, as the hub sent it. ValueError for other kinds."""
        return self._handle(Channel.HIVE, hive_kind(kind), handler)

    def on_binary(self, handler: Callable[[ThalovantBinary], object]) -> ThalovantSubscription:
        """Call `handler` with every binary frame: rendered speech, and files."""
        return self._handle(Channel.BINARY, "", handler)

    def listen(
        self,
        event_name: str,
        *,
        timeout: float | None = None,
        max_events: int | None = None,
        max_buffered_events: int = _STREAM_LIMIT,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        predicate: Predicate | None = None,
    ) -> EventStream[ThalovantEvent]:
        """An iterator over such events, which ends after `timeout` seconds, connecting included, or `max_events`.

        It raises ThalovantRuntimeError when more than `max_buffered_events` wait to be read, and
        ThalovantConnectionError when the link ends.
        """
        if isinstance(max_buffered_events, bool) or max_buffered_events < 1:
            raise ValueError("max_buffered_events must be a whole number from 1")
        deadline = None if timeout is None else deadline_after(timeout)
        wanted = _filter(context, session_id, request_id)
        self._reach.connect(deadline)
        mailbox, subscription = self._subscriptions.add_mailbox(Channel.BUS, event_name, max_buffered_events, wanted)
        return EventStream(mailbox, subscription, deadline=deadline, max_events=max_events, predicate=predicate)

    def wait_for_event(
        self,
        event_name: str,
        *,
        timeout: float = 12.0,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        predicate: Predicate | None = None,
    ) -> ThalovantEvent:
        """The first such event. ThalovantTimeoutError when none came within `timeout`, connecting included."""
        with closing(
            self.listen(
                event_name,
                timeout=timeout,
                context=context,
                session_id=session_id,
                request_id=request_id,
                predicate=predicate,
            )
        ) as events:
            for event in events:
                return event
        raise ThalovantTimeoutError(f"no {event_name} came within {timeout:g} s")

    def _handle(self, channel: Channel, name: str, handler: Callable[[Any], object]) -> ThalovantSubscription:
        self._reach.connect()
        return self._subscriptions.add_handler(channel, name, handler)


def _filter(context: Mapping[str, Any] | None, session_id: str | None, request_id: str | None) -> Predicate:
    return lambda event: concerns(event, context=context, session_id=session_id, request_id=request_id)
