"""A panel that is a file: what would be shown, as a PNG picture, for tests and for whoever helps from afar."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hardware.facts import DeviceError
from hardware.panel_text import Pages
from hardware.raster import Raster


class PngDisplay:
    """Writes each page to `path`, replacing it whole; `scale` is the pixels of the picture for one of the panel.

    One thread uses it.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int = 128,
        height: int = 64,
        scale: int = 4,
        font: Path | None = None,
        font_size: int = 12,
    ) -> None:
        self._path = path
        self._size = (width, height)
        self._scale = scale
        self._font = font
        self._font_size = font_size
        self._raster: Raster | None = None
        self._pages: Pages | None = None

    def show(self, lines: Sequence[str]) -> None:
        """Write the first page of the lines. Raises DeviceError."""
        if self._raster is None:
            self._raster = Raster(*self._size, font=self._font, size=self._font_size)
        self._pages = Pages(lines, self._raster.panel)
        self._write()

    def turn(self) -> bool:
        """Write the next page; False when there is only one. Raises DeviceError."""
        if self._pages is None or not self._pages.turn():
            return False
        self._write()
        return True

    def close(self) -> None:
        """Leave the last picture where it is."""

    def _write(self) -> None:
        assert self._raster is not None
        assert self._pages is not None
        image = self._raster.draw(self._pages.page)
        image = image.resize((image.width * self._scale, image.height * self._scale))
        beside = self._path.with_name(f".{self._path.name}.part")
        try:
            image.save(beside, format="PNG")
            os.replace(beside, self._path)
        except OSError as error:
            raise DeviceError(f"{self._path} cannot be written: {error.strerror or error}") from error
