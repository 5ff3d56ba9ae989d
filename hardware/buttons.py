"""Push buttons at GPIO pins.

gpiozero calls back on one thread for all pins, and an exception there would end every button of the process without a
word. So a callback runs the edge through the pure machine, hands a press to `emit` and raises nothing. The libraries'
own debounce is off: it means another thing with each of them, and does not exist on the mock pins of the tests.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hardware.edges import PressMachine
from hardware.facts import ButtonPressed, DeviceError, DeviceFound, DeviceLost
from hardware.pins import pin_error, pin_factory

if TYPE_CHECKING:
    from gpiozero import Factory

log = logging.getLogger(__name__)

ButtonFact = ButtonPressed | DeviceFound | DeviceLost

_LATEST_SECONDS = 5.0
"""No edge waits this long for its callback; a larger difference is a library that stamps with another clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonSpec:
    """One button and its wiring."""

    name: str
    pin: int | str
    """A GPIO number, or any name gpiozero knows: "GPIO17", "BOARD11"."""
    pull: Literal["up", "down", "none"] = "up"
    """The Pi's own resistor; "none" where the board has one outside."""
    active: Literal["low", "high"] = "low"
    """The level while the button is pressed."""
    debounce_seconds: float = 0.03
    """How long the level must be quiet before another press counts."""


class Buttons:
    """All push buttons of a device. A button that does not work is told about, and the others go on."""

    def __init__(
        self,
        specs: Sequence[ButtonSpec],
        emit: Callable[[ButtonFact], object],
        factory: Factory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`emit` is called on gpiozero's thread and must not wait. `factory` gives the pins instead of the board's."""
        self._specs = tuple(specs)
        self._emit = emit
        self._factory = factory
        self._clock = clock
        self._open: dict[str, tuple[Any, object]] = {}  # device and callback: gpiozero keeps neither alive

    def open(self) -> None:
        """Watch every button that is not watched yet; each is told as found or lost. Raises nothing of a pin."""
        missing = [spec for spec in self._specs if spec.name not in self._open]
        if not missing:
            return
        try:
            factory = self._factory if self._factory is not None else pin_factory()
        except DeviceError as error:
            for spec in missing:
                self._emit(DeviceLost("button", spec.name, f"pin {spec.pin}: {error}"))
            return
        for spec in missing:
            try:
                self._open[spec.name] = self._watch(spec, factory)
            except Exception as error:  # noqa: BLE001 - lgpio's errors derive from Exception alone, others have others
                self._emit(DeviceLost("button", spec.name, str(pin_error(spec.pin, error))))
            else:
                self._emit(DeviceFound("button", spec.name, f"pin {spec.pin}"))

    def close(self) -> None:
        """Give the pins back. No press is told afterwards. Raises nothing."""
        while self._open:
            name, (device, _) = self._open.popitem()
            try:
                device.close()
            except Exception:
                log.warning("pin not given back", extra={"button": name}, exc_info=True)

    def _watch(self, spec: ButtonSpec, factory: Factory) -> tuple[Any, object]:
        from gpiozero import DigitalInputDevice

        pull_up = {"up": True, "down": False, "none": None}[spec.pull]
        # What counts as pressed is decided here, from the bare level: gpiozero has no say in it when the pin is pulled.
        active_state = None if spec.pull != "none" else True
        device = DigitalInputDevice(
            spec.pin, pull_up=pull_up, active_state=active_state, bounce_time=None, pin_factory=factory
        )
        machine = PressMachine(debounce_seconds=spec.debounce_seconds, pressed=_pressed(spec, device.pin.state))

        def on_edge(ticks: float, level: object) -> None:
            try:
                if machine.edge(_pressed(spec, level), ticks):
                    self._emit(ButtonPressed(spec.name, self._clock() - _age(factory, ticks)))
            except Exception:  # anything at all: see the top of this module
                log.exception("press lost", extra={"button": spec.name})

        # Not when_activated, which is called without the kernel's time of the edge.
        device.pin.when_changed = on_edge
        return device, on_edge


def _pressed(spec: ButtonSpec, level: object) -> bool:
    return bool(level) == (spec.active == "high")


def _age(factory: Factory, ticks: float) -> float:
    age = float(factory.ticks_diff(factory.ticks(), ticks))
    return age if 0 <= age < _LATEST_SECONDS else 0.0
