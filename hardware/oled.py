"""Small OLED panels with an SSD1306 or SH1106, on I2C."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from hardware.facts import DeviceError
from hardware.i2c import I2cBus, i2c_error, missing_library, open_bus
from hardware.panel_text import Pages
from hardware.raster import Raster

_RENEW_SECONDS = 600.0
"""Such a panel forgets its settings with its power and says nothing about it; after this time it is set up anew."""
_NOTHING = 0xE3  # the command that does nothing
_BLOCK = 32  # bytes a kernel's SMBus takes in one piece


class OledDisplay:
    """An OLED panel of `width` by `height` pixels at `address` of an I2C bus.

    Text longer than the panel is shown page by page, the next one with each `turn`. `brightness` is 0 to 255; less of
    it makes the panel live longer. One thread uses it. The panel is set up with the first `show`, and again after a
    failure or `close`.
    """

    def __init__(
        self,
        *,
        driver: Literal["ssd1306", "sh1106"] = "ssd1306",
        width: int = 128,
        height: int = 64,
        bus: int = 1,
        address: int = 0x3C,
        upside_down: bool = False,
        brightness: int = 127,
        font: Path | None = None,
        font_size: int = 12,
        opener: Callable[[int], I2cBus] = open_bus,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._size = (width, height)
        self._bus = bus
        self._address = address
        self._upside_down = upside_down
        self._brightness = brightness
        self._font = font
        self._font_size = font_size
        self._opener = opener
        self._clock = clock
        self._raster: Raster | None = None
        self._open_bus: I2cBus | None = None
        self._device: Any = None
        self._wire: _Wire | None = None
        self._opened = 0.0
        self._pages: Pages | None = None

    def show(self, lines: Sequence[str]) -> None:
        """Draw the first page of the lines. Takes about 50 ms. Raises DeviceError."""
        if self._raster is None:
            self._raster = Raster(*self._size, font=self._font, size=self._font_size)
        self._pages = Pages(lines, self._raster.panel)
        self._draw()

    def turn(self) -> bool:
        """Draw the next page; False when there is only one. Raises DeviceError."""
        if self._pages is None or not self._pages.turn():
            return False
        self._draw()
        return True

    def close(self) -> None:
        """Give the bus back, with the last text on the panel. Raises nothing."""
        bus, self._open_bus = self._open_bus, None
        if bus is not None:
            with contextlib.suppress(OSError):
                bus.close()

    def _draw(self) -> None:
        assert self._raster is not None
        assert self._pages is not None
        try:
            if self._clock() - self._opened > _RENEW_SECONDS:
                self.close()
            if self._open_bus is None:
                self._open()
            self._device.display(self._raster.draw(self._pages.page))
        except OSError as error:
            self.close()
            raise i2c_error(error, self._bus, self._address) from error

    def _open(self) -> None:
        try:
            from luma.oled import device
        except ImportError as error:
            raise missing_library("luma.oled", "oled") from error
        self._open_bus = self._opener(self._bus)
        width, height = self._size
        if self._wire is None:
            wire = _Wire(self._open_bus, self._address)
            wire.command(_NOTHING)  # is anybody there?
            kind = getattr(device, self._driver)
            self._device = kind(wire, width=width, height=height, rotate=2 if self._upside_down else 0)
            self._device.persist = True  # the last words stay when the agent ends
            self._device.contrast(self._brightness)
            wire.set_up = True
            self._wire = wire
        else:
            # The library asks to be called at the interpreter's end for each panel it is told of, and never takes that
            # back. So it is told of this one once, and what it sent then is sent again.
            self._wire.again(self._open_bus)
        self._opened = self._clock()


class _Wire:
    """The panel's end of the bus, as the library wants it; the bus's own errors come through it as they are."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self._address = address
        self._setup: list[list[int]] = []
        self.set_up = False
        """Whether the panel is set up: what is sent from now on is pictures."""

    def command(self, *command: int) -> None:
        if not self.set_up:
            self._setup.append(list(command))
        self._bus.write_i2c_block_data(self._address, 0x00, list(command))

    def data(self, data: Sequence[int]) -> None:
        for start in range(0, len(data), _BLOCK):
            self._bus.write_i2c_block_data(self._address, 0x40, list(data[start : start + _BLOCK]))

    def again(self, bus: I2cBus) -> None:
        """Set the panel up as at first, on a bus that was opened anew."""
        self._bus = bus
        for command in self._setup:
            self._bus.write_i2c_block_data(self._address, 0x00, command)

    def cleanup(self) -> None:
        """Nothing: the bus is not the library's."""


def check_oled(driver: str, width: int, height: int) -> None:
    """Raises DeviceError for a size the driver has no panel of."""
    sizes = {
        "ssd1306": {(128, 64), (128, 32), (96, 16), (64, 48), (64, 32)},
        "sh1106": {(128, 64), (128, 32), (128, 128)},
    }
    if (width, height) not in sizes[driver]:
        known = ", ".join(f"{one} by {other}" for one, other in sorted(sizes[driver], reverse=True))
        raise DeviceError(f"there is no {driver} panel of {width} by {height} pixels; known are {known}")
