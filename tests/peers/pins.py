"""Mock pins whose edges come at the times a test says."""

from __future__ import annotations

from typing import Any

from gpiozero.pins.mock import MockFactory, MockPin
from gpiozero.pins.pi import PiPin


class _StampedPin(MockPin):  # type: ignore[misc]
    """A pin that stamps its edges with its factory's clock."""

    def _call_when_changed(self) -> None:
        PiPin._call_when_changed(self, self.factory.ticks(), self._state)


class Pins(MockFactory):  # type: ignore[misc]
    """A board whose clock is moved by hand: `advance`, then `drive` a pin. Numbers are GPIO numbers.

    To be given wherever a pin factory is asked for; every pin callback runs in the thread that drives it.
    """

    def __init__(self) -> None:
        super().__init__(pin_class=_StampedPin)
        self.now = 1000.0

    def ticks(self) -> float:
        """The hand-moved clock, in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def drive(self, pin: int | str, *, high: bool) -> None:
        """Put a level on an input pin."""
        wired: Any = self.pin(pin)
        if high:
            wired.drive_high()
        else:
            wired.drive_low()

    def is_high(self, pin: int | str) -> bool:
        """The level of a pin."""
        return bool(self.pin(pin).state)

    def push(self, pin: int | str, *, seconds: float = 0.2, bounces: int = 0, bounce_seconds: float = 0.001) -> None:
        """Push a button to ground and let it go, as a contact does that bounces so often at both ends."""
        for level in (False, True):
            self.drive(pin, high=level)
            for _ in range(bounces):
                for bounced in (not level, level):
                    self.advance(bounce_seconds)
                    self.drive(pin, high=bounced)
            self.advance(seconds)

    def states(self, pin: int | str) -> list[bool]:
        """Every level a pin has had since it was made, oldest first."""
        return [bool(state.state) for state in self.pin(pin).states]
