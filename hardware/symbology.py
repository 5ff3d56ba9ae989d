"""What kind of symbol a scanner read, from the AIM identifier in front of the code (ISO/IEC 15424). Pure.

The identifier is three characters, `]` with a letter for the family and one for the member: `]E0` for EAN-13, `]d2` for
a GS1 Data Matrix. Scanners send it when they are set up to. It is the only thing that tells a GS1-128 code from a Code
128 that happens to begin with 01, so it is worth setting up; and it is no part of the code.

Some members say that the code may change its character set on the way (ECI). The scanner then writes `\\000026` for
"from here on UTF-8" and doubles every backslash of the code itself.
"""

from __future__ import annotations

import re

from agent.record import record

GS = "\x1d"
"""What a scanner writes for a FNC1 in the symbol, which ends a value of GS1's and of some others."""
_FAMILIES = {
    "A": "code-39",
    "B": "telepen",
    "C": "code-128",
    "D": "code-1",
    "E": "ean-13",
    "F": "codabar",
    "G": "code-93",
    "H": "code-11",
    "I": "itf",
    "J": "dotcode",
    "K": "code-16k",
    "L": "pdf417",
    "M": "msi",
    "N": "anker",
    "O": "codablock",
    "P": "plessey",
    "Q": "qr",
    "R": "2-of-5",  # with two start bars
    "S": "2-of-5",  # with three
    "T": "code-49",
    "U": "maxicode",
    "V": "aztec-mesa",
    "X": "other",
    "Z": "none",  # typed on a keyboard, or the scanner's own
    "d": "data-matrix",
    "e": "databar",
    "h": "han-xin",
    "o": "ocr",
    "p": "postal",
    "z": "aztec",
}
_MEMBERS = {
    "C1": "gs1-128",
    "E1": "add-on-2",
    "E2": "add-on-5",
    "E3": "ean-13-add-on",
    "E4": "ean-8",
    "J1": "gs1-dotcode",
    "Q3": "gs1-qr",
    "Q4": "gs1-qr",
    "d2": "gs1-data-matrix",
    "d5": "gs1-data-matrix",
    "e0": "gs1-databar",
    "e1": "gs1-composite",
    "e2": "gs1-composite",
    "e3": "gs1-composite",
}
NAMES = frozenset(_FAMILIES.values()) | frozenset(_MEMBERS.values())
"""Every name a code's symbology may have."""

_WITH_ECI = frozenset({"Q2", "Q4", "Q6", "d4", "d5", "d6", "z3", "z4", "z5", "L1", "U2", "J3", "h1", "h3"})
_IDENTIFIER = re.compile(rb"\]([A-Za-z][0-9A-Za-z])")
_ESCAPE = re.compile(rb"\\(?:(\\)|([0-9]{6}))")
_CHARSETS = {  # the numbers of AIM's ECI register for which Python has a codec
    1: "iso8859-1",
    3: "iso8859-1",
    **{number + 2: f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    20: "shift_jis",
    21: "cp1250",
    22: "cp1251",
    23: "cp1252",
    24: "cp1256",
    25: "utf-16-be",
    26: "utf-8",
    27: "ascii",
    28: "big5",
    29: "gb18030",
    30: "euc_kr",
    170: "ascii",
}


@record
class Symbol:
    """An AIM identifier and what it means."""

    aim: str
    """All three characters."""
    name: str
    """One of `NAMES`; a family nobody has named yet is "other"."""

    @property
    def is_gs1(self) -> bool:
        """Whether the code is made of GS1 element strings."""
        return self.name.startswith("gs1-")

    @property
    def has_eci(self) -> bool:
        """Whether the code may name its character sets."""
        return self.aim[1:] in _WITH_ECI


def identify(code: bytes) -> tuple[Symbol | None, bytes]:
    """The symbol a code came from and the code without its identifier; None and all of it where there is none."""
    found = _IDENTIFIER.match(code)
    if found is None:
        return None, code
    aim = found[1].decode("ascii")
    return Symbol(f"]{aim}", _MEMBERS.get(aim) or _FAMILIES.get(aim[0], "other")), code[found.end() :]


def decode_eci(code: bytes, encoding: str) -> str | None:
    """The text of a code that names its character sets itself; `encoding` holds until the first name.

    None where the code keeps no such rules: not every scanner that says so writes them. Raises UnicodeDecodeError.
    """
    if b"\\" not in code:
        return None
    text, charset, piece, at = "", encoding, b"", 0
    while (backslash := code.find(b"\\", at)) >= 0:
        found = _ESCAPE.match(code, backslash)
        if found is None:
            return None
        piece += code[at:backslash]
        at = found.end()
        if found[1]:
            piece += b"\\"
            continue
        text += piece.decode(charset)
        piece = b""
        charset = _CHARSETS.get(int(found[2]), charset)
    return text + (piece + code[at:]).decode(charset)
