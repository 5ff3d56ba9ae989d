"""An I2C bus with panels on it that keep what is written to them, lose it with their power, and can be pulled off."""

from __future__ import annotations

import errno
import os
from typing import ClassVar, Protocol

from PIL import Image


class Device(Protocol):
    """What sits at one address."""

    def written(self, data: list[int]) -> None: ...


class EmulatedBus:
    """The bus: `open` stands in for opening /dev/i2c-N. Devices may come and go at any time."""

    def __init__(self) -> None:
        self.devices: dict[int, Device] = {}
        self.opened = 0
        """Descriptors that are open now."""
        self.missing = False
        """Whether there is no such bus: I2C was never switched on."""
        self.fail_after: int | None = None
        """Writes that still work before one fails."""
        self.writes = 0

    def open(self, number: int) -> _OpenBus:
        if self.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), f"/dev/i2c-{number}")
        self.opened += 1
        return _OpenBus(self)

    def write(self, address: int, data: list[int]) -> None:
        self.writes += 1
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                self.fail_after = None
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        if address not in self.devices:
            raise OSError(errno.EREMOTEIO, os.strerror(errno.EREMOTEIO))
        self.devices[address].written(data)


class _OpenBus:
    def __init__(self, bus: EmulatedBus) -> None:
        self._bus: EmulatedBus | None = bus

    def write_byte(self, i2c_addr: int, value: int) -> None:
        self._write(i2c_addr, [value])

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._write(i2c_addr, [register, value])

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        assert len(data) <= 32
        self._write(i2c_addr, [register, *data])

    def close(self) -> None:
        if self._bus is not None:
            self._bus.opened -= 1
        self._bus = None

    def _write(self, address: int, data: list[int]) -> None:
        if self._bus is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._bus.write(address, data)


class Hd44780:
    """A character LCD behind a PCF8574: half bytes are taken when its enable line falls."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.power_cycle()

    def power_cycle(self) -> None:
        """Off and on: memory, settings and the place in a byte are gone."""
        self.memory = [0x20] * 128
        self.glyphs = [0x1F] * 64  # rubbish
        self.address = 0
        self.in_glyphs = False
        self.eight_bits = True
        self.half: int | None = None
        self.on = False
        self.enabled = False

    def written(self, data: list[int]) -> None:
        for value in data:
            enabled = bool(value & 0x04)
            if self.enabled and not enabled:
                self._take(value >> 4, bool(value & 0x01))
            self.enabled = enabled

    @property
    def screen(self) -> list[list[int]]:
        """The codes in the cells; blank while the display is off."""
        starts = [0x00, 0x40, self.columns, 0x40 + self.columns]
        if not self.on:
            return [[0x20] * self.columns for _ in range(self.rows)]
        return [self.memory[starts[row] : starts[row] + self.columns] for row in range(self.rows)]

    def text(self, characters: dict[int, str]) -> list[str]:
        """The screen as text; `characters` has those that are not ASCII."""
        return ["".join(characters.get(code, chr(code)) for code in row).rstrip() for row in self.screen]

    def _take(self, half: int, data: bool) -> None:
        if self.eight_bits:
            self._byte(half << 4, data)
        elif self.half is None:
            self.half = half
        else:
            byte, self.half = self.half << 4 | half, None
            self._byte(byte, data)

    def _byte(self, byte: int, data: bool) -> None:
        if data:
            memory = self.glyphs if self.in_glyphs else self.memory
            memory[self.address % len(memory)] = byte
            self.address += 1
        elif byte & 0x80:
            self.address, self.in_glyphs = byte & 0x7F, False
        elif byte & 0x40:
            self.address, self.in_glyphs = byte & 0x3F, True
        elif byte & 0x20:
            self.eight_bits = bool(byte & 0x10)
            self.half = None
        elif byte & 0x08:
            self.on = bool(byte & 0x04)
        elif byte == 0x01:
            self.memory = [0x20] * 128
            self.address, self.in_glyphs = 0, False
        elif byte & 0x02:
            self.address, self.in_glyphs = 0, False


class OledPanel:
    """An SSD1306 or SH1106 of 128 by 64: pages of eight rows, addressed as either of them does."""

    _ARGUMENTS: ClassVar = {
        0x20: 1,
        0x21: 2,
        0x22: 2,
        0x81: 1,
        0x8D: 1,
        0xA8: 1,
        0xD3: 1,
        0xD5: 1,
        0xD9: 1,
        0xDA: 1,
        0xDB: 1,
    }

    def __init__(self, *, first_column: int = 0) -> None:
        self._first_column = first_column  # an SH1106 is wired from its third column on
        self.power_cycle()

    def power_cycle(self) -> None:
        """Off and on: settings and picture are gone."""
        self.memory = [[0xAA] * 132 for _ in range(8)]
        self.on = False
        self.contrast = 0x7F
        self.page = self.column = 0
        self.columns, self.pages = (0, 127), (0, 7)
        self.horizontal = False
        self._waiting: list[int] = []

    def written(self, data: list[int]) -> None:
        control, *rest = data
        for byte in rest:
            if control == 0x40:
                self._data(byte)
            else:
                self._command(byte)

    @property
    def image(self) -> Image.Image:
        """What the panel shows."""
        image = Image.new("1", (128, 64))
        for y in range(64):
            for x in range(128):
                lit = self.memory[y // 8][x + self._first_column] >> y % 8 & 1
                image.putpixel((x, y), 255 if lit and self.on else 0)
        return image

    def _data(self, byte: int) -> None:
        self.memory[self.page][self.column] = byte
        self.column += 1
        if not self.horizontal:
            self.column %= 132
        elif self.column > self.columns[1]:
            self.column = self.columns[0]
            self.page = self.page + 1 if self.page < self.pages[1] else self.pages[0]

    def _command(self, byte: int) -> None:
        self._waiting.append(byte)
        command, *arguments = self._waiting
        if len(arguments) < self._ARGUMENTS.get(command, 0):
            return
        self._waiting = []
        if command in {0xAE, 0xAF}:
            self.on = command == 0xAF
        elif command == 0x81:
            self.contrast = arguments[0]
        elif command == 0x20:
            self.horizontal = arguments[0] == 0
        elif command == 0x21:
            self.columns = (arguments[0], arguments[1])
            self.column = arguments[0]
        elif command == 0x22:
            self.pages = (arguments[0], arguments[1])
            self.page = arguments[0]
        elif 0xB0 <= command <= 0xB7:
            self.page = command & 0x07
        elif command < 0x10:
            self.column = self.column & 0xF0 | command
        elif command < 0x20:
            self.column = self.column & 0x0F | (command & 0x0F) << 4
