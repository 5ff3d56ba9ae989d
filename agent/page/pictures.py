"""Whether some bytes are a picture that a browser on a small board can show: its type and its size. Pure.

A file of 100 kB can be a picture of a gigapixel, which no small board survives. So the pixels are counted before a
browser sees them. SVG is left out: it is a program that draws, and what it costs cannot be read from its beginning.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from urllib.parse import unquote_to_bytes

from agent.record import record

MOST_PIXELS = 16_000_000
"""64 MB once decoded."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's markers that carry the size
_DATA_URL = re.compile(r"data:image/[a-z.+-]{2,20}((?:;[^,;]{0,40})*),", re.IGNORECASE)


class NotShownError(Exception):
    """This is no picture to show; the text says why."""


@record
class Picture:
    """Bytes that were looked at."""

    data: bytes
    content_type: str
    width: int
    height: int


def picture(data: bytes) -> Picture:
    """The picture in `data`. Raises NotShownError."""
    try:
        content_type, width, height = _measured(data)
    except (struct.error, IndexError):
        raise NotShownError("the picture is cut short") from None
    if width < 1 or height < 1:
        raise NotShownError("the picture is empty")
    if width * height > MOST_PIXELS:
        raise NotShownError(f"the picture has {width} by {height} pixels, too many for this device")
    return Picture(data, content_type, width, height)


def data_url(url: str) -> bytes:
    """The bytes in a `data:` address. Raises NotShownError."""
    head = _DATA_URL.match(url)
    if head is None:
        raise NotShownError("this is no picture")
    encoded = url[head.end() :]
    try:
        if ";base64" in head[1].lower():
            return base64.b64decode("".join(unquote_to_bytes(encoded).decode("ascii").split()), validate=True)
        return unquote_to_bytes(encoded)
    except (binascii.Error, ValueError):
        raise NotShownError("the picture is cut short") from None


def _measured(data: bytes) -> tuple[str, int, int]:
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return "image/png", *struct.unpack(">II", data[16:24])
    if data[:6] in {b"GIF87a", b"GIF89a"}:
        return "image/gif", *struct.unpack("<HH", data[6:10])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", *_webp(data)
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg", *_jpeg(data)
    raise NotShownError("it is no PNG, JPEG, WebP or GIF picture")


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return _three(data, 24) + 1, _three(data, 27) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise NotShownError("it is no WebP picture")


def _jpeg(data: bytes) -> tuple[int, int]:
    position = 2
    while True:
        if data[position] != 0xFF:
            raise NotShownError("it is no JPEG picture")
        while data[position] == 0xFF:
            position += 1
        marker = data[position]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[position + 4 : position + 8])
            return width, height
        if marker in {0xD9, 0xDA}:
            raise NotShownError("it is no JPEG picture")
        # Some markers stand alone; the others say how long they are.
        alone = marker == 0x01 or 0xD0 <= marker <= 0xD8
        position += 1 if alone else 1 + struct.unpack(">H", data[position + 1 : position + 3])[0]


def _three(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16
