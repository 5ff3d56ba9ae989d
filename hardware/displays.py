"""The console as a display: a screen on the Pi's HDMI or DSI, a terminal, or plain lines in a log."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import time
from collections.abc import Sequence

from hardware.facts import DeviceError
from hardware.layout import fit, printable

_WRITE_SECONDS = 2.0
"""A console takes a screen of text within milliseconds, unless somebody pressed Ctrl-S or Scroll Lock on it."""
_CHUNK = 512  # bytes: what a pipe that is ready takes without waiting

_CLEAR = "\x1b[0m\x1b[2J\x1b[?25l\x1b[?7l"  # plain colours, empty, no cursor, no wrapping by the terminal
_NEVER_BLANK = "\x1b[9;0]\x1b[14;0]"  # only the Linux console knows these two: it goes dark after ten minutes otherwise
_RESTORE = "\x1b[?7h\x1b[?25h\r\n"


class ConsoleDisplay:
    """Draws lines of text on a terminal, the most important first; what does not fit is left out.

    `target` is a terminal's path or "-" for standard output. Where standard output is no terminal, lines that are new
    are written one after the other, so that a log of them reads well. `columns` and `rows` of 0 ask the terminal each
    time.

    The text may come from anywhere: nothing in it can reach the terminal but characters. One thread uses it. The device
    is opened with the first `show`, and again after a failure or `close`.
    """

    def __init__(self, target: str, *, columns: int = 0, rows: int = 0) -> None:
        self._target = target
        self._columns = columns
        self._rows = rows
        self._descriptor = -1
        self._terminal = False
        self._written: list[str] = []  # the lines of a log that count as shown

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows: as configured, else the terminal's, else 80 by 24."""
        columns, rows = 0, 0
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._descriptor)
        return max(self._columns or columns or 80, 2), max(self._rows or rows or 24, 1)

    def show(self, lines: Sequence[str]) -> None:
        """Draw the lines instead of what was there. Takes at most about 2 s. Raises DeviceError."""
        try:
            if self._descriptor < 0:
                self._open()
            if self._terminal:
                self._write(_frame(fit(lines, *self.size)))
            else:
                self._log(lines)
        except OSError as error:
            self._forget()
            raise self._explained(error) from error

    def turn(self) -> bool:
        """False: what does not fit is left out, and an ellipsis says so."""
        return False

    def close(self) -> None:
        """Leave the terminal as it was found, with the last text on it. Raises nothing."""
        if self._descriptor >= 0 and self._terminal:
            with contextlib.suppress(OSError):
                self._write(_RESTORE)
        self._forget()

    def _open(self) -> None:
        if self._target == "-":
            self._descriptor = 1
            self._terminal = os.isatty(1)
        else:
            # Not blocking: a console stopped with Ctrl-S must not stop us. That mark would be on everybody's standard
            # output.
            self._descriptor = os.open(self._target, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._terminal = True
            if not os.isatty(self._descriptor):
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        self._written = []
        if self._terminal:
            self._write(_CLEAR + (_NEVER_BLANK if re.fullmatch(r"/dev/(tty\d+|console)", self._target) else ""))

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0 and self._target != "-":
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _log(self, lines: Sequence[str]) -> None:
        cleaned = [piece for line in lines for piece in printable(line).split("\n") if piece]
        new = [line for line in cleaned if line not in self._written]
        self._write("".join(f"{line}\n" for line in new))
        self._written = cleaned

    def _write(self, text: str) -> None:
        left = text.encode("utf-8", "replace")
        deadline = time.monotonic() + _WRITE_SECONDS
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while left:
            if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "takes no text; somebody may have pressed Ctrl-S or Scroll Lock")
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._descriptor, left[:_CHUNK]) :]

    def _explained(self, error: OSError) -> DeviceError:
        name = "standard output" if self._target == "-" else self._target
        if error.errno == errno.ENOENT:
            return DeviceError(f"there is no display {name}")
        if error.errno in {errno.EACCES, errno.EPERM}:
            return DeviceError(f"{name}: permission denied; add the agent's user to the group tty")
        if error.errno == errno.ENOTTY:
            return DeviceError(f"{name} is not a terminal; use /dev/tty1, or - for standard output")
        return DeviceError(f"{name}: {error.strerror or error}")


def _frame(lines: Sequence[str]) -> str:
    # Each row is cleared before it is written: clearing to the end after the last column would take that column along.
    rows = [f"\x1b[{row};1H\x1b[2K{line}" for row, line in enumerate(lines, 1)]
    return "".join(rows) + f"\x1b[{len(lines) + 1};1H\x1b[J"
