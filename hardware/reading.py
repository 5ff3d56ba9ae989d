"""From the bytes of one frame to a code: its kind of symbol, its text, its GS1 elements, its check digit. Pure.

What a code says about itself decides what is asked of it. Under `]E0` thirteen digits with a wrong check digit are a
bad read. The same thirteen digits without an identifier may be anybody's own numbering, and are taken as they come,
unless `check` says that this counter sees nothing but articles.
"""

from __future__ import annotations

import codecs
from typing import Literal

from agent.record import record
from hardware import check_digits, symbology
from hardware.check_digits import Kind
from hardware.facts import CodeScanned, DeviceError, Element, ScanRefused
from hardware.symbology import Symbol

_GS1_HOST = ("https://id.gs1.org/", "http://id.gs1.org/")


@record(kw_only=True)
class Reading:
    """How the codes of one scanner are read."""

    encoding: str = "utf-8"
    """How the scanner writes characters, where the code does not say it itself."""
    aim: bool = True
    """Whether an AIM identifier at the front of a code is one. False: it is a part of the code."""
    gs: str = ""
    """What the scanner writes in place of a GS, such as "^]"; in codes marked as GS1 the usual ones are known."""
    gs1: Literal["read", "strict", "off"] = "read"
    """Whether GS1 codes are taken apart. A wrong check digit refuses the code, and under "strict" any fault does."""
    verify: bool = True
    """Whether the check digit of EAN and UPC must be right. False: the scanner is set to leave it out."""
    check: tuple[Kind, ...] = ()
    """Codes without an AIM identifier that look like a number of these kinds must be one."""


class CodeReader:
    """Reads the frames of one scanner. Raises DeviceError for an encoding that cannot work."""

    def __init__(self, scanner: str, reading: Reading | None = None) -> None:
        self._scanner = scanner
        self._reading = reading or Reading()
        encoding = self._reading.encoding
        try:
            b"0".decode(encoding)  # one byte, because Python does not look the codec up for none
            # "hex" and its like are codecs too, but make bytes of bytes.
            if not isinstance(codecs.lookup(encoding).decode(b"0")[0], str):
                raise LookupError
        except (LookupError, UnicodeDecodeError):
            raise DeviceError(f'"{encoding}" is no encoding of bytes; use utf-8, latin-1, gbk or the like') from None
        unknown = sorted(set(self._reading.check) - check_digits.KINDS)
        if unknown:
            raise DeviceError(f"{unknown[0]} is no number with a check digit; known: {', '.join(check_digits.KINDS)}")

        if self._reading.gs1 != "off":
            from hardware import gs1  # with its list of identifiers, which a scanner of plain codes never needs

            self._look = gs1.look

    def read(self, frame: bytes, at: float) -> CodeScanned | ScanRefused:
        """What a frame, which is not empty, turns out to be."""
        symbol, code = symbology.identify(frame) if self._reading.aim else (None, frame)
        if not code:
            return ScanRefused(self._scanner, "empty", frame, at, "there is nothing behind the AIM identifier")
        try:
            text = self._text(symbol, code)
        except UnicodeDecodeError as error:
            remark = f"not {error.encoding} at byte {error.start + 1}"
            return ScanRefused(self._scanner, "undecodable", frame, at, remark)
        if self._reading.verify and not self._has_right_check_digit(symbol, text):
            return ScanRefused(self._scanner, "check digit", frame, at, "the check digit is wrong")
        elements: tuple[Element, ...] = ()
        remark = ""
        if self._reading.gs1 != "off":
            marked = (symbol is not None and symbol.is_gs1) or text.startswith(_GS1_HOST)
            elements, fault = self._look(text, marked=marked)
            if fault is not None:
                remark = f"GS1: {fault}"
                if fault.reason == "check digit":
                    return ScanRefused(self._scanner, "check digit", frame, at, remark)
                if self._reading.gs1 == "strict":
                    return ScanRefused(self._scanner, "not GS1", frame, at, remark)
        name, aim = (symbol.name, symbol.aim) if symbol else (None, None)
        return CodeScanned(self._scanner, text, frame, at, name, aim, elements, remark)

    def _text(self, symbol: Symbol | None, code: bytes) -> str:
        encoding = self._reading.encoding
        text = symbology.decode_eci(code, encoding) if symbol is not None and symbol.has_eci else None
        if text is None:
            text = code.decode(encoding)
        return text.replace(self._reading.gs, symbology.GS) if self._reading.gs else text

    def _has_right_check_digit(self, symbol: Symbol | None, text: str) -> bool:
        kinds: tuple[Kind, ...]
        match symbol.name if symbol is not None else None:
            case None:
                wanted = [kind for kind in self._reading.check if check_digits.has_form(kind, text)]
                return not wanted or any(check_digits.is_right(kind, text) for kind in wanted)
            case "ean-8":
                kinds = ("ean-8",)
            case "ean-13":  # and UPC-A, UPC-E, which scanners send in any of these lengths
                kinds = ("ean-13", "upc-a", "upc-e", "ean-8")
            case "ean-13-add-on":
                kinds, text = ("ean-13", "upc-a"), text[:13] if len(text) in {15, 18} else text[:12]
            case _:
                return True
        # A number of another length is one that the scanner was told to send without its check digit, or cut.
        return not any(check_digits.has_form(kind, text) for kind in kinds) or any(
            check_digits.is_right(kind, text) for kind in kinds
        )
