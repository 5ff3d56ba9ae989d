"""How the page looks for one house: name, colour, light or dark, logo, idle text, languages.

Whatever colour is configured, text stays readable: what stands on the colour is black or white, whichever reads better
(one of them always has a contrast above 4.5), and where the colour itself is ink it is moved towards the ground's
opposite until it has. Contrast is that of WCAG 2.2, section 1.4.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from agent.record import field, record

AA = 4.5
"""The least contrast of text with its ground."""

Colour = tuple[int, int, int]

_PAPER: Mapping[str, Colour] = {"light": (0xF5, 0xF3, 0xEE), "dark": (0x11, 0x13, 0x18)}
_LOGO_BYTES = 1_000_000
LOGO_TYPES: Mapping[str, str] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
"""What a logo may be, by the end of its name."""


@record(kw_only=True)
class Branding:
    """One house's look. Everything in it was written by the installer."""

    name: str = ""
    """What stands at the top left; with a logo, what a screen reader says for it."""
    colour: str = "#1f4fd8"
    """The house's colour, as `#rrggbb`: choices, marks, the line at the top."""
    theme: Literal["light", "dark"] = "light"
    logo: Path | None = None
    """A PNG, JPEG, WebP or SVG file of at most 1 MB."""
    idle: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What stands there while nobody is being served, by language; a language not named has the page's own words."""
    languages: tuple[str, ...] = ("en-us",)
    """What a person may read the page in, the first by default."""
    code_entry: bool = False
    """Whether codes of damaged labels can be typed on the screen."""


def colour(text: str) -> Colour:
    """The colour written `#rrggbb`. Raises ValueError."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f'{text} is no colour such as "#1f4fd8"')
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def contrast(one: Colour, other: Colour) -> float:
    """From 1, the same, to 21, black on white."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(ground: Colour) -> Colour:
    """Black or white, whichever reads better on `ground`."""
    return max(((0, 0, 0), (255, 255, 255)), key=lambda ink: contrast(ink, ground))


def readable(ink: Colour, ground: Colour, least: float = AA) -> Colour:
    """`ink`, moved towards black or white until it can be read on `ground`."""
    towards = ink_on(ground)
    for step in range(101):
        mixed = _mix(ink, towards, step / 100)
        if contrast(mixed, ground) >= least:
            return mixed
    return towards


def brand_css(branding: Branding) -> bytes:
    """The few style rules that differ from house to house."""
    brand = colour(branding.colour)
    paper = _PAPER[branding.theme]
    on_brand = ink_on(brand)
    values = {
        "brand": brand,
        "on-brand": on_brand,
        # A finger on a button shows; what is written on it stays readable, since it moves away from the ink.
        "brand-pressed": _mix(brand, (0, 0, 0) if on_brand == (255, 255, 255) else (255, 255, 255), 0.2),
        "brand-ink": readable(brand, paper, 5.5),
        "brand-wash": _mix(paper, brand, 0.09),
    }
    lines = [f"  --{name}: {_written(value)};" for name, value in values.items()]
    return (":root {\n" + "\n".join(lines) + "\n}\n").encode()


def read_logo(path: Path) -> tuple[bytes, str]:
    """The logo and its content type. Raises ValueError or OSError."""
    content_type = LOGO_TYPES.get(path.suffix.lower())
    if content_type is None:
        raise ValueError(f"{path} is no {', '.join(sorted(kind[1:] for kind in LOGO_TYPES))} file")
    with path.open("rb") as file:
        data = file.read(_LOGO_BYTES + 1)
    if len(data) > _LOGO_BYTES:
        raise ValueError(f"{path} is larger than 1 MB")
    return data, content_type


def _luminance(one: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in one)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _written(one: Colour) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in one)
