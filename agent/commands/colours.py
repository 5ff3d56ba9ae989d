"""Colour for people at a terminal, and none for programs, pipes, and those who do not want it (no-color.org)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Literal, TextIO

Colour = Literal["good", "look", "bad", ""]
Paint = Callable[[str, Colour], str]
"""The text in a colour; "" leaves it as it is."""

_CODES = {"good": "32", "look": "33", "bad": "1;31"}  # green, yellow, bold red: ECMA-48, SGR


def painter(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> Paint:
    """What paints for `stream`, standard output by default."""
    stream = stream or sys.stdout
    if not stream.isatty() or environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb":
        return lambda text, _: text
    return lambda text, colour: f"\033[{_CODES[colour]}m{text}\033[0m" if colour and text else text
