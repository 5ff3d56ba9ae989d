"""gpiozero's pins, and what is wrong when there are none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hardware.facts import DeviceError

if TYPE_CHECKING:
    from gpiozero import Factory

_INSTALL = "apt install python3-gpiozero python3-lgpio"


def pin_factory() -> Factory:
    """The pins of this board, shared by all who ask. Raises DeviceError naming the package that is missing.

    GPIOZERO_PIN_FACTORY=lgpio should be set: without it gpiozero tries one library after the other and may end at one
    that polls.
    """
    # On first use: a device without pins never pays for any of it.
    from hardware import lean_gpiozero

    try:
        devices = lean_gpiozero.devices()
    except ImportError as error:
        raise DeviceError(f"gpiozero is not installed: {_INSTALL}") from error
    device = devices.Device
    try:
        if device.pin_factory is None:
            device.pin_factory = lean_gpiozero.named_factory(os.environ.get("GPIOZERO_PIN_FACTORY", ""))
        device.ensure_pin_factory()  # where none is named
    except Exception as error:  # lgpio's errors derive from Exception alone, and other libraries have others
        raise DeviceError(f"this board's pins cannot be used ({reason(error)}): {_INSTALL}") from error
    factory: Factory = device.pin_factory
    return factory


def pin_error(pin: int | str, error: Exception) -> DeviceError:
    """What went wrong with one pin, and what to do, from what a pin library raised. Never fails itself."""
    name = f"GPIO{pin}" if isinstance(pin, int) else pin
    match type(error).__name__:
        case "GPIOPinInUse":
            advice = "two entries of the configuration use the same pin"
        case "PinInvalidPin":
            advice = "there is no such pin; GPIO 17 is position 11 on the header"
        case "PinFixedPull":
            advice = 'this pin has its own pull-up resistor; use pull = "up" or another pin'
        case "PinPWMUnsupported" | "PinPWMFixedValue":
            advice = "this pin library makes no pulses; use lgpio, or leave tone_hz and brightness out"
        case _ if "busy" in str(error).lower():
            advice = "another program or an overlay in config.txt holds it; gpioinfo shows which"
        case _ if isinstance(error, ImportError):
            advice = _INSTALL
        case _:
            advice = "see hardware/wiring for pins that are free"
    return DeviceError(f"{name} cannot be used ({reason(error)}): {advice}")


def reason(error: Exception) -> str:
    """What an error says, on one line, or its name when it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
