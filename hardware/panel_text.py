"""Text for a panel that has few characters and few cells: folded to what it can show, and cut into pages. Pure.

A character a panel lacks becomes the nearest it has: the euro sign "EUR", a dash a hyphen, a letter itself without its
accents. What has no likeness at all is a question mark, so that a reader sees that something is missing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from agent.record import record
from hardware.layout import paginate, printable, wrap

_MOST_PAGES = 12
"""Nobody stands before sixteen characters for longer."""

_NEAREST: dict[str, tuple[str, ...]] = {
    "Ä": ("Ae",),
    "Ö": ("Oe",),
    "Ü": ("Ue",),
    "ä": ("ae",),
    "ö": ("oe",),
    "ü": ("ue",),
    "ß": ("ss",),
    "ẞ": ("SS",),
    "Æ": ("Ae",),
    "æ": ("ae",),
    "Œ": ("Oe",),
    "œ": ("oe",),
    "Ø": ("O",),
    "ø": ("o",),
    "Å": ("A",),
    "å": ("a",),
    "Ł": ("L",),
    "ł": ("l",),
    "Đ": ("D",),
    "đ": ("d",),
    "Þ": ("Th",),
    "þ": ("th",),
    "ı": ("i",),
    "€": ("EUR",),
    "£": ("GBP",),
    "¥": ("JPY",),
    "©": ("(c)",),
    "®": ("(R)",),
    "…": ("...",),
    "•": ("·", "*"),
    "·": ("*", "."),
    "×": ("x",),
    "÷": ("/",),
    "⁄": ("/",),
    "−": ("-",),
    "\\": ("/",),
    "~": ("-",),
    "«": ('"',),
    "»": ('"',),
    "¿": ("?",),
    "¡": ("!",),
    "→": (">",),
    "←": ("<",),
    "↑": ("^",),
    "✓": ("√", "+"),
    "✔": ("√", "+"),
    "✗": ("x",),
    "✘": ("x",),
    "°": ("o",),
    "µ": ("u",),
    "\N{NO-BREAK SPACE}": (" ",),
}
_CLASSES = {"Pd": "-", "Zs": " ", "Pi": '"', "Pf": '"'}
_QUOTES = {"‘": "'", "’": "'", "‚": "'", "‛": "'", "‹": "'", "›": "'", "“": '"', "”": '"', "„": '"', "′": "'", "″": '"'}


@record
class Panel:
    """What a panel can hold: `columns` by `rows` cells, and of which characters."""

    columns: int
    rows: int
    has: Callable[[str], bool]
    """Whether it can show one character in one cell."""


def fold(text: str, has: Callable[[str], bool]) -> str:
    """Printable text in the characters of a panel; line ends stay."""
    return "".join(_folded(char, has) for char in unicodedata.normalize("NFC", text))


def pages(lines: Sequence[str], panel: Panel) -> list[list[str]]:
    """The lines on as many pages as they take, each line folded, wrapped and no wider than the panel.

    At least one page, which may be empty. Beyond a dozen the rest is left out, and an ellipsis says so.
    """
    texts = (fold(printable(line), panel.has) for line in lines)
    wrapped = [piece for text in texts for piece in wrap(text, panel.columns)]
    most = _MOST_PAGES * panel.rows
    if len(wrapped) > most:
        end = fold("…", panel.has)
        wrapped[most - 1 :] = [(wrapped[most - 1][: max(panel.columns - len(end), 0)].rstrip() + end)[: panel.columns]]
    return paginate(wrapped, panel.rows)


class Pages:
    """A text on a panel, one page of it at a time."""

    def __init__(self, lines: Sequence[str], panel: Panel) -> None:
        self._pages = pages(lines, panel)
        self._at = 0

    @property
    def page(self) -> list[str]:
        """The page to show now."""
        return self._pages[self._at]

    def turn(self) -> bool:
        """Go on to the next page, after the last one to the first; False when there is only one."""
        self._at = (self._at + 1) % len(self._pages)
        return len(self._pages) > 1


def _folded(char: str, has: Callable[[str], bool]) -> str:
    if char == "\n" or has(char):
        return char
    category = unicodedata.category(char)
    for likeness in _NEAREST.get(char) or (_QUOTES.get(char, ""), _CLASSES.get(category, "")):
        if likeness and all(map(has, likeness)):
            return likeness
    if category in {"Mn", "Me", "Cf"}:
        return ""
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    likeness = "".join(_folded(part, has) for part in plain if part != char)
    return likeness if likeness.strip("?") else "?"
