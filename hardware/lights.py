"""Lights and beepers at GPIO pins."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hardware.patterns import DARK, Kind, Pattern
from hardware.pins import pin_error, pin_factory

if TYPE_CHECKING:
    from gpiozero import Factory

log = logging.getLogger(__name__)


class Light:
    """One light or beeper that plays patterns by itself; the newest wins, and between them it rests.

    The timing is gpiozero's: a device takes its values from a source, on a thread of the library, and waits between
    them. So a caller is never held up, and a pattern is a generator that says how long each value is to stand.

    One thread uses it. The pin is taken with the first order; after a failure the next order tries again.
    """

    def __init__(
        self,
        name: str,
        pin: int | str,
        *,
        kind: Kind = "light",
        active_high: bool = True,
        factory: Factory | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self._pin = pin
        self._active_high = active_high
        self._factory = factory
        self._device: Any = None
        self._rest = DARK
        self._resting = True  # no pattern is being played; also written by the library's thread

    def open(self) -> None:
        """Take the pin, unless it is taken already; dark and quiet. Raises DeviceError naming pin and reason."""
        if self._device is not None:
            return
        factory = self._factory if self._factory is not None else pin_factory()
        try:
            from gpiozero.output_devices import DigitalOutputDevice

            self._device = DigitalOutputDevice(
                self._pin, active_high=self._active_high, initial_value=False, pin_factory=factory
            )
        except Exception as error:  # lgpio's errors derive from Exception alone, and other libraries have others
            raise pin_error(self._pin, error) from error

    def play(self, pattern: Pattern) -> None:
        """Play a pattern once, instead of what is being played, then rest. Returns at once. Raises DeviceError."""
        self.open()
        self._start(pattern)

    def rest(self, pattern: Pattern) -> None:
        """What to go back to after each pattern, over and over; DARK for nothing. Returns at once. Raises DeviceError.

        A pattern being played is played to its end first. A beeper only beeps, so it rests quietly whatever is asked.
        """
        pattern = DARK if self.kind == "beeper" else pattern
        if pattern == self._rest:
            return
        self.open()
        self._rest = pattern
        # The other thread says that it rests before it looks what to rest at, so one of the two sees the new pattern.
        if self._resting:
            self._start(DARK)

    def close(self) -> None:
        """Dark and quiet, and the pin given back. Raises nothing."""
        device, self._device = self._device, None
        self._rest = DARK
        if device is not None:
            try:
                device.source = None
                device.off()
                device.close()
            except Exception:
                log.warning("pin not given back", extra={"light": self.name}, exc_info=True)

    def _start(self, pattern: Pattern) -> None:
        try:
            self._device.source = (
                None  # waits for the end of the thread before, which must not say any more that it rests
            )
            self._resting = False
            self._device.source = self._values(self._device, pattern)
        except Exception as error:
            self.close()
            raise pin_error(self._pin, error) from error

    def _values(self, device: Any, pattern: Pattern) -> Iterator[int]:
        """Each value to show; how long, `device.source_delay` says until the next one is asked for."""
        yield from _steps(device, pattern)
        self._resting = True
        while rest := self._rest:
            yield from _steps(device, rest)
        device.source_delay = 0
        yield 0


def _steps(device: Any, pattern: Pattern) -> Iterator[int]:
    for on, off in pattern:
        for value, seconds in ((1, on), (0, off)):
            if seconds > 0:
                device.source_delay = seconds
                yield value
