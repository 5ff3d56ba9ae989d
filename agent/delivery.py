"""Which parcel goes out when, and how each one ends.

The hub's answer is the only proof: a broker's PUBACK and a socket's write are not. What was sent is in flight until the
hub names its request id again, the link is lost, or `answer_seconds` pass on a link that lived. A lost link puts what
may be sent again back at the front, in its old order, under its old id; of the rest nobody can say what became of it.

Noise frames are numbered, so the hub reads what we send in order and without gaps: once it answered a probe that was
sent after a parcel, it had that parcel too. Silence about a parcel is therefore worth a probe; a probe answered turns
"lost?" into "the hub had it", and only then can waiting for the answer come to an end.

The hub's denials name nobody. While `denials` cannot tell whose one is, nothing new goes out; what stays open is sent
again, alone.

Pure: seconds come in as `now`, orders go out as effects; `Outcome`s are told through `Settle` and `endings`.
"""

from __future__ import annotations

from collections import OrderedDict

from agent import flights
from agent.backlog import Backlog
from agent.denials import Denials
from agent.effects import Drop, Effect, Mark, ProbeSoon, Send, Settle, TakeOffer
from agent.events import Fetched
from agent.flights import Flight
from agent.hub.events import EVENT_POLICY_DENIED, ThalovantEvent
from agent.hub.messages import BusMessage
from agent.parcel import Outcome, Parcel, dated
from agent.record import record, replace
from agent.stamps import Stamp, age

_ONE_BY_ONE = frozenset({"mqtt"})
"""Carriers that never have more than one parcel in flight. A released hub that answers several at once publishes some
frames in another order than it sealed them (hivemind-core 5.3.10a1: the first of 300 codes from 6 in flight on), which
ends the session and has all of them sent again."""
_REMEMBERED = 256
"""Parcels that ended and of which the hub may still say something."""


@record(kw_only=True)
class DeliveryTerms:
    """The figures of delivery; all times in seconds."""

    in_flight: int = 1
    """Parcels sent and not yet answered at one time, where the carrier allows more than one. Each more is one more
    possible repeat when a hub is killed."""
    answer_seconds: float = 30.0
    """On a link that lived: sent this long ago and unanswered is unknown."""
    suspicious_seconds: float = 3.0
    """Silence about a parcel after which the link is probed."""
    unheard_seconds: float = 4.5
    """Silence about a parcel, and about the probe behind it, after which the person is told: within 5 s of the scan.
    A hub that is well answers a probe in milliseconds, so what is told of is one that is gone or in great distress."""
    empty_seconds: float = 5.0
    """After "no skill took it": how long a fallback's answer may still come (wire reference, messages.md section 6)."""
    passing_seconds: float = 10.0
    """Pause after a denial that will pass by itself."""
    disk_seconds: float = 2.0
    """Pause after the disk did not take the note that a parcel is about to be sent."""
    doubt_seconds: float = 2.0
    """After a denial whose owner is not certain: how long others' answers are waited for, which may tell."""
    change_seconds: float = 10.0
    """How long a change of carriers may take before sending goes on without it."""


@record
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
        self._window = 1
        self._backlog = Backlog()
        self._flights: OrderedDict[str, Flight] = OrderedDict()
        self._ended: OrderedDict[str, Ending] = OrderedDict()
        self._perishing: dict[str, tuple[Parcel, float]] = {}
        # The session.
        self._denials = Denials()
        self._denied_for = ""
        self._doubt_ends: float | None = None
        self._alone: set[str] = set()
        self._paused_until = 0.0
        self._sign = float("-inf")  # when the hub last said anything
        self._offered = False
        self._offer_ends: float | None = None
        self.hub_trouble = ""
        """Why the hub takes nothing at the moment, in its own words; empty while it does."""
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
        return len(self._backlog) > 0

    def fresh(self, request_id: str | None, stamp: Stamp, seconds: float) -> bool:
        """Whether what the hub says to this request is news to somebody still standing there; the hub's own words
        always are."""
        name = request_id or ""
        parcel = self._flights[name].parcel if name in self._flights else None
        if parcel is None and name in self._ended:
            parcel = self._ended[name].parcel
        return parcel is None or age(parcel.made, stamp) < seconds

    @property
    def unheard(self) -> tuple[Parcel, ...] | None:
        """While the hub answers neither parcels nor probes: the parcels with it that are kept and go again. Else None;
        the link may take 15 s more to give it up."""
        silent = [flight.parcel for flight in self._flights.values() if flight.unheard]
        return tuple(parcel for parcel in silent if parcel.replay) if silent else None

    def deadline(self, now: float) -> float | None:
        """The moment at which `tick` or `pump` has something to do, or None. `now` in the same clock as ever."""
        terms = self._terms
        moments = [moment for moment in (self._doubt_ends, self._offer_ends) if moment is not None]
        for flight in self._flights.values():
            if flight.proved or flight.answered:  # else the link must speak first: it is up, or it is lost
                moments.append(flight.sent + terms.answer_seconds)
            if not flight.probed:
                moments.append(flight.sent + terms.suspicious_seconds)
            if not (flight.proved or flight.answered or flight.unheard):
                moments.append(max(flight.sent, self._sign) + terms.unheard_seconds)
            if flight.unmatched_at is not None:
                moments.append(flight.unmatched_at + terms.empty_seconds)
        if self._paused_until > now:
            moments.append(self._paused_until)
        moments += [ends for name, (_, ends) in self._perishing.items() if name not in self._flights]
        return min(moments, default=None)

    # -- the store

    def stored(self, parcel: Parcel, now: float) -> None:
        """The parcel was added to the store. A wish is watched, so that it ends on time with no link to end it."""
        self._backlog.added()
        if not _lasting(parcel):
            self._perishing[parcel.request_id] = (parcel, now + parcel.lifetime)

    def not_stored(self, request_id: str) -> None:
        """The disk did not take the parcel after all."""
        self._perishing.pop(request_id, None)

    def not_read(self) -> None:
        """The store could not be read: ask again when there is reason to."""
        self._backlog.not_read()

    def not_sent(self, message: BusMessage, now: float) -> None:
        """The message stayed here, since the disk did not take what had to be noted before it: it goes first again."""
        flight = self._flights.get(message.request_id or "")
        if flight is not None:
            self._put_back(flight, attempted=flight.parcel.attempted)
            self._paused_until = now + self._terms.disk_seconds

    def fetched(self, event: Fetched) -> None:
        """The store's answer: the oldest parcels that were behind the cursor."""
        self._backlog.fetched(event)

    # -- the link

    def link_up(self, session: int, protocol: str) -> None:
        """The link has a session; from now on parcels go out on it."""
        self._session = session
        self._window = 1 if protocol in _ONE_BY_ONE else self._terms.in_flight
        self._denials.session_began()
        self._doubt_ends = self._offer_ends = None
        self._offered = False
        self._paused_until = 0.0

    def link_down(self) -> list[Effect]:
        """The session ended: what may be sent again waits for the next one, of the rest nothing is known."""
        self._session = self._doubt_ends = None
        self._alone.clear()
        self.hub_trouble = ""
        effects: list[Effect] = []
        back: list[Flight] = []
        for flight in list(self._flights.values()):
            if flight.answered:
                # Only the hub's last word was lost with the link.
                effects += self._end(flight, flight.outcome)
            elif flight.parcel.replay:
                back.append(flight)
            else:
                effects += self._end(flight, Outcome.UNKNOWN, "the link was lost before the hub answered")
        for flight in reversed(back):
            self._put_back(flight)
        return effects

    def hold(self) -> None:
        """Send nothing new until the link has changed carriers, which it is told to once nothing is in flight."""
        self._offered = True

    def proved(self, asked: float) -> None:
        """The hub answered the probe that left at `asked`. What left later needs another one."""
        for flight in self._flights.values():
            flight.proved = flight.proved or flight.sent <= asked
            flight.probed = flight.proved
            flight.unheard = flight.unheard and not flight.proved

    def hub_said(self, event: ThalovantEvent, now: float) -> list[Effect]:
        """Settle what the event answers. Events about other things show no more than that the hub is there."""
        self._sign = now
        for each in self._flights.values():
            each.unheard = False
        if event.name == EVENT_POLICY_DENIED:
            return self._denied(event, now)
        request_id, meaning = event.request_id, flights.heard(event)
        if request_id is None or meaning is None:
            return []
        self.hub_trouble = ""
        effects: list[Effect] = []
        flight = self._flights.get(request_id)
        if flight is None:
            effects += self._late(request_id, meaning, event.display_text)
        elif (outcome := flight.hear(event, now)) is not None:
            effects += self._end(flight, outcome)
        for name in self._denials.answered(request_id, self._deniable()):
            effects += self._end(self._flights[name], Outcome.REFUSED, self._denied_for)
        return effects

    # -- what time brings

    def tick(self, now: float) -> list[Effect]:
        """Carry out what is due."""
        effects = self._expire(now)
        for flight in list(self._flights.values()):
            silent = now - flight.sent
            if flight.unmatched_at is not None and now - flight.unmatched_at >= self._terms.empty_seconds:
                effects += self._end(flight, flight.outcome)
            elif silent >= self._terms.answer_seconds and (flight.proved or flight.answered):
                reason = "" if flight.answered else "the hub took it and never answered"
                effects += self._end(flight, flight.outcome, reason)
            elif silent >= self._terms.suspicious_seconds and not flight.probed:
                flight.probed = True
                effects.append(ProbeSoon())
            elif now - max(flight.sent, self._sign) >= self._terms.unheard_seconds:
                flight.unheard = not (flight.proved or flight.answered)
        if self._doubt_ends is not None and (now >= self._doubt_ends or not self._deniable()):
            self._doubt_ends = None
            for name in reversed(self._deniable()):
                flight = self._flights[name]
                if flight.parcel.replay:
                    self._alone.add(name)
                    self._put_back(flight)
                else:
                    effects += self._end(flight, Outcome.UNKNOWN, "the hub denied one of several, and not by name")
        if self._offer_ends is not None and now >= self._offer_ends:
            self._offered, self._offer_ends = False, None
        return effects

    def pump(self, now: float, stamp: Stamp) -> list[Effect]:
        """Send what may go now, and ask the store for more when it may have some."""
        effects: list[Effect] = []
        if self._session is None or self._doubt_ends is not None or now < self._paused_until:
            return effects
        if self._offered:
            if not self._flights and self._offer_ends is None:
                self._offer_ends = now + self._terms.change_seconds
                effects.append(TakeOffer())
            return effects
        while len(self._backlog) > 0 and len(self._flights) < (1 if self._alone else self._window):
            effects += self._send(self._backlog.take(), now, stamp)
        return [*effects, *self._backlog.fetch()]

    # -- how it is done

    def _send(self, parcel: Parcel, now: float, stamp: Stamp) -> list[Effect]:
        assert self._session is not None
        if parcel.attempted and not parcel.replay:
            return self._finish(parcel, Outcome.UNKNOWN, "it was on its way when the device stopped")
        if _over(parcel, stamp):
            return self._too_late(parcel)
        effects: list[Effect] = [] if parcel.replay else [Mark(parcel.request_id)]
        self._flights[parcel.request_id] = Flight(parcel, now)
        self._denials.sent(parcel.request_id)
        return [*effects, Send(dated(parcel, stamp), self._session)]

    def _put_back(self, flight: Flight, *, attempted: bool = True) -> None:
        parcel = replace(flight.parcel, attempted=attempted)
        del self._flights[parcel.request_id]
        self._backlog.put_back(parcel)
        if parcel.request_id in self._perishing:
            self._perishing[parcel.request_id] = (parcel, self._perishing[parcel.request_id][1])

    def _end(self, flight: Flight, outcome: Outcome, reason: str = "") -> list[Effect]:
        del self._flights[flight.parcel.request_id]
        return self._finish(flight.parcel, outcome, reason, " ".join(flight.spoken))

    def _finish(self, parcel: Parcel, outcome: Outcome, reason: str = "", text: str = "") -> list[Effect]:
        ending = Ending(parcel, outcome, reason, text)
        self._perishing.pop(parcel.request_id, None)
        self._alone.discard(parcel.request_id)
        self._ended[parcel.request_id] = ending
        while len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        self.endings.append(ending)
        if not parcel.replay and outcome not in (Outcome.REFUSED, Outcome.UNKNOWN):
            return [Drop(parcel.request_id)]  # a wish of a moment that is over, and no row of it may speak of a doubt
        return [Settle(parcel.request_id, outcome, reason)]

    def _too_late(self, parcel: Parcel) -> list[Effect]:
        if parcel.attempted:
            return self._finish(parcel, Outcome.UNKNOWN, "it was sent, and its time ran out without an answer")
        return self._finish(parcel, Outcome.EXPIRED, "it waited too long for the hub")

    def _expire(self, now: float) -> list[Effect]:
        """End the wishes that waited too long with no link to end them."""
        effects: list[Effect] = []
        for request_id, (parcel, ends) in list(self._perishing.items()):
            if now >= ends and request_id not in self._flights:
                self._backlog.withdraw(request_id)
                effects += self._too_late(parcel)
        return effects

    def _late(self, request_id: str, outcome: Outcome, text: str) -> list[Effect]:
        """An answer to what waits to be sent again, or was given up as unknown: better known late than never."""
        parcel = self._backlog.withdraw(request_id)
        ended = self._ended.get(request_id)
        if parcel is None and ended is not None and ended.outcome is Outcome.UNKNOWN:
            parcel = ended.parcel
        return self._finish(parcel, outcome, text=text) if parcel is not None else []

    def _denied(self, event: ThalovantEvent, now: float) -> list[Effect]:
        reason = flights.reason(event.data)
        candidates = self._deniable()
        if event.request_id is not None:
            owners = [name for name in candidates if name == event.request_id]
            self._denials.answered(event.request_id)
        elif any(self._flights[name].parcel.message.type == event.data.get("denied_type") for name in candidates):
            owners = self._denials.denied(candidates)
            if not owners:
                self._doubt_ends = now + self._terms.doubt_seconds
                self._denied_for = reason
        else:
            return []
        passing = flights.passing(event)
        if passing:
            self._paused_until = now + self._terms.passing_seconds
            self.hub_trouble = reason
        effects: list[Effect] = []
        for name in reversed(owners):
            if passing:
                # The hub says itself that nothing was forwarded, so even a press may go out once more.
                self._put_back(self._flights[name], attempted=False)
            else:
                effects += self._end(self._flights[name], Outcome.REFUSED, reason)
        return effects

    def _deniable(self) -> list[str]:
        """What a denial that comes now may be about: in flight, and not answered."""
        return [name for name, flight in self._flights.items() if not flight.answered]


def _lasting(parcel: Parcel) -> bool:
    """Whether somebody counts on it after they have left: a code was read off a thing, anything else was wished."""
    return parcel.kind == "code"


def _over(parcel: Parcel, now: Stamp) -> bool:
    """Whether its time is over. A wish ends with the boot it was made in, however little the clocks can prove."""
    if not _lasting(parcel) and parcel.made.boot != now.boot:
        return True
    return age(parcel.made, now) >= parcel.lifetime
