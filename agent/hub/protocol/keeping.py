"""When to dial, what to dial, and when to stop: the link's whole judgement, with no socket and no clock in it.

What happened goes in (`Outcome`, a moment, a number of chance), a decision comes out: hold what is up, dial this
protocol after so many seconds, or stop until a person has acted. The one idea: a device whose person waits is quick,
and a device nobody waits for is patient, because ten thousand patient ones share the hub that comes back. So the ladder
of waits starts low when `hurry` was called and high when a link is lost that nobody was using.

Which protocol: the first in order of preference among those that failed least. One that failed is not dialled before
the others had their turn; one that is lost right after it came up counts as failed. While a worse one is up,
`offer_due` says when to look at a better one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from agent.record import record


class Outcome(StrEnum):
    """How an attempt, or an established link, ended; or that it came up."""

    UP = "up"
    DROPPED = "dropped"
    FAILED = "failed"
    REFUSED = "refused"
    KEY_CHANGED = "key_changed"
    CLIENT_KEY_REJECTED = "client_key_rejected"


@record
class Hold:
    """The link is up: leave it."""


@record
class Dial:
    """Dial `protocol` in `wait` seconds."""

    protocol: str
    wait: float


@record
class Stop:
    """Waiting cannot help: dial again only when a person acts."""

    reason: Outcome


Decision = Hold | Dial | Stop

_LAST_RUNG = 30
"""No ladder is longer; and 2.0 ** 1024, two days of failures, would overflow."""


@record(kw_only=True)
class Terms:
    """The figures of link keeping; all times in seconds."""

    first: float = 1.0
    """The first rung of the ladder of waits, which doubles."""
    ceiling: float = 120.0
    """Its last rung."""
    least_share: float = 0.5
    """A wait is between this share of its rung and the whole. Half, not nothing: at the last rung a fleet of N that
    waits 0 to 120 s makes N/60 attempts a second, and more than 2 % of N in its busy seconds; 60 to 120 s makes
    N/90."""
    floor: float = 1.0
    """Never more than one attempt within this time, whoever is in a hurry."""
    lone_spread: float = 90.0
    """After the loss of a link nobody was using: the first wait is anything up to this. A fleet that loses its hub at
    one moment then dials at 1.1 % of its number a second."""
    spread: float = 20.0
    """The same where the connection was ended and another protocol may be had: what was lost may be the broker alone,
    with the hub well. The others then have their turn at once."""
    stable: float = 20.0
    """A link that is lost before it held for this long counts as a failed attempt."""
    refusal_grace: float = 600.0
    """Refusals are ordinary for this long: a new client is refused until its hub has admitted it, about 90 s."""
    gives_up: bool = False
    """Whether refusals beyond the grace end in `Stop`. A device asks on, at the last rung: it may be admitted by
    night."""
    offer_first: float = 20.0
    """While a worse protocol is up: the first look at a better one, doubling with each that fails."""
    offer_ceiling: float = 600.0
    confirmations: int = 2
    """Rejections of the client's key in a row before it is believed where the carrier has no word for it: on MQTT the
    late will of an older connection looks the same."""


@record(frozen=False)
class _Health:
    failures: int = 0


class Keeping:
    """The judgement of one link. Not thread-safe: the link's."""

    def __init__(self, protocols: Sequence[str], terms: Terms | None = None, *, admitted: bool = False) -> None:
        """`protocols` in order of preference, at least one. `admitted`: this device was up on this hub before."""
        if not protocols:
            raise ValueError("a link needs at least one protocol")
        self._terms = terms or Terms()
        self._protocols = tuple(protocols)
        self._health = {protocol: _Health() for protocol in protocols}
        self._admitted = admitted
        self._rung = 0
        self._at_once = 0
        """How many more failed attempts are followed by another protocol at once."""
        self._up: str | None = None
        self._up_since = 0.0
        self._last_dial: float | None = None
        self._refused_since: float | None = None
        self._refused_by: set[str] = set()
        """The protocols whose last word was a refusal."""
        self._rejections = 0
        self._offer_wait = self._terms.offer_first
        self._offer_at: float | None = None

    # -- what is asked

    def start(self) -> Dial:
        """The first attempt, at once: a fleet that gets its power back at one moment is spread by its boards' boots."""
        return Dial(self._protocols[0], 0.0)

    def after(
        self,
        protocol: str,
        outcome: Outcome,
        now: float,
        chance: float,
        *,
        certain: bool = True,
        in_use: bool = False,
        silent: bool = False,
    ) -> Decision:
        """What follows when `protocol` ended so at `now`.

        `certain` False: the carrier only hints at the outcome. `in_use`: messages wait, or a person acted within the
        last minute, so the patience of an idle device is out of place. `silent`: the link was not ended but found dead,
        so it is the hub that is away, whatever the protocol.
        """
        match outcome:
            case Outcome.UP:
                return self._came_up(protocol, now)
            case Outcome.DROPPED:
                return self._dropped(protocol, now, chance, in_use=in_use, silent=silent)
            case Outcome.KEY_CHANGED:
                return Stop(outcome)
            case Outcome.CLIENT_KEY_REJECTED:
                self._rejections += 1
                if certain or self._rejections >= self._terms.confirmations:
                    self._rejections = 0
                    return Stop(outcome)
                return self._failed(protocol, now, chance)
            case Outcome.REFUSED:
                if self._refused_since is None:
                    self._refused_since = now
                self._refused_by.add(protocol)
                self._rejections = 0
                if self._terms.gives_up and now - self._refused_since >= self._terms.refusal_grace:
                    return Stop(outcome)
                return self._failed(protocol, now, chance)
            case Outcome.FAILED:
                self._refused_by.discard(protocol)
                if not self._refused_by:  # one that has no word for a refusal does not unsay another's
                    self._refused_since = None
                self._rejections = 0
                return self._failed(protocol, now, chance)

    def hurry(self, now: float) -> Dial:
        """A person acts, or the network changed: the ladder starts again, and the next attempt is due, but for the
        floor."""
        self._rung = 0
        return self._dial(now, 0.0)

    def dialled(self, now: float) -> None:
        """An attempt begins."""
        self._last_dial = now

    def awaiting_admission(self, now: float) -> bool:
        """Whether refusals are still what every new device meets."""
        if self._refused_since is None or self._admitted:
            return False
        return now - self._refused_since < self._terms.refusal_grace

    # -- a better protocol than the one that is up

    @property
    def better(self) -> tuple[str, ...]:
        """The protocols preferred to the one that is up, best first."""
        return self._protocols[: self._protocols.index(self._up)] if self._up else ()

    def offer_due(self, now: float) -> str | None:
        """The better protocol to look at now, or None."""
        if self._offer_at is None or now < self._offer_at:
            return None
        return min(self.better, key=lambda protocol: self._health[protocol].failures, default=None)

    @property
    def offer_at(self) -> float | None:
        """When the next look at a better protocol is due; None while none is."""
        return self._offer_at

    def offer_ended(self, protocol: str, outcome: Outcome, now: float, chance: float) -> None:
        """A look at a better protocol ended. UP: it waits to be taken, and `after` tells when it was."""
        self._offer_at = None
        if outcome is not Outcome.UP:
            self._health[protocol].failures += 1
            self._offer_at = now + self._offer_wait * (1 - self._terms.least_share * chance)
            self._offer_wait = min(self._offer_wait * 2, self._terms.offer_ceiling)

    # -- how it is done

    def _came_up(self, protocol: str, now: float) -> Hold:
        self._up, self._up_since = protocol, now
        self._admitted = True
        self._refused_since = None
        self._refused_by.clear()
        self._rejections = 0
        if protocol == self._protocols[0]:
            self._offer_wait, self._offer_at = self._terms.offer_first, None
        else:
            self._offer_at = now + self._offer_wait
        return Hold()

    def _dropped(self, protocol: str, now: float, chance: float, *, in_use: bool, silent: bool) -> Dial:
        terms = self._terms
        held = self._up == protocol and now - self._up_since >= terms.stable
        self._up = None
        self._offer_at = None
        if not held:
            return self._failed(protocol, now, chance)
        self._health[protocol].failures = 0
        self._rung = 0
        if in_use:
            return self._dial(now, chance * terms.first)
        self._rung = _LAST_RUNG
        if silent:  # each device found it when its own probe was due, which has spread them already
            return self._dial(now, chance * terms.spread)
        self._at_once = len(self._protocols) - 1
        # A hub that dies ends every WebSocket at one moment. On MQTT it is the broker that ends a connection, or the
        # hub that dismisses one device: either is there to be dialled.
        patient = not self._at_once and protocol != "mqtt"
        return self._dial(now, chance * (terms.lone_spread if patient else terms.spread))

    def _failed(self, protocol: str, now: float, chance: float) -> Dial:
        if self._up is not None and now - self._up_since >= self._terms.stable:
            self._rung = 0  # a link that held, and ended without anybody saying so
        self._up = None
        self._health[protocol].failures += 1
        if self._at_once > 0:
            self._at_once -= 1
            return self._dial(now, 0.0)
        step = min(self._terms.first * 2.0 ** min(self._rung, _LAST_RUNG), self._terms.ceiling)
        self._rung += 1
        share = self._terms.least_share
        return self._dial(now, step * (share + (1 - share) * chance))

    def _dial(self, now: float, wait: float) -> Dial:
        # The floor is between attempts, however long the last one took to fail.
        if self._last_dial is not None:
            wait = max(wait, self._last_dial + self._terms.floor - now)
        best = min(self._protocols, key=lambda protocol: self._health[protocol].failures)
        return Dial(best, wait)


@record(kw_only=True)
class PulseTerms:
    """The figures of probing; seconds."""

    idle: float = 100.0
    """Between two probes when nothing else is wrong: the hub drops an MQTT session after 300 s without a message, and a
    dead link nobody uses is to be found within 120 s."""
    doubt: float = 5.0
    """A probe unanswered for this long makes the link doubtful, and is sent once more."""
    dead: float = 10.0
    """A second probe unanswered for this long: the link is gone."""


class Pulse:
    """Whether an established link lives: when to probe, and what an unanswered probe means. Not thread-safe: the
    link's."""

    def __init__(self, now: float, terms: PulseTerms | None = None) -> None:
        self._terms = terms or PulseTerms()
        self._due = now + self._terms.idle
        self._asked: float | None = None
        self._asked_again: float | None = None

    def suspect(self, now: float) -> None:
        """Something is odd: probe now, unless a probe is out already."""
        if self._asked is None:
            self._due = now

    def sent(self, now: float) -> None:
        """A probe left."""
        if self._asked is None:
            self._asked = now
        else:
            self._asked_again = now

    def answered(self, now: float) -> float | None:
        """A probe's answer came: both directions and the hub's session live.

        Says when the probe left; None when none was out.
        """
        asked, self._asked, self._asked_again = self._asked, None, None
        self._due = now + self._terms.idle
        return asked

    @property
    def doubtful(self) -> bool:
        """Whether one probe went unanswered."""
        return self._asked_again is not None

    def due(self, now: float) -> bool:
        """Whether a probe should leave now."""
        if self._asked is None:
            return now >= self._due
        return self._asked_again is None and now - self._asked >= self._terms.doubt

    def dead(self, now: float) -> bool:
        """Whether the link is to be given up."""
        return self._asked_again is not None and now - self._asked_again >= self._terms.dead

    def deadline(self) -> float:
        """When one of the answers above changes if nothing comes."""
        if self._asked is None:
            return self._due
        if self._asked_again is None:
            return self._asked + self._terms.doubt
        return self._asked_again + self._terms.dead
