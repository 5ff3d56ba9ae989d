"""When a message was made, said so that no jump of the wall clock can change its age.

A small board has no clock of its own: after a power cut it believes whatever the last boot wrote down, and minutes
later the network moves it by hours or decades. So an age is never the difference of two wall times alone. Within one
boot it is the difference of two readings of the boot's own clock, which only runs forward; over a reboot it is taken
from wall time only where both ends knew that the clock had been set, and is otherwise the part that can be proved.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from agent.record import record

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOCK_WAS_SET = Path("/run/systemd/timesync/synchronized")
_BUILT = 1_735_689_600.0
"""2025-01-01: a clock that says less was never set."""
_LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999, which is the last a date can be written for."""


@record(kw_only=True)
class Stamp:
    """One moment, by the boot's clock and by the wall's."""

    boot: str
    """The kernel's boot id."""
    since_boot: float
    """Seconds since that boot, time asleep included (CLOCK_BOOTTIME)."""
    wall: float
    """Seconds since 1970 as the device believed them at that moment."""
    sure: bool
    """Whether the clock was known to be set: by the network, not by the last boot's memory."""


def age(stamp: Stamp, now: Stamp) -> float:
    """Seconds from `stamp` to `now`, never negative; over a reboot at least this long.

    Over a reboot with either clock unsure only the time since this boot is certain.
    """
    if stamp.boot == now.boot:
        return max(0.0, now.since_boot - stamp.since_boot)
    if stamp.sure and now.sure:
        return max(now.since_boot, now.wall - stamp.wall)
    return now.since_boot


def wall_time(stamp: Stamp, now: Stamp) -> tuple[float, bool]:
    """When `stamp` was, in seconds since 1970, and whether that is sure.

    A clock set later in the same boot tells the moment afterwards; over a reboot only what was sure then is.
    """
    if not stamp.sure and now.sure and stamp.boot == now.boot:
        return now.wall - age(stamp, now), True
    return min(max(stamp.wall, 0.0), _LAST_SECOND), stamp.sure


class StampSource(Protocol):
    """Whatever can say the present moment."""

    def __call__(self) -> Stamp: ...


class SystemStamps:
    """The machine's own clocks."""

    def __init__(self, boot_id: Path = _BOOT_ID, clock_was_set: Path = _CLOCK_WAS_SET) -> None:
        self._clock_was_set = clock_was_set
        try:
            self._boot = boot_id.read_text().strip()
        except OSError:
            # Not Linux, or /proc hidden: each run counts as a boot of its own, which only makes ages shorter.
            self._boot = f"run-{time.time_ns()}"

    def __call__(self) -> Stamp:
        wall = time.time()
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        return Stamp(boot=self._boot, since_boot=since_boot, wall=wall, sure=wall >= _BUILT and self._set())

    def _set(self) -> bool:
        # Where timesyncd does not run at all (chrony, a laptop) its folder is missing and the wall clock is all there
        # is.
        return self._clock_was_set.exists() or not self._clock_was_set.parent.exists()
