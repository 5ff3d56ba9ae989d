"""GS1 codes: element strings, their bracketed form, and Digital Link addresses. Pure.

A GS1 code is a row of pieces, each an application identifier and its value. Where a value may be of any length, GS (the
scanner's word for a FNC1 in the symbol) ends it. A scanner that leaves the GS out makes one value of two, and nothing
in the code says so until it is too long: so `Gs1Error` has a reason of its own for that, which means the scanner's
setting.

Lengths, characters, dates and check digits are looked at, in which this agrees with GS1's own syntax engine; what a
value means, a country, a currency or a coupon, is not.

A library would do it (`biip`, which the tests compare this with), at 25 MB of memory and 140 ms of import on a desktop,
most of it for a list of the companies behind each number.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote, urlsplit

from hardware import symbology
from hardware.facts import Element
from hardware.gs1_identifiers import Identifier, identifier

Reason = Literal["unknown identifier", "length", "characters", "date", "check digit", "no GS", "form"]

GS = symbology.GS
_WRITTEN_OUT = ("^]", "{GS}", "{FNC1}", "\\x1d")
"""What scanners write in place of a GS that cannot be typed. None of it fits into a value of GS1's."""
_BRACKETED = re.compile(r"\(([0-9]{2,4})\)")
_KEYS = {
    "01": ("22", "10", "21", "235"),
    "8006": ("22", "10", "21"),
    "414": ("254", "7040"),
    "417": ("7040",),
    "415": ("8020",),
    "8010": ("8011",),
    "8004": ("7040",),
    "8017": ("8019",),
    "8018": ("8019",),
    **dict.fromkeys(("00", "253", "255", "401", "402", "8003", "8013"), ()),
}
"""What an address may begin with, and what may follow in its path, in this order (GS1 Digital Link, 4.3)."""


class Gs1Error(Exception):
    """A text is not the GS1 code it seems to be; the message names the identifier and nothing of the value."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def look(text: str, *, marked: bool) -> tuple[tuple[Element, ...], Gs1Error | None]:
    """The elements of a code, which may be no GS1 code at all, and what is wrong with one that is `marked` as such.

    Without a mark only a form that nothing else has is taken for GS1, and only when all of it is right.
    """
    try:
        if marked or text.startswith("(") or "://" in text[:8]:
            return parse(text), None
        if text.startswith(GS) or (text.startswith(("00", "01", "02")) and len(text) >= 16):
            return parse_elements(text), None
    except Gs1Error as error:
        return (), error if marked else None
    return (), None


def parse(text: str) -> tuple[Element, ...]:
    """The elements of an element string, bracketed or not, or of a Digital Link. Raises Gs1Error."""
    if text.startswith(("http://", "https://", "HTTP://", "HTTPS://")):
        return parse_link(text)
    return parse_bracketed(text) if text.startswith("(") else parse_elements(text)


def parse_elements(text: str) -> tuple[Element, ...]:
    """The elements of what a scanner sends for a GS1 symbol, without the AIM identifier. Raises Gs1Error.

    GS may also be written out as `^]` or `{GS}`, and may stand at both ends and behind elements that need none.
    """
    for written in _WRITTEN_OUT:
        text = text.replace(written, GS)
    rest = text.strip(GS)
    if not rest:
        raise Gs1Error("form", "there is nothing in it")
    elements = []
    while rest:
        known = _known(rest)
        value, rest = _value(known, rest[len(known.ai) :])
        elements.append(Element(known.ai, value))
        rest = rest.lstrip(GS)
    return tuple(elements)


def parse_bracketed(text: str) -> tuple[Element, ...]:
    """The elements of the form that people read, `(01)09506000134352(10)LOT7`. Raises Gs1Error.

    A bracket in a value is one, unless what it holds is an identifier.
    """
    marks = [mark for mark in _BRACKETED.finditer(text) if _is_identifier(mark[1])]
    if not marks or marks[0].start():
        raise Gs1Error("form", "it does not begin with an application identifier in brackets")
    elements = []
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        value = text[mark.end() : after.start() if after else len(text)].strip()
        known = _known(mark[1])
        _check(known, value)
        elements.append(Element(known.ai, value))
    return tuple(elements)


def parse_link(address: str) -> tuple[Element, ...]:
    """The elements of a GS1 Digital Link address: its key, what qualifies it, and what the query adds. Raises Gs1Error.

    Any host will do, and any path before the key. A GTIN of 8, 12 or 13 digits is filled up to 14.
    """
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise Gs1Error("form", "it is no address") from error
    steps = [unquote(step) for step in parts.path.split("/") if step]
    start = next((at for at in range(len(steps) - 2, -1, -1) if steps[at] in _KEYS and _follows(steps[at:])), None)
    if start is None or parts.scheme.lower() not in {"http", "https"}:
        raise Gs1Error("form", "it is no GS1 Digital Link: there is no key in its path")
    elements = [_link_element(ai, value) for ai, value in zip(steps[start::2], steps[start + 1 :: 2], strict=True)]
    for pair in re.split("[&;]", parts.query):
        ai, _, value = pair.partition("=")
        if _is_identifier(ai):
            elements.append(_link_element(ai, unquote(value.replace("+", " "))))
    return tuple(elements)


def written(elements: tuple[Element, ...]) -> str:
    """The elements as people read them, with brackets."""
    return "".join(f"({element.ai}){element.value}" for element in elements)


def encoded(elements: tuple[Element, ...]) -> str:
    """The element string of the elements, as a scanner sends it, with a GS wherever one is needed."""
    text = ""
    for place, element in enumerate(elements, 1):
        text += element.ai + element.value
        if place < len(elements) and _known(element.ai).needs_end:
            text += GS
    return text


def _known(text: str) -> Identifier:
    known = identifier(text)
    if known is None:
        raise Gs1Error("unknown identifier", f"({text[:4]}) begins with no application identifier")
    return known


def _value(known: Identifier, text: str) -> tuple[str, str]:
    """The value that stands at the front of a text, and the rest behind it."""
    value = text.split(GS, 1)[0]
    if not known.needs_end:
        value = value[: known.longest]
    elif len(value) > known.longest:
        raise Gs1Error("no GS", f"({known.ai}) is too long: the scanner leaves out the GS that ends it")
    _check(known, value)
    return value, text[len(value) :]


def _check(known: Identifier, value: str) -> None:
    match known.problem(value):
        case None:
            return
        case "length":
            raise Gs1Error("length", f"({known.ai}) cannot be {len(value)} characters long")
        case "characters":
            raise Gs1Error("characters", f"({known.ai}) holds a character that it cannot")
        case "date":
            raise Gs1Error("date", f"({known.ai}) is a date that does not exist")
        case _:
            raise Gs1Error("check digit", f"({known.ai}) has a wrong check digit")


def _is_identifier(text: str) -> bool:
    known = identifier(text)
    return known is not None and known.ai == text


def _follows(steps: list[str]) -> bool:
    """Whether these steps of a path are a key and its qualifiers, in their order, and nothing else."""
    allowed = list(_KEYS[steps[0]])
    qualifiers = steps[2::2]
    return len(steps) % 2 == 0 and qualifiers == [ai for ai in allowed if ai in qualifiers]


def _link_element(ai: str, value: str) -> Element:
    if ai in {"01", "02"} and len(value) in {8, 12, 13}:
        value = value.zfill(14)
    known = _known(ai)
    _check(known, value)
    return Element(ai, value)
