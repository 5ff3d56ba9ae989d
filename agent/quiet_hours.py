"""The hours in which nothing beeps. Pure, but for `local_minute`, which is what people's clocks show."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

_SPAN = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
_CLOCK_IS_SET = 1_735_689_600.0
"""2025 began. A board without a clock starts long before, and has no hours until a time server has told it."""


class Span:
    """A time from one hour of the day to another, perhaps past midnight, as `agent.toml` writes it."""

    def problem(self, value: str) -> str | None:
        """What was expected, or None."""
        found = re.fullmatch(_SPAN, value)
        fits = found is not None and (found[1], found[2]) != (found[3], found[4])
        return None if fits else 'a time such as "22:00-06:00"'


class QuietHours:
    """Spans of the day, each from its first minute up to its last, which is not quiet any more."""

    def __init__(self, spans: Sequence[str]) -> None:
        """`spans` are right by `Span`."""
        found = [re.fullmatch(_SPAN, span) for span in spans]
        self._spans = [(int(at[1]) * 60 + int(at[2]), int(at[3]) * 60 + int(at[4])) for at in found if at is not None]

    def hold(self, minute: int | None) -> bool:
        """Whether it is quiet in this minute of the day, counted from midnight; None for a clock that is not set."""
        if minute is None:
            return False
        return any(
            start <= minute < end if start < end else minute >= start or minute < end for start, end in self._spans
        )


def local_minute(wall: Callable[[], float] = time.time) -> int | None:
    """The minute of the day by local time; None while the clock is not set."""
    now = wall()
    if now < _CLOCK_IS_SET:
        return None
    here = time.localtime(now)
    return here.tm_hour * 60 + here.tm_min
