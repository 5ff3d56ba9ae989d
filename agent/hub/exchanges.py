"""The requests of one client that wait for their answers, and the conversations those answers belong to.

Wire reference, messages.md sections 6 and 7. The thread that hears the hub feeds them, the threads that ask wait for
them. What an answer is made of is decided in `agent.hub.protocol.replies`; here is only who gets which message.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from agent.hub.conversation import Conversations
from agent.hub.errors import ThalovantConnectionError, ThalovantRuntimeError
from agent.hub.events import EVENT_POLICY_DENIED, EVENT_UTTERANCE_HANDLED, ThalovantEvent
from agent.hub.protocol import bus
from agent.hub.protocol.replies import Ending, InFlight, Outcome, ReplyCollector
from agent.record import record

LATE_SECONDS = 2.0
"""How long after its reply a turn's "handled" is still listened for: it mostly comes just behind the last speech."""
QUERY_COMPLETE = "hive.query.complete"


class Collector(Protocol):
    """What gathers one answer. Times are seconds of `time.monotonic()`."""

    def take(self, message: Mapping[str, Any], now: float, *, owned_denial: bool = False) -> bool:
        """Add a message; True when it belongs to the answer."""

    def ends_at(self) -> float:
        """When the answer is complete if nothing more comes."""

    def outcome(self, now: float) -> Outcome | None:
        """What came of the request; None while more may come."""


class Exchange:
    """One request and its answer. Fed by one thread, waited for by another."""

    def __init__(self, collector: Collector, *, session_id: str | None = None) -> None:
        self._collector = collector
        self._changed = threading.Condition()
        self._broken: ThalovantConnectionError | None = None
        self.session_id = session_id
        """The conversation the caller named; None for the connection's own."""
        self.returned_session_id: str | None = None
        """The conversation the caller was told to go on in."""
        self.handled: ThalovantEvent | None = None

    def begin(self) -> None:
        """It is about to be published: from now on, losing the link ends it."""
        with self._changed:
            self._broken = None

    def take(self, message: Mapping[str, Any], *, owned_denial: bool = False) -> None:
        """The hub sent a message that may belong to it."""
        with self._changed:
            if self._collector.take(message, time.monotonic(), owned_denial=owned_denial):
                self._changed.notify()

    def break_off(self, error: ThalovantConnectionError) -> None:
        """The link ended: what comes over the next one is no answer to this."""
        with self._changed:
            self._broken = error
            self._changed.notify()

    def outcome(self) -> Outcome:
        """Wait for the answer. Raises ThalovantConnectionError when the link was lost before it was complete."""
        with self._changed:
            while (outcome := self._collector.outcome(time.monotonic())) is None:
                if self._broken is not None:
                    raise copy.copy(self._broken)
                self._changed.wait(max(self._collector.ends_at() - time.monotonic(), 0.0))
            return outcome


class QueryCollector:
    """Collect the answer to a query, which says itself when it is complete; until then it may still fail."""

    def __init__(self, *, deadline: float) -> None:
        self._deadline = deadline
        self._ended_at: float | None = None
        self._completed = False
        self._failure: Mapping[str, Any] | None = None
        self._fragments: list[str] = []
        self._messages: list[Mapping[str, Any]] = []

    def ends_at(self) -> float:
        """When the query is over if nothing more comes."""
        return self._deadline if self._ended_at is None else self._ended_at

    def take(self, message: Mapping[str, Any], now: float, *, owned_denial: bool = False) -> bool:
        """Add the bus message of a frame that names this query; True when it counts."""
        if now >= self.ends_at():
            return False
        self._messages.append(message)
        match message.get("type"):
            case bus.SPEAK | bus.OVOS_SPEAK:
                fragment = " ".join(bus.text_of(bus.as_object(message.get("data"))).split())
                if fragment and self._fragments[-1:] != [fragment]:
                    self._fragments.append(fragment)
                if fragment:
                    self._failure = None
            case bus.INTENT_UNMATCHED | bus.INTENT_FAILURE if not self._fragments:
                self._failure = message
            case bus.POLICY_DENIED | bus.QUERY_TIMEOUT:
                self._failure, self._ended_at = message, now
            case "hive.query.complete":
                self._completed, self._ended_at = True, now
        return True

    def outcome(self, now: float) -> Outcome | None:
        """What came of the query; None while more may come. Speech that was never completed is no answer."""
        if now < self.ends_at():
            return None
        if self._ended_at is None:
            ending = Ending.SILENT
        elif self._fragments:
            ending = Ending.ANSWERED
        else:
            endings = {bus.POLICY_DENIED: Ending.REFUSED, bus.QUERY_TIMEOUT: Ending.GAVE_UP}
            ending = endings.get(str((self._failure or {}).get("type")), Ending.UNANSWERED)
        return Outcome(
            ending=ending,
            fragments=tuple(self._fragments) if ending is Ending.ANSWERED else (),
            messages=tuple(self._messages),
            failure=self._failure,
            acknowledged=self._completed,
        )


@record(frozen=False)
class _Late:
    """A turn whose reply was returned and whose "handled" has not come yet."""

    until: float
    exchange: Exchange


class Exchanges:
    """What one client has in flight. Any thread; no call waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = InFlight()
        self._asks: dict[str, Exchange] = {}
        self._queries: dict[str, Exchange] = {}
        self._late: dict[str, _Late] = {}
        self._conversations = Conversations()

    @contextmanager
    def asking(self, request_id: str, *, session_id: str | None, deadline: float) -> Iterator[Exchange]:
        """Collect the answer to `request_id` inside the `with`. ThalovantRuntimeError when that id is in use."""
        exchange = Exchange(ReplyCollector(request_id, deadline=deadline), session_id=session_id)
        with self._lock:
            self._begin(self._in_flight.begin_ask, request_id)
            self._asks[request_id] = exchange
        try:
            yield exchange
        finally:
            with self._lock:
                self._in_flight.end_ask(request_id)
                del self._asks[request_id]
                if exchange.handled is not None:
                    self._remember(exchange, exchange.handled)
                else:
                    self._late[request_id] = _Late(time.monotonic() + LATE_SECONDS, exchange)

    @contextmanager
    def querying(self, query_id: str, *, deadline: float) -> Iterator[Exchange]:
        """Collect the answer to a query inside the `with`. ThalovantRuntimeError when that id is in use."""
        exchange = Exchange(QueryCollector(deadline=deadline))
        with self._lock:
            self._begin(self._in_flight.begin_query, query_id)
            self._queries[query_id] = exchange
        try:
            yield exchange
        finally:
            with self._lock:
                self._in_flight.end_query(query_id)
                del self._queries[query_id]

    def sent(self) -> None:
        """An utterance goes out that nobody awaits the answer to; a denial may be its own."""
        with self._lock:
            self._in_flight.sent(time.monotonic())

    def carry(self, session_id: str | None, session: Mapping[str, Any]) -> dict[str, Any]:
        """`session` of the next turn, with what the turn before left."""
        with self._lock:
            return self._conversations.carry(session_id, session)

    def heard(self, event: ThalovantEvent) -> None:
        """The hub sent a bus message."""
        request_id = event.request_id
        with self._lock:
            denied = event.name == EVENT_POLICY_DENIED
            owner = self._in_flight.owner_of(event.raw, time.monotonic()) if denied else request_id
            exchange = self._asks.get(owner) if owner is not None else None
            if event.name == EVENT_UTTERANCE_HANDLED and request_id is not None:
                self._turn_ended(request_id, event)
        if exchange is not None:
            exchange.take(event.raw, owned_denial=denied)

    def heard_query(self, envelope: Mapping[str, Any]) -> None:
        """The hub sent a `query` or a `cascade` frame."""
        metadata = bus.as_object(envelope.get("metadata"))
        query_id = bus.first_text((metadata.get("query_id"), metadata.get("queryId")))
        with self._lock:
            exchange = self._queries.get(query_id or "")
        inner = bus.as_object(envelope.get("payload"))
        message = bus.as_object(inner.get("payload")) if inner.get("msg_type") == "bus" else inner
        if exchange is not None:
            exchange.take(message)

    def lost(self, error: ThalovantConnectionError) -> None:
        """The link ended: nothing in flight will be answered, and nothing of it is sent again."""
        with self._lock:
            exchanges = [*self._asks.values(), *self._queries.values()]
            self._late.clear()
        for exchange in exchanges:
            exchange.break_off(error)

    def _begin(self, begin: Any, name: str) -> None:
        try:
            begin(name)
        except ValueError as error:
            raise ThalovantRuntimeError(str(error)) from None

    def _turn_ended(self, request_id: str, handled: ThalovantEvent) -> None:
        now = time.monotonic()
        self._late = {name: late for name, late in self._late.items() if now < late.until}
        if request_id in self._asks:
            self._asks[request_id].handled = handled
        elif (late := self._late.pop(request_id, None)) is not None:
            self._remember(late.exchange, handled)

    def _remember(self, exchange: Exchange, handled: ThalovantEvent) -> None:
        """File what the hub says the conversation is now under every id the next turn may come with."""
        aliases = [exchange.session_id, handled.session_id or exchange.session_id]
        if exchange.returned_session_id:
            aliases.append(exchange.returned_session_id)
        self._conversations.remember(bus.session_of(handled.context), aliases)
