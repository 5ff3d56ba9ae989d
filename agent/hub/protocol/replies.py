"""Collecting the answer to one request, and telling whose denial a denial is.

A hub answers in pieces and never says that it is done: speech may come before or after "handled", several
times, or not at all. So an answer ends by windows of silence. Wire reference, messages.md section 6. Plain
messages and times go in, an outcome comes out: the caller reads the clock, any monotonic one, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from agent.hub.protocol import bus
from agent.record import record

REPLY_EVENTS = (
    bus.SPEAK,
    bus.OVOS_SPEAK,
    bus.HANDLED,
    bus.INTENT_FAILURE,
    bus.INTENT_UNMATCHED,
    bus.POLICY_DENIED,
    bus.QUERY_TIMEOUT,
    bus.AUDIO_QUEUE,
)
"""Everything an answer is made of; listened to before the request is published."""

SETTLE_SECONDS = 0.25
"""From the first speech to the end: what comes in pieces comes within this."""
EMPTY_SECONDS = 5.0
"""From a "handled" or "unmatched" without speech to the end: the speech may be late."""
UNTRACKED_GRACE_SECONDS = 10.0
"""How long after a message that nobody awaits an answer to a denial may still be its own."""

MAX_MEDIA_HEX = 8 << 20
"""4 MiB of sound in one event, as hex."""
MAX_REPLY_HEX = 32 << 20
"""16 MiB of sound in one answer, as hex."""


class Ending(StrEnum):
    """How a request ended."""

    ANSWERED = "answered"
    """There was speech. `failure` is then set when the hub broke off."""
    REFUSED = "refused"
    """A policy of the hub denied it."""
    UNANSWERED = "unanswered"
    """The hub had it, and no skill took it."""
    GAVE_UP = "gave up"
    """The hub ran out of time itself."""
    SILENT = "silent"
    """No speech and no failure until the timeout or the end of the empty window."""


_ENDINGS = {
    bus.POLICY_DENIED: Ending.REFUSED,
    bus.QUERY_TIMEOUT: Ending.GAVE_UP,
    bus.INTENT_UNMATCHED: Ending.UNANSWERED,
    bus.INTENT_FAILURE: Ending.UNANSWERED,
}


@record(kw_only=True)
class Outcome:
    """What came of one request."""

    ending: Ending
    fragments: tuple[str, ...] = ()
    """What was said, in order, white space collapsed; mark-up is kept."""
    messages: tuple[Mapping[str, Any], ...] = ()
    """Every message that counted, as it came off the wire."""
    failure: Mapping[str, Any] | None = None
    acknowledged: bool = False
    """The hub said "handled": it had the request, even where it had nothing to say to it."""
    dropped_media: int = 0
    """Sounds that were too large, or no sounds."""

    @property
    def handled(self) -> bool:
        """True when there was speech and the hub did not break off; not the hub's own "handled"."""
        return self.ending is Ending.ANSWERED and self.failure is None


class ReplyCollector:
    """Collect the answer to the request `request_id`, until `deadline` at the latest.

    Feed every message to `take`, wait until `ends_at`, and ask for the `outcome`.
    """

    def __init__(self, request_id: str, *, deadline: float) -> None:
        self.request_id = request_id
        self._deadline = deadline
        self._settled_at: float | None = None
        self._empty_at: float | None = None
        self._hard_at: float | None = None
        self._failure: Mapping[str, Any] | None = None
        self._fragments: list[str] = []
        self._messages: list[Mapping[str, Any]] = []
        self._media_hex = 0
        self._dropped_media = 0

    def ends_at(self) -> float:
        """When the answer is complete if nothing more comes."""
        if self._hard_at is not None:
            return self._hard_at
        window = self._settled_at if self._fragments else self._empty_at
        return self._deadline if window is None else min(window, self._deadline)

    def take(self, message: Mapping[str, Any], now: float, *, owned_denial: bool = False) -> bool:
        """Add a message that came at `now`; True when it belongs to this answer.

        Only its request id tells: the hub may answer under another session. A denial mostly has none, and is
        taken when `InFlight` says that it is this request's (`owned_denial`).
        """
        if now >= self.ends_at():
            return False
        name = message.get("type")
        data, context = bus.as_object(message.get("data")), bus.as_object(message.get("context"))
        is_ours = bus.request_id_of(data, context) == self.request_id or (owned_denial and name == bus.POLICY_DENIED)
        if name not in REPLY_EVENTS or not is_ours or any(message is known for known in self._messages):
            return False
        if name == bus.AUDIO_QUEUE and not self._fits(data.get("binary_data")):
            self._dropped_media += 1
            return True
        self._messages.append(message)
        match name:
            case bus.SPEAK | bus.OVOS_SPEAK:
                self._hear(data, now)
            case bus.POLICY_DENIED | bus.QUERY_TIMEOUT:
                self._failure, self._hard_at = message, now
            case bus.HANDLED | bus.INTENT_UNMATCHED | bus.INTENT_FAILURE if not self._fragments:
                if name != bus.HANDLED:
                    self._failure = message
                if self._empty_at is None:
                    self._empty_at = now + EMPTY_SECONDS
        return True

    def outcome(self, now: float) -> Outcome | None:
        """What came of the request; None while more may come."""
        if now < self.ends_at():
            return None
        if self._fragments:
            ending = Ending.ANSWERED
        elif self._failure is not None:
            ending = _ENDINGS[self._failure["type"]]
        else:
            ending = Ending.SILENT
        return Outcome(
            ending=ending,
            fragments=tuple(self._fragments),
            messages=tuple(self._messages),
            failure=self._failure,
            acknowledged=any(message.get("type") == bus.HANDLED for message in self._messages),
            dropped_media=self._dropped_media,
        )

    def _hear(self, data: Mapping[str, Any], now: float) -> None:
        fragment = " ".join(bus.text_of(data).split())
        if not fragment:
            return
        # Hubs send the same speech under the old name and the new.
        if self._fragments[-1:] != [fragment]:
            self._fragments.append(fragment)
        self._failure = None
        if self._settled_at is None:
            self._settled_at = now + SETTLE_SECONDS

    def _fits(self, sound: Any) -> bool:
        if not isinstance(sound, str) or len(sound) > MAX_MEDIA_HEX or self._media_hex + len(sound) > MAX_REPLY_HEX:
            return False
        self._media_hex += len(sound)
        return True


def takes_denial(
    *,
    request_id: str,
    denied_request_id: str | None,
    denied_type: str | None,
    asks_in_flight: int,
    queries_in_flight: int,
    sends_in_flight: int,
) -> bool:
    """True when a denial is of the request `request_id`.

    A hub's own denials carry no request id. Such a one is taken only when nothing else can have caused it:
    the request is the only one in flight, no query is, and no utterance without an awaited answer went out
    lately. A denial that could be another's is nobody's, since settling the wrong request is worse than waiting.
    """
    if denied_request_id is not None:
        return denied_request_id == request_id
    alone = asks_in_flight == 1 and not queries_in_flight and not sends_in_flight
    return alone and denied_type == bus.UTTERANCE


class InFlight:
    """What this client has out on one hub, to tell whose a denial is. Not for several threads."""

    def __init__(self) -> None:
        self._asks: set[str] = set()
        self._queries: set[str] = set()
        self._last_send: float | None = None

    def begin_ask(self, request_id: str) -> None:
        """Count a request whose answer is awaited. ValueError when one with this id is out already."""
        if request_id in self._asks:
            raise ValueError(f"a request with the id {request_id} is in flight already")
        self._asks.add(request_id)

    def end_ask(self, request_id: str) -> None:
        """The request ended, however it did."""
        self._asks.discard(request_id)

    def begin_query(self, query_id: str) -> None:
        """Count a query. ValueError when one with this id is out already."""
        if query_id in self._queries:
            raise ValueError(f"a query with the id {query_id} is in flight already")
        self._queries.add(query_id)

    def end_query(self, query_id: str) -> None:
        """The query ended, however it did."""
        self._queries.discard(query_id)

    def sent(self, now: float) -> None:
        """An utterance goes out that nobody awaits the answer to. Told just before it is published.

        It stays counted when publishing fails: the hub may have it all the same.
        """
        self._last_send = now

    def owner_of(self, denial: Mapping[str, Any], now: float) -> str | None:
        """The id of the request a `hive.policy.denied` message belongs to; None when that cannot be told."""
        data, context = bus.as_object(denial.get("data")), bus.as_object(denial.get("context"))
        sends = self._last_send is not None and now - self._last_send < UNTRACKED_GRACE_SECONDS
        owners = (
            request_id
            for request_id in self._asks
            if takes_denial(
                request_id=request_id,
                denied_request_id=bus.request_id_of(data, context),
                denied_type=data.get("denied_type"),
                asks_in_flight=len(self._asks),
                queries_in_flight=len(self._queries),
                sends_in_flight=int(sends),
            )
        )
        return next(owners, None)
