"""Character LCDs with a HD44780 or compatible, behind an I2C port expander.

Such a panel says nothing: it takes half bytes and forgets everything with its power. So it is set up anew after every
error, which also finds the beginning of a byte again, and once in a while without one, since a relay beside it can
scramble it unnoticed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from hardware.facts import DeviceError
from hardware.i2c import I2cBus, i2c_error, missing_library, open_bus
from hardware.panel_text import Pages, Panel

CharacterRom = Literal["A00", "A02", "ST0B"]
"""What the panel's memory of characters holds: A00, the usual one, Japanese; A02 European; ST0B that of the ST7066."""

_RENEW_SECONDS = 600.0

_GLYPHS: Mapping[str, tuple[int, ...]] = {
    "Ä": (0b01010, 0b00000, 0b01110, 0b10001, 0b11111, 0b10001, 0b10001, 0b00000),
    "Ö": (0b01010, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110, 0b00000),
    "Ü": (0b01010, 0b00000, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110, 0b00000),
    "ß": (0b01100, 0b10010, 0b10010, 0b10100, 0b10010, 0b10001, 0b10110, 0b00000),
    "€": (0b00110, 0b01001, 0b11100, 0b01000, 0b11100, 0b01001, 0b00110, 0b00000),
    "é": (0b00010, 0b00100, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110, 0b00000),
    "è": (0b01000, 0b00100, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110, 0b00000),
    "✓": (0b00000, 0b00001, 0b00011, 0b10110, 0b11100, 0b01000, 0b00000, 0b00000),
}
"""Characters we draw ourselves where the panel has none; it has room for eight."""


class LcdDisplay:
    """A character LCD of `columns` by `rows` at `address` of an I2C bus.

    Text longer than the panel is shown page by page, the next one with each `turn`. One thread uses it. The panel is
    set up with the first `show`, and again after a failure or `close`.
    """

    def __init__(
        self,
        *,
        columns: int = 16,
        rows: int = 2,
        bus: int = 1,
        address: int = 0x27,
        rom: CharacterRom = "A00",
        expander: Literal["PCF8574", "MCP23008"] = "PCF8574",
        opener: Callable[[int], I2cBus] = open_bus,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = (columns, rows)
        self._bus = bus
        self._address = address
        self._rom = rom
        self._expander = expander
        self._opener = opener
        self._clock = clock
        self._lcd: Any = None
        self._opened = 0.0
        self._codes: dict[str, int] = {}
        self._pages: Pages | None = None

    def show(self, lines: Sequence[str]) -> None:
        """Draw the first page of the lines. Takes up to half a second. Raises DeviceError."""
        self._pages = None
        self._draw(lines)

    def turn(self) -> bool:
        """Draw the next page; False when there is only one. Raises DeviceError."""
        if self._pages is None or not self._pages.turn():
            return False
        self._draw(())
        return True

    def close(self) -> None:
        """Give the bus back, with the last text on the panel. Raises nothing."""
        lcd, self._lcd = self._lcd, None
        if lcd is not None:
            with contextlib.suppress(OSError):
                lcd.bus.close()

    def _draw(self, lines: Sequence[str]) -> None:
        try:
            if self._lcd is not None and self._clock() - self._opened > _RENEW_SECONDS:
                self.close()
            if self._lcd is None:
                self._open()
            if self._pages is None:
                self._pages = Pages(lines, Panel(*self._size, self._codes.__contains__))
            columns, rows = self._size
            page = self._pages.page
            for row in range(rows):
                self._lcd.cursor_pos = (row, 0)
                for char in (page[row] if row < len(page) else "").ljust(columns):
                    self._lcd.write(self._codes[char])
        except OSError as error:
            self.close()
            raise i2c_error(error, self._bus, self._address) from error

    def _open(self) -> None:
        try:
            from RPLCD.i2c import CharLCD
        except ImportError as error:
            raise missing_library("RPLCD", "lcd") from error
        opener = self._opener

        class Lcd(CharLCD):  # type: ignore[misc, unused-ignore]
            """RPLCD's, on a bus that is handed in, and closed when the setting up fails."""

            def _init_connection(self) -> None:
                self.bus = opener(self._port)
                if self._i2c_expander == "MCP23008":
                    self._mcp_data = 0
                    self._mcp_gpio = 0x09
                    self.bus.write_byte_data(self._address, 0x00, 0x00)  # all pins are outputs
                else:
                    time.sleep(0.05)  # after power-on the panel needs 40 ms

        lcd = Lcd.__new__(Lcd)
        columns, rows = self._size
        try:
            lcd.__init__(  # type: ignore[misc]
                self._expander,
                self._address,
                port=self._bus,
                cols=columns,
                rows=rows,
                charmap=self._rom,
                auto_linebreaks=False,
            )
            self._codes = self._characters(lcd)
        except BaseException:
            if hasattr(lcd, "bus"):
                with contextlib.suppress(OSError):
                    lcd.bus.close()
            raise
        self._lcd = lcd
        self._opened = self._clock()

    def _characters(self, lcd: Any) -> dict[str, int]:
        """The code of each character the panel has, its own and ours, which are written into its memory here."""
        table: Mapping[str, int] = lcd.codec.codec.encoding_table
        codes = {char: code for char, code in table.items() if char.isprintable()}
        lacking = [char for char in _GLYPHS if char not in codes]
        for place, char in enumerate(lacking[:8]):
            lcd.create_char(place, _GLYPHS[char])
            codes[char] = place
        return codes


def check_lcd(columns: int, rows: int) -> None:
    """Raises DeviceError for a size no such panel has."""
    if (columns, rows) not in {(8, 2), (16, 1), (16, 2), (16, 4), (20, 2), (20, 4), (40, 2)}:
        raise DeviceError(f"there is no character LCD of {columns} by {rows}; 16 by 2 and 20 by 4 are the usual ones")
