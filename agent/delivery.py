"""Which parcel goes out when, and how each one ends.

The hub's answer is the only proof: a broker's PUBACK and a socket's write are not. What was sent is in flight until the
hub names its request id again, the link is lost, or `answer_seconds` pass on a link that lived. A lost link puts what
may be sent again back at the front, in its old order, under its old id; of the rest nobody can say what became of it.

Noise frames are numbered, so the hub reads what we send in order and without gaps: once it answered a probe that was
sent after a parcel, it had that parcel too. Silence about a parcel is therefore worth a probe; a probe answered turns
"lost?" into "the hub had it", and only then can waiting for the answer come to an end.

The hub's denials carry no request id. One in flight alone owns a denial of its type; when several could own it nobody
does: they are waited for, and what stays open is sent again alone, where the next denial has one owner.

Pure: seconds come in as `now`, orders go out as effects; `Outcome`s are told through `Settle`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.effects import Drop, Effect, Fetch, Mark, ProbeSoon, Send, Settle
from agent.events import Fetched
from agent.hub.events import (
    EVENT_INTENT_FAILURE,
    EVENT_INTENT_UNMATCHED,
    EVENT_OVOS_UTTERANCE_SPEAK,
    EVENT_POLICY_DENIED,
    EVENT_SPEAK,
    EVENT_UTTERANCE_HANDLED,
    ThalovantEvent,
)
from agent.hub.messages import BusMessage
from agent.parcel import Outcome, Parcel, dated
from agent.stamps import Stamp, age

_BATCH = 64
"""Parcels read from the store at a time: enough to keep any window full, little to hold in memory."""
_REMEMBERED = 256
"""Parcels that ended as unknown and may still be answered late."""
_PASSING = frozenset({"backend_unavailable", "policy_error", "policy_chain_unavailable"})
"""Denials that say something of the hub's state and nothing of the message (wire reference, hub-behaviour.md section
3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTerms:
    """The figures of delivery; all times in seconds."""

    in_flight: int = 1
    """Parcels sent and not yet answered at one time. Each more is one more possible repeat when a hub is killed."""
    answer_seconds: float = 30.0
    """On a link that lived: sent this long ago and unanswered is unknown."""
    suspicious_seconds: float = 3.0
    """Silence about a parcel after which the link is probed."""
    empty_seconds: float = 5.0
    """After "no skill took it": how long a fallback's answer may still come (wire reference, messages.md section 6)."""
    passing_seconds: float = 10.0
    """Pause after a denial that will pass by itself."""
    disk_seconds: float = 2.0
    """Pause after the disk did not take the note that a parcel is about to be sent."""
    doubt_seconds: float = 2.0
    """How long the parcels that may own one denial are waited for before they are sent again, alone."""


@dataclass(slots=True)
class _Flight:
    parcel: Parcel
    sent: float
    spoken: list[str] = field(default_factory=list)
    unmatched_at: float | None = None
    probed: bool = False
    proved: bool = False
    """The hub answered a probe that was sent after the parcel: it had it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a parcel ended, for whoever tells the person."""

    parcel: Parcel
    outcome: Outcome
    reason: str = ""
    text: str = ""
    """What the hub said to it, fragments joined by a space."""


class Delivery:
    """The parcels on their way. Not thread-safe: the core's."""

    def __init__(self, terms: DeliveryTerms) -> None:
        self._terms = terms
        self._session: int | None = None
        self._flights: OrderedDict[str, _Flight] = OrderedDict()
        self._waiting: deque[Parcel] = deque()
        self._cursor = 0
        self._more = True  # the store may hold parcels from before this start
        self._fetching = False
        self._holding = False
        self._paused_until = 0.0
        self._alone = False
        self._doubt_ends: float | None = None
        self._unknown: OrderedDict[str, Parcel] = OrderedDict()
        self._perishing: dict[str, tuple[Parcel, float]] = {}
        self.endings: list[Ending] = []
        """What ended since the caller last emptied this list."""

    # -- what the rest of the device sees

    @property
    def in_flight(self) -> int:
        """Parcels sent and not yet answered."""
        return len(self._flights)

    @property
    def waiting(self) -> bool:
        """Whether parcels that were read from the store wait for a link."""
        return bool(self._waiting)

    def fresh(self, request_id: str | None, stamp: Stamp, seconds: float) -> bool:
        """Whether what the hub says to this request is news to somebody still standing there; the hub's own words
        always are."""
        flight = self._flights.get(request_id or "")
        parcel = flight.parcel if flight else self._unknown.get(request_id or "")
        return parcel is None or age(parcel.made, stamp) < seconds

    def deadline(self, now: float) -> float | None:
        """The moment at which `tick` has something to do, or None. `now` in the same clock as ever."""
        moments = []
        for flight in self._flights.values():
            if flight.proved or flight.spoken:  # else the link must speak first: it is up, or it is lost
                moments.append(flight.sent + self._terms.answer_seconds)
            if not flight.probed:
                moments.append(flight.sent + self._terms.suspicious_seconds)
            if flight.unmatched_at is not None:
                moments.append(flight.unmatched_at + self._terms.empty_seconds)
        if self._doubt_ends is not None:
            moments.append(self._doubt_ends)
        if self._paused_until > now:
            moments.append(self._paused_until)
        moments += [ends for name, (_, ends) in self._perishing.items() if name not in self._flights]
        return min(moments, default=None)

    # -- what happens

    def stored(self, parcel: Parcel, now: float) -> None:
        """The parcel was added to the store. A press is watched, so that it ends on time with no link to end it."""
        self._more = True
        if not parcel.replay:
            self._perishing[parcel.request_id] = (parcel, now + parcel.lifetime)

    def not_stored(self, request_id: str) -> None:
        """The disk did not take the parcel after all."""
        self._perishing.pop(request_id, None)

    def not_read(self) -> None:
        """The store could not be read: ask again when there is reason to."""
        self._fetching = False

    def not_sent(self, message: BusMessage, now: float) -> None:
        """The message stayed here, since the disk did not take what had to be noted before it: it goes first again."""
        flight = self._flights.get(message.request_id or "")
        if flight is not None:
            self._put_back(flight, attempted=False)
            self._paused_until = now + self._terms.disk_seconds

    def fetched(self, event: Fetched) -> None:
        """The store's answer: the oldest parcels that were behind the cursor."""
        self._fetching = False
        self._more = not event.last
        for parcel in event.parcels:
            self._cursor = max(self._cursor, parcel.sequence)
            if parcel.request_id not in self._flights:
                self._waiting.append(parcel)

    def link_up(self, session: int) -> None:
        """The link has a session; from now on parcels go out on it."""
        self._session = session
        self._holding = False
        self._paused_until = 0.0

    def link_down(self) -> list[Effect]:
        """The session ended: what may be sent again waits for the next one, of the rest nothing is known."""
        self._session = None
        self._doubt_ends = None
        effects: list[Effect] = []
        for flight in reversed(list(self._flights.values())):
            if flight.spoken or flight.unmatched_at is not None:
                # The hub had it and said something; only its last word was lost with the link.
                effects += self._end(flight, Outcome.DONE if flight.spoken else Outcome.UNANSWERED)
            elif flight.parcel.replay:
                self._waiting.appendleft(replace(flight.parcel, attempted=True))
            else:
                effects += self._end(flight, Outcome.UNKNOWN, "the link was lost before the hub answered")
        self._flights.clear()
        return effects

    def hold(self) -> None:
        """Send nothing new until the link has changed carriers."""
        self._holding = True

    @property
    def drained(self) -> bool:
        """Whether a change of carriers loses and repeats nothing."""
        return self._holding and not self._flights

    def proved(self, asked: float) -> None:
        """The hub answered the probe that left at `asked`. What left later needs another one."""
        for flight in self._flights.values():
            flight.proved = flight.proved or flight.sent <= asked
            flight.probed = flight.proved

    def hub_said(self, event: ThalovantEvent, now: float) -> list[Effect]:
        """Settle what the event answers. Events about other things are no concern of delivery."""
        if event.name == EVENT_POLICY_DENIED:
            return self._denied(event, now)
        request_id = event.request_id
        if request_id is None:
            return []
        flight = self._flights.get(request_id)
        if flight is None:
            return self._late(event, request_id)
        if event.name in (EVENT_SPEAK, EVENT_OVOS_UTTERANCE_SPEAK):
            if event.display_text:
                flight.spoken.append(event.display_text)
        elif event.name in (EVENT_INTENT_UNMATCHED, EVENT_INTENT_FAILURE):
            if flight.unmatched_at is None:
                flight.unmatched_at = now
        elif event.name == EVENT_UTTERANCE_HANDLED:
            unanswered = flight.unmatched_at is not None and not flight.spoken
            return self._end(flight, Outcome.UNANSWERED if unanswered else Outcome.DONE)
        return []

    def tick(self, now: float) -> list[Effect]:
        """Carry out what is due."""
        effects = self._expire(now)
        for flight in list(self._flights.values()):
            silent = now - flight.sent
            if flight.unmatched_at is not None and now - flight.unmatched_at >= self._terms.empty_seconds:
                effects += self._end(flight, Outcome.DONE if flight.spoken else Outcome.UNANSWERED)
            elif silent >= self._terms.answer_seconds and flight.spoken:
                effects += self._end(flight, Outcome.DONE)
            elif silent >= self._terms.answer_seconds and flight.proved:
                effects += self._end(flight, Outcome.UNKNOWN, "the hub took it and never answered")
            elif silent >= self._terms.suspicious_seconds and not flight.probed:
                flight.probed = True
                effects.append(ProbeSoon())
        if self._doubt_ends is not None and (now >= self._doubt_ends or not self._flights):
            self._doubt_ends = None
            for flight in reversed(list(self._flights.values())):
                if flight.parcel.replay:
                    self._put_back(flight)
                else:
                    effects += self._end(flight, Outcome.UNKNOWN, "the hub denied one of several, and not by name")
        return effects

    def pump(self, now: float, stamp: Stamp) -> list[Effect]:
        """Send what may go now, and ask the store for more when it may have some."""
        effects: list[Effect] = []
        if self._session is None or self._holding or self._doubt_ends is not None or now < self._paused_until:
            return effects
        room = 1 if self._alone else self._terms.in_flight
        while self._waiting and len(self._flights) < room:
            effects += self._send(self._waiting.popleft(), now, stamp)
        if not self._waiting:
            if self._alone and not self._flights:
                self._alone = False
            if self._more and not self._fetching:
                self._fetching = True
                effects.append(Fetch(self._cursor, _BATCH))
        return effects

    # -- how it is done

    def _send(self, parcel: Parcel, now: float, stamp: Stamp) -> list[Effect]:
        assert self._session is not None
        if age(parcel.made, stamp) >= parcel.lifetime:
            return self._finish(parcel, Outcome.EXPIRED, "it waited too long for the hub")
        effects: list[Effect] = []
        if not parcel.replay:
            if parcel.attempted:
                return self._finish(parcel, Outcome.UNKNOWN, "it was on its way when the device stopped")
            effects.append(Mark(parcel.request_id))
        self._flights[parcel.request_id] = _Flight(replace(parcel, attempted=True), now)
        return [*effects, Send(dated(parcel, stamp), self._session)]

    def _end(self, flight: _Flight, outcome: Outcome, reason: str = "") -> list[Effect]:
        self._flights.pop(flight.parcel.request_id, None)
        return self._finish(flight.parcel, outcome, reason, " ".join(flight.spoken))

    def _finish(self, parcel: Parcel, outcome: Outcome, reason: str = "", text: str = "") -> list[Effect]:
        self._perishing.pop(parcel.request_id, None)
        if outcome is Outcome.UNKNOWN:
            self._unknown[parcel.request_id] = parcel
            while len(self._unknown) > _REMEMBERED:
                self._unknown.popitem(last=False)
        self.endings.append(Ending(parcel, outcome, reason, text))
        if not parcel.replay and outcome not in (Outcome.REFUSED, Outcome.UNKNOWN):
            return [Drop(parcel.request_id)]  # a wish of a moment that is over, and no row of it may speak of a doubt
        return [Settle(parcel.request_id, outcome, reason)]

    def _put_back(self, flight: _Flight, *, attempted: bool = True) -> None:
        self._flights.pop(flight.parcel.request_id, None)
        self._waiting.appendleft(replace(flight.parcel, attempted=attempted))

    def _expire(self, now: float) -> list[Effect]:
        """End what waited too long with no link to end it; presses only, a code lives for days."""
        effects: list[Effect] = []
        for request_id, (parcel, ends) in list(self._perishing.items()):
            if now >= ends and request_id not in self._flights:
                self._waiting = deque(other for other in self._waiting if other.request_id != request_id)
                effects += self._finish(parcel, Outcome.EXPIRED, "it waited too long for the hub")
        return effects

    def _late(self, event: ThalovantEvent, request_id: str) -> list[Effect]:
        """An answer to what was given up as unknown: better known late than never."""
        parcel = self._unknown.get(request_id)
        if parcel is None or event.name not in (EVENT_SPEAK, EVENT_OVOS_UTTERANCE_SPEAK, EVENT_UTTERANCE_HANDLED):
            return []
        del self._unknown[request_id]
        return self._finish(parcel, Outcome.DONE, text=event.display_text)

    def _denied(self, event: ThalovantEvent, now: float) -> list[Effect]:
        owners = self._owners(event)
        if not owners:
            return []
        passing = str(event.data.get("code") or "") in _PASSING
        if passing:
            self._paused_until = now + self._terms.passing_seconds
        if len(owners) > 1:
            self._alone = True
            if self._doubt_ends is None:
                self._doubt_ends = now + self._terms.doubt_seconds
            return []
        if passing:
            # The hub says itself that nothing was forwarded, so even a press may go out once more.
            self._put_back(owners[0], attempted=False)
            return []
        return self._end(owners[0], Outcome.REFUSED, _reason(event.data))

    def _owners(self, event: ThalovantEvent) -> list[_Flight]:
        """The flights that the denial may be about; one of them is certain, several are a doubt."""
        if event.request_id is not None:
            named = self._flights.get(event.request_id)
            return [named] if named else []
        denied = event.data.get("denied_type")
        return [
            flight
            for flight in self._flights.values()
            # A flight the hub already spoke to was not denied.
            if flight.parcel.message.type == denied and not flight.spoken and flight.unmatched_at is None
        ]


def _reason(data: Mapping[str, Any]) -> str:
    """The hub's own words for a denial, else its code."""
    words: Iterable[Any] = (data.get("reason"), data.get("code"))
    return next((" ".join(word.split()) for word in words if isinstance(word, str) and word.strip()), "denied")
