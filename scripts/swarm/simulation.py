"""Thousands of devices' decisions against one hub that is away for a while: the production state machine, and no
socket.

Each device is a `Keeping` with a clock; what the hub does is known beforehand, so an hour of ten thousand devices takes
seconds.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.hub.protocol.keeping import Dial, Keeping, Outcome, PulseTerms

_PULSE = PulseTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens to the fleet. Seconds."""

    devices: int
    protocols: Sequence[str]
    """In the devices' order of preference; all are lost with the hub."""
    away: float
    """How long the hub is away."""
    silent: bool
    """Whether the loss is only found by probing, as on MQTT, where the broker stays; else every connection ends at
    once."""
    in_use: float = 0.0
    """The share of devices with a person in front of them at the moment of the loss."""
    attempt_seconds: float = 0.3
    """How long an attempt takes, to fail or to succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How the fleet's attempts lay in time."""

    attempts: int
    peak_per_second: int
    """Attempts in the busiest second."""
    back_after: Sequence[float]
    """For each device, seconds from the hub's return to its link being up; sorted."""

    def percentile(self, share: float) -> float:
        """Seconds after which this share of the devices was back."""
        return self.back_after[min(int(share * len(self.back_after)), len(self.back_after) - 1)]


def simulate(outage: Outage, *, seed: int) -> Spread:
    """Let the fleet lose its hub at second 0 and follow every device until its link is up again."""
    chance = random.Random(seed)
    events: list[tuple[float, int, str]] = []
    fleet: list[Keeping] = []
    for number in range(outage.devices):
        link = Keeping(outage.protocols, admitted=True)
        first = outage.protocols[0]
        # Up for a while already, each since another moment.
        link.after(first, Outcome.UP, -chance.uniform(60, 3600), chance.random())
        found = chance.uniform(0, _PULSE.idle) + _PULSE.doubt + _PULSE.dead if outage.silent else 0.0
        in_use = chance.random() < outage.in_use
        decision = link.after(first, Outcome.DROPPED, found, chance.random(), in_use=in_use, silent=outage.silent)
        assert isinstance(decision, Dial)
        fleet.append(link)
        heapq.heappush(events, (found + decision.wait, number, decision.protocol))
    seconds: Counter[int] = Counter()
    back: list[float] = []
    while events:
        now, number, protocol = heapq.heappop(events)
        seconds[int(now)] += 1
        link = fleet[number]
        link.dialled(now)
        ended = now + outage.attempt_seconds
        if now >= outage.away:
            link.after(protocol, Outcome.UP, ended, chance.random())
            back.append(ended - outage.away)
            continue
        decision = link.after(protocol, Outcome.FAILED, ended, chance.random())
        assert isinstance(decision, Dial)
        heapq.heappush(events, (ended + decision.wait, number, decision.protocol))
    return Spread(attempts=sum(seconds.values()), peak_per_second=max(seconds.values()), back_after=sorted(back))
