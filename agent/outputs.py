"""Displays on threads of their own. The core hands over and goes on; nothing here is ever in the way of a scan.

A display wants the newest screen only, so what it has not drawn yet is replaced. One that fails is told about once,
tried again, and never stops another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.screen import Screen
from hardware.facts import DeviceError, DeviceFound, DeviceLost

_RETRY_SECONDS = 5.0
_PAGE_SECONDS = 3.0
"""A page of a small panel is read within this time; then it turns to the next."""
_BEAT_SECONDS = 90.0


class Display(Protocol):
    """What draws lines of text somewhere."""

    def show(self, lines: Sequence[str]) -> None:
        """Draw the lines instead of what was there. Raises DeviceError."""
        ...

    def turn(self) -> bool:
        """Draw the next page of them; False when there is only one. Raises DeviceError."""
        ...

    def close(self) -> None:
        """Give the device back. Raises nothing."""
        ...


class DisplayOutput:
    """One display on a thread of its own; the newest screen wins."""

    def __init__(
        self,
        name: str,
        display: Display,
        emit: Callable[[DeviceFound | DeviceLost], object],
        *,
        page_seconds: float = _PAGE_SECONDS,
    ) -> None:
        self._name = name
        self._page_seconds = page_seconds
        self._display = display
        self._emit = emit
        self._changed = threading.Condition()
        self._screen: Screen | None = None

    def show(self, screen: Screen) -> None:
        """Draw this next. From any thread; returns at once."""
        with self._changed:
            self._screen = screen
            self._changed.notify()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Draw until `stop` is set, the last screen included. Without news the display turns its pages."""
        drawn: Screen | None = None
        failing = turning = False
        while True:
            beat()
            with self._changed:
                news = self._screen is not drawn
                if not news and not stop.is_set():
                    self._changed.wait(_RETRY_SECONDS if failing else self._page_seconds if turning else _BEAT_SECONDS)
                    news = self._screen is not drawn
                screen = self._screen
            if screen is not None and (failing or news or (turning and not stop.is_set())):
                try:
                    if failing or news:
                        self._display.show(screen.lines())
                        turning = True
                    else:
                        turning = self._display.turn()
                except DeviceError as error:
                    if not failing:
                        self._emit(DeviceLost("display", self._name, str(error)))
                    failing = True
                else:
                    if failing:
                        self._emit(DeviceFound("display", self._name, ""))
                    failing = False
                drawn = screen
            if stop.is_set():
                break
        self._display.close()

    def wake(self) -> None:
        """Let `run` see that `stop` was set."""
        with self._changed:
            self._changed.notify()
