"""Lights and beepers at GPIO pins: plain ones that are on or off, dimmed ones, red-green-blue ones, and beepers that
need a tone.

Dimming and tones are pulses (PWM), which gpiozero's pin libraries make in software; so a plain light is never driven
with them, and a board at rest stays asleep.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hardware.facts import DeviceError
from hardware.patterns import DARK, WHITE, Colour, Kind, Pattern
from hardware.pins import pin_error, pin_factory

if TYPE_CHECKING:
    from gpiozero import Factory

log = logging.getLogger(__name__)


class Light:
    """One light or beeper that plays patterns by itself; the newest wins, and between them it rests.

    The timing is gpiozero's: a device takes its values from a source, on a thread of the library, and waits between
    them. So a caller is never held up, and a pattern is a generator that says how long each value is to stand.

    `kind` "rgb" has three pins, for red, green and blue. `tone_hz` is what a beeper without a tone of its own is driven
    with, at half its pulse, which is loudest; 0 for one that sounds by itself. `brightness`, in (0, 1], dims a light.

    One thread uses it. The pins are taken with the first order; after a failure the next order tries again.
    """

    def __init__(
        self,
        name: str,
        pin: int | str | Sequence[int],
        *,
        kind: Kind = "light",
        active_high: bool = True,
        brightness: float = 1.0,
        tone_hz: int = 0,
        factory: Factory | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self._pin = pin
        self._active_high = active_high
        self._brightness = brightness
        self._tone_hz = tone_hz
        self._factory = factory
        self._device: Any = None
        self._rest = (DARK, WHITE)
        self._resting = True  # no pattern is being played; also written by the library's thread

    def open(self) -> None:
        """Take the pins, unless they are taken already; dark and quiet. Raises DeviceError naming pin and reason."""
        if self._device is not None:
            return
        factory = self._factory if self._factory is not None else pin_factory()
        try:
            self._device = self._take(factory)
        except Exception as error:  # lgpio's errors derive from Exception alone, and other libraries have others
            raise self._trouble(error) from error

    def play(self, pattern: Pattern, colour: Colour = WHITE, pitch: float = 1.0) -> None:
        """Play a pattern once, instead of what is being played, then rest. Returns at once. Raises DeviceError.

        `colour` is of a light that has some, `pitch` a part of the tone of a beeper that is given one.
        """
        self.open()
        self._start(pattern, colour, pitch)

    def rest(self, pattern: Pattern, colour: Colour = WHITE) -> None:
        """What to go back to after each pattern, over and over; DARK for nothing. Returns at once. Raises DeviceError.

        A pattern being played is played to its end first. A beeper only beeps, so it rests quietly whatever is asked.
        """
        pattern = DARK if self.kind == "beeper" else pattern
        if (pattern, colour) == self._rest or not (pattern or self._rest[0]):
            return
        self.open()
        self._rest = (pattern, colour)
        # The other thread says that it rests before it looks what to rest at, so one of the two sees the new pattern.
        if self._resting:
            self._start(DARK, colour, 1.0)

    def close(self) -> None:
        """Dark and quiet, and the pins given back. Raises nothing."""
        device, self._device = self._device, None
        self._rest = (DARK, WHITE)
        if device is not None:
            try:
                device.source = None
                device.off()
                device.close()
            except Exception:
                log.warning("pin not given back", extra={"light": self.name}, exc_info=True)

    def _take(self, factory: Factory) -> Any:
        from gpiozero.output_devices import RGBLED, DigitalOutputDevice, PWMOutputDevice

        how: dict[str, Any] = {"active_high": self._active_high, "pin_factory": factory}
        if not isinstance(self._pin, int | str):
            return RGBLED(*self._pin, initial_value=(0, 0, 0), pwm=self._brightness < 1, **how)
        if self._tone_hz:
            return PWMOutputDevice(self._pin, frequency=self._tone_hz, **how)
        if self._brightness < 1:
            return PWMOutputDevice(self._pin, **how)
        return DigitalOutputDevice(self._pin, initial_value=False, **how)

    def _start(self, pattern: Pattern, colour: Colour, pitch: float) -> None:
        try:
            self._device.source = (
                None  # waits for the end of the thread before, which must not say any more that it rests
            )
            self._resting = False
            if self._tone_hz:
                self._device.frequency = self._tone_hz * pitch
            self._device.source = self._values(self._device, pattern, colour)
        except Exception as error:
            self.close()
            raise self._trouble(error) from error

    def _values(self, device: Any, pattern: Pattern, colour: Colour) -> Iterator[Any]:
        """Each value to show; how long, `device.source_delay` says until the next one is asked for."""
        yield from self._steps(device, pattern, colour)
        self._resting = True
        while self._rest[0]:
            yield from self._steps(device, *self._rest)
        device.source_delay = 0
        yield self._value(0, colour)

    def _steps(self, device: Any, pattern: Pattern, colour: Colour) -> Iterator[Any]:
        for on, off in pattern:
            for value, seconds in ((1, on), (0, off)):
                if seconds > 0:
                    device.source_delay = seconds
                    yield self._value(value, colour)

    def _value(self, on: int, colour: Colour) -> Any:
        """What the library is to be told for on and off."""
        level = on * (0.5 if self._tone_hz else self._brightness)
        # A device that is on or off wants 1, not 1.0: some pin libraries compare.
        level = int(level) if level in {0, 1} else level
        return tuple(level * part for part in colour) if self.kind == "rgb" else level

    def _trouble(self, error: Exception) -> DeviceError:
        """What went wrong, with the pin that the library names, if it names one."""
        pins = [self._pin] if isinstance(self._pin, int | str) else list(self._pin)
        named = [pin for pin in pins if f"GPIO{pin}" in str(error)]
        return pin_error((named or pins)[0], error)
