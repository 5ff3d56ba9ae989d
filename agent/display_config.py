"""A `[[display]]` table of `agent.toml`: a console, a small panel, or a picture of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from agent.record import fields, record
from agent.settings import Filled, Range
from hardware.facts import DeviceError

_ALWAYS = ("name", "type")
_RASTER = ("width", "height", "font", "font_size")
_KEYS = {
    "console": ("target", "columns", "rows"),
    "lcd": ("bus", "address", "columns", "rows", "rom", "expander"),
    "oled": ("bus", "address", "driver", "upside_down", "brightness", *_RASTER),
    "png": ("file", "scale", *_RASTER),
}
"""The keys that mean something for each type."""
_ADDRESSES = {"lcd": 0x27, "oled": 0x3C}
"""Where such panels are found when nobody changed their jumpers."""


@record(kw_only=True)
class DisplayConfig:
    """One text display, from a `[[display]]` table."""

    name: Annotated[str, Filled("a name")] = "screen"
    """How the journal and `status` call it."""
    type: Literal["console", "lcd", "oled", "png"] = "console"
    """A text console, a character LCD, a small OLED, or a picture file of what one would show."""
    target: Annotated[str, Filled('a device such as "/dev/tty1", or "-"')] = "/dev/tty1"
    """console: its device, or `-` for standard output."""
    columns: Annotated[int, Range(0, 1000)] = 0
    """console, lcd: characters in a line; 0 asks the console, and is 16 on an LCD."""
    rows: Annotated[int, Range(0, 1000)] = 0
    """console, lcd: lines; 0 asks the console, and is 2 on an LCD."""
    bus: Annotated[int, Range(0, 255)] = 1
    """lcd, oled: the number of its I2C bus; 1 is the one on a Raspberry Pi's header."""
    address: Annotated[int, Range(0, 0x77)] = 0
    """lcd, oled: its address on that bus; 0 is the usual one, 0x27 for an LCD and 0x3C for an OLED."""
    rom: Literal["A00", "A02", "ST0B"] = "A00"
    """lcd: the characters it has: Japanese, European, or those of the ST7066."""
    expander: Literal["PCF8574", "MCP23008"] = "PCF8574"
    """lcd: the chip between the bus and the panel."""
    driver: Literal["ssd1306", "sh1106"] = "ssd1306"
    """oled: the chip on the panel."""
    width: Annotated[int, Range(16, 1024)] = 128
    """oled, png: pixels in a row."""
    height: Annotated[int, Range(16, 1024)] = 64
    """oled, png: rows of pixels."""
    upside_down: bool = False
    """oled: whether it is mounted with its cable at the top."""
    brightness: Annotated[int, Range(0, 255)] = 127
    """oled: less of it makes the panel live longer."""
    font: Path | None = None
    """oled, png: a TrueType file; None for the one that comes with the drawing library."""
    font_size: Annotated[int, Range(6, 128)] = 12
    """oled, png: the height of a line in pixels."""
    file: Path | None = None
    """png: where the picture is written, replaced whole each time."""
    scale: Annotated[int, Range(1, 16)] = 4
    """png: pixels of the picture for one of the panel."""

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of an LCD."""
        return self.columns or 16, self.rows or 2

    @property
    def i2c(self) -> tuple[int, int] | None:
        """Bus and address of a panel that has them."""
        usual = _ADDRESSES.get(self.type)
        return None if usual is None else (self.bus, self.address or usual)

    @property
    def where(self) -> str:
        """Where it is, for people."""
        if self.i2c is not None:
            return f"I2C bus {self.i2c[0]}, address 0x{self.i2c[1]:02x}"
        return str(self.file) if self.type == "png" else self.target

    def problems(self) -> Iterator[tuple[str, str]]:
        """What no single key shows: the key, and what is wrong with it."""
        for item in fields(self):
            known = (*_ALWAYS, *_KEYS[self.type])
            if item.name not in known and getattr(self, item.name) != item.default:
                yield item.name, f'has no meaning for type = "{self.type}"'
        if self.type == "png" and self.file is None:
            yield "file", "this key is required"
        try:
            if self.type == "lcd":
                from hardware.lcd import check_lcd

                check_lcd(*self.size)
            if self.type == "oled":
                from hardware.oled import check_oled

                check_oled(self.driver, self.width, self.height)
        except DeviceError as error:
            yield "columns" if self.type == "lcd" else "width", str(error)
