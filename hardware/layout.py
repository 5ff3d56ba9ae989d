"""Text for a small display: made harmless, wrapped to its columns, cut or paged to its rows. Pure.

Columns are those of a terminal: a Chinese character takes two, an accent none. The widths come from Python's own
Unicode tables. Text is wrapped at spaces and next to wide characters, which are written without spaces; a longer word
is cut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor, clearing
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x9c|\x1b\\)?"  # OSC, DCS: titles, links
    r"|\x1b[ -/]*[0-~]?"  # the short ones
)
_LINE_ENDS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
# Characters that turn the direction of all that follows, and the mark of a byte order that is none here.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def printable(text: str) -> str:
    """The text without escape sequences and control characters; lines end with LF, a tab is a space."""
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    return "".join(_harmless(char) for char in text)


def width(text: str) -> int:
    """The columns that printable text takes in one line."""
    return sum(_columns(char) for char in text)


def wrap(text: str, columns: int) -> list[str]:
    """Printable text as lines of at most `columns`, which must be 2 or more; at least one line, which may be empty."""
    if columns < 2:
        raise ValueError(f"{columns} columns cannot hold every character")
    return [line for paragraph in text.split("\n") for line in _wrapped(paragraph, columns)]


def fit(lines: Sequence[str], columns: int, rows: int) -> list[str]:
    """What a screen shows of these lines, made printable and wrapped; an ellipsis at the end says that there is
    more."""
    wrapped = [piece for line in lines for piece in wrap(printable(line), columns)]
    if len(wrapped) <= rows:
        return wrapped
    shown = wrapped[:rows]
    if shown:
        shown[-1] = _cut(shown[-1], columns - 1) + "…"
    return shown


def paginate(lines: Sequence[str], rows: int) -> list[list[str]]:
    """The lines in pages of at most `rows`; at least one page, which may be empty."""
    if rows < 1:
        raise ValueError(f"{rows} rows cannot hold a line")
    return [list(lines[at : at + rows]) for at in range(0, len(lines), rows)] or [[]]


def _cut(line: str, columns: int) -> str:
    """As many letters of the line as fit."""
    taken, used = "", 0
    for letter in _letters(line):
        used += width(letter)
        if used > columns:
            break
        taken += letter
    return taken.rstrip(" ")


def _harmless(char: str) -> str:
    if char == "\n":
        return char
    if char == "\t":
        return " "
    if " " <= char <= "~":
        return char
    category = unicodedata.category(char)
    if category == "Cs":  # half of a surrogate pair has no encoding
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category == "Cc" or char in _TURNING else char


def _columns(char: str) -> int:
    if " " <= char <= "~":
        return 1
    # The second and third letters of a Hangul syllable written in parts are drawn into the first.
    if unicodedata.category(char) in {"Mn", "Me", "Cf"} or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _wrapped(paragraph: str, columns: int) -> Iterator[str]:
    letters = list(_letters(paragraph))
    widths = [width(letter) for letter in letters]
    start = position = used = 0
    gap = 0  # where the line may be broken; at its start for nowhere
    while position < len(letters):
        if widths[position] == 2 or letters[position] == " ":
            gap = position
        if used + widths[position] > columns:
            end = gap if gap > start else position
            yield "".join(letters[start:end]).rstrip(" ")
            while end < len(letters) and letters[end] == " ":
                end += 1
            start = position = gap = end
            used = 0
            continue
        used += widths[position]
        if widths[position] == 2 or letters[position] == " ":
            gap = position + 1
        position += 1
    if start < len(letters) or not letters:
        yield "".join(letters[start:]).rstrip(" ")


def _letters(text: str) -> Iterator[str]:
    """What must stay together: a character and the accents drawn over it."""
    letter = ""
    for char in text:
        if letter and _columns(char) > 0:
            yield letter
            letter = ""
        letter += char
    if letter:
        yield letter
