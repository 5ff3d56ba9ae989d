"""What each signal looks and sounds like: seconds on, seconds off, and so on.

A person learns them by ear within a day if good news is short and bad news is long, and no two have the same rhythm.
"Accepted" comes with every scan, so it is the shortest: anything longer is still on when the next code is read.

A light of three colours says the same again in colours that every traffic has: green is done, yellow asks for another
try, red is no, blue waits. The rhythm stays, for those who see no red or green. A beeper that can be given a tone has
good news at its own and bad news an octave below.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Kind = Literal["light", "rgb", "beeper"]
Pattern = tuple[tuple[float, float], ...]
"""Steps of (seconds on, seconds off)."""
Colour = tuple[int, int, int]
"""Red, green and blue, each on or off."""

DARK: Pattern = ()
STEADY: Pattern = ((1.0, 0.0),)
"""On, when it is what a light rests at."""

_LIGHT: Mapping[str, Pattern] = {
    "accepted": ((0.15, 0.1),),
    "done": ((0.8, 0.1),),
    "unanswered": ((0.5, 0.3),) * 2,
    "refused": ((0.1, 0.1),) * 8,
    "again": ((0.15, 0.15),) * 3,
    # These two are also what a light rests at for as long as the state lasts.
    "offline": ((0.1, 1.9),),
    "attention": ((0.1, 0.2), (0.1, 1.1)),
}

_BEEPER: Mapping[str, Pattern] = {
    "accepted": ((0.06, 0.05),),
    "done": ((0.04, 0.06),) * 2,
    "unanswered": ((0.25, 0.15),) * 2,
    "refused": ((0.9, 0.1),),
    "again": ((0.08, 0.08),) * 3,
    "offline": ((0.3, 0.1), (0.1, 0.1)),
    "attention": ((0.1, 0.1), (0.3, 0.1)),
}

PATTERNS: Mapping[Kind, Mapping[str, Pattern]] = MappingProxyType(
    {
        "light": MappingProxyType(_LIGHT),
        "rgb": MappingProxyType(_LIGHT),
        "beeper": MappingProxyType(_BEEPER),
    }
)
"""The pattern of each kind and signal."""

WHITE: Colour = (1, 1, 1)
_GREEN, _YELLOW, _RED, _BLUE = (0, 1, 0), (1, 1, 0), (1, 0, 0), (0, 0, 1)
COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "accepted": _GREEN,
        "done": _GREEN,
        "unanswered": _YELLOW,
        "refused": _RED,
        "again": _YELLOW,
        "offline": _BLUE,
        "attention": _RED,
    }
)
"""The colour of each signal, for a light that has some."""

PITCHES: Mapping[str, float] = MappingProxyType(
    {signal: 1.0 if signal in {"accepted", "done", "offline"} else 0.5 for signal in _BEEPER}
)
"""How high each signal sounds, as a part of the beeper's own tone, for one that can be given a tone."""
