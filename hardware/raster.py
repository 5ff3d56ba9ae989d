"""Text as pixels, for panels that have no characters of their own: a page of lines becomes a picture of ones and zeros.

Without a font file it is Pillow's built-in one, 6 by 11 pixels, which is the same everywhere and holds Latin-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware.facts import DeviceError
from hardware.i2c import missing_library
from hardware.panel_text import Panel

if TYPE_CHECKING:
    from PIL import Image


class Raster:
    """A picture of `width` by `height` pixels that holds lines of text in cells of one size.

    `font` is a TrueType file of a font whose letters are of one width, such as DejaVuSansMono.ttf, drawn `size` pixels
    high. Raises DeviceError when it cannot be read.
    """

    def __init__(self, width: int, height: int, *, font: Path | None = None, size: int = 12) -> None:
        try:
            from PIL import ImageFont
        except ImportError as error:
            raise missing_library("Pillow", "oled") from error
        self._width = width
        self._height = height
        self._font: Any
        try:
            self._font = ImageFont.truetype(str(font), size) if font else ImageFont.load_default_imagefont()
        except OSError as error:
            raise DeviceError(f"the font {font} cannot be read: {error}") from error
        if font is None:
            self._cell = (6, 11)
        else:
            ascent, descent = self._font.getmetrics()
            self._cell = (max(round(self._font.getlength("M")), 1), ascent + descent)
        columns, rows = width // self._cell[0], height // self._cell[1]
        if columns < 2 or rows < 1:
            raise DeviceError(f"a font {size} pixels high is too large for {width} by {height}")
        self.panel = Panel(columns, rows, self._has)
        """What it can hold."""

    def draw(self, page: Sequence[str]) -> Image.Image:
        """The page in white on black."""
        from PIL import Image, ImageDraw

        image = Image.new("1", (self._width, self._height))
        pen = ImageDraw.Draw(image)
        pen.fontmode = "1"
        # What is left over goes around the text, so that none of it stands at the panel's edge.
        left = (self._width - self.panel.columns * self._cell[0]) // 2
        top = (self._height - self.panel.rows * self._cell[1]) // (self.panel.rows + 1)
        for row, line in enumerate(page[: self.panel.rows]):
            pen.text((left, top + row * (self._cell[1] + top)), line, fill=1, font=self._font)
        return image

    def _has(self, char: str) -> bool:
        return char == " " or _drawn(self._font, char)


@lru_cache(maxsize=2048)
def _drawn(font: Any, char: str) -> bool:
    """Whether the font has a picture of its own for the character, and not the one for what it lacks."""
    try:
        mask = font.getmask(char, mode="1")
    except UnicodeEncodeError:  # the built-in font ends with Latin-1
        return False
    if not font.getbbox(char)[2]:
        return False
    if not hasattr(font, "getmetrics"):
        return char.isprintable() and ord(char) not in range(0x7F, 0xA1)
    return bytes(mask) != bytes(font.getmask("\U0010ffff", mode="1"))
