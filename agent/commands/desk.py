"""What a command for a person at a terminal needs of the world: answers, time, and a line that tells how it goes."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from agent.record import field, record

_LINE_EVERY = 10.0  # seconds between lines where no line can be overwritten, as in a log


@record(frozen=False, kw_only=True)
class Desk:
    """The real world, unless a test says otherwise."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    lines: TextIO = field(default_factory=lambda: sys.stdin)
    """Standard input, where a program writes a secret."""
    errors: TextIO = field(default_factory=lambda: sys.stderr)
    """Where a person reads; standard output is for what a program may want."""
    ask: Callable[[str], str] = input
    ask_secret: Callable[[str], str] = getpass.getpass
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def say(self, text: str) -> None:
        """Tell the person one line."""
        print(text, file=self.errors, flush=True)


class Progress:
    """One line that changes on a terminal; elsewhere a new line every ten seconds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._is_terminal = desk.errors.isatty()
        self._last: float | None = None

    def show(self, text: str) -> None:
        """Put `text` in the line's place."""
        if self._is_terminal:
            print(f"\r\x1b[K{text}", end="", file=self._desk.errors, flush=True)
            self._last = self._desk.clock()
        elif self._last is None or self._desk.clock() - self._last >= _LINE_EVERY:
            self._desk.say(text)
            self._last = self._desk.clock()

    def clear(self) -> None:
        """Leave the terminal's line empty for what comes next."""
        if self._is_terminal and self._last is not None:
            print("\r\x1b[K", end="", file=self._desk.errors, flush=True)
            self._last = None
