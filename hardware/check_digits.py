"""The check digits of article numbers, and what they are good for. Pure.

A scanner checks what a symbol carries before it says anything, so a wrong digit is rare there. It is what a damaged
cable, a wrong baud rate or a keyboard layout looks like, and in a label printed by somebody's own program it is a slip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Kind = Literal["ean-8", "ean-13", "upc-a", "upc-e", "isbn-10", "isbn-13", "issn", "gtin-14", "gln", "sscc", "gsin"]

_CHARSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_CHECK_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)


def gs1_digit(digits: str) -> str:
    """The check digit that belongs behind `digits`, weighed 3 and 1 from the right (GS1 General Specifications, 7.9).

    Of every number of GS1's: GTIN and so EAN, UPC-A and ISBN-13, SSCC, GLN, GRAI and the others.
    """
    total = sum(int(digit) * (3 - 2 * (place % 2)) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def gs1_is_right(number: str) -> bool:
    """Whether the last digit of a number is its check digit."""
    return len(number) > 1 and _is_digits(number) and gs1_digit(number[:-1]) == number[-1]


def gs1_pair(text: str) -> str:
    """The two check letters that belong behind a GMN (GS1 General Specifications, 7.9.5).

    Raises ValueError for a character that cannot be in one, and for more than 23 of them.
    """
    if len(text) > len(_PRIMES):
        raise ValueError(f"a GMN has at most {len(_PRIMES)} characters before its check letters")
    total = sum(_CHARSET_82.index(letter) * prime for letter, prime in zip(reversed(text), _PRIMES, strict=False))
    total %= 1021
    return _CHECK_LETTERS[total >> 5] + _CHECK_LETTERS[total & 31]


def gs1_pair_is_right(text: str) -> bool:
    """Whether the last two letters of a GMN are its check letters."""
    try:
        return len(text) > 2 and gs1_pair(text[:-2]) == text[-2:]
    except ValueError:
        return False


def isbn10_is_right(number: str) -> bool:
    """Whether ten characters, the last of them perhaps an X for ten, are an ISBN of before 2007."""
    return len(number) == 10 and _mod_11_is_right(number)


def issn_is_right(number: str) -> bool:
    """Whether eight characters without a hyphen, the last of them perhaps an X for ten, are an ISSN."""
    return len(number) == 8 and _mod_11_is_right(number)


def upc_e_to_a(number: str) -> str | None:
    """The twelve digits of a UPC-A that eight digits of a UPC-E stand for; None where there is none.

    The first digit is the number system, 0 or 1; the last is the check digit of the UPC-A.
    """
    if len(number) != 8 or not _is_digits(number) or number[0] not in "01":
        return None
    system, a, b, c, d, e, last, check = tuple(number)
    match last:
        case "0" | "1" | "2":
            middle = a + b + last + "0000" + c + d + e
        case "3":
            middle = a + b + c + "00000" + d + e
        case "4":
            middle = a + b + c + d + "00000" + e
        case _:
            middle = a + b + c + d + e + "0000" + last
    return system + middle + check


def upc_e_is_right(number: str) -> bool:
    """Whether eight digits are a UPC-E with the check digit of its UPC-A."""
    return gs1_is_right(upc_e_to_a(number) or "")


def is_right(kind: Kind, number: str) -> bool:
    """Whether a number is one of that kind, its length and its check digit included."""
    return _CHECKS[kind](number)


def has_form(kind: Kind, text: str) -> bool:
    """Whether a text looks like a number of that kind, whatever its check digit says."""
    if kind in {"isbn-10", "issn"}:
        return len(text) == _LENGTHS[kind] and _is_digits(text[:-1]) and (_is_digits(text[-1]) or text[-1] == "X")
    if kind == "isbn-13" and not text.startswith(("978", "979")):
        return False
    if kind == "upc-e" and not text.startswith(("0", "1")):
        return False
    return len(text) == _LENGTHS[kind] and _is_digits(text)


def _mod_11_is_right(number: str) -> bool:
    if not _is_digits(number[:-1]) or not (_is_digits(number[-1]) or number[-1] == "X"):
        return False
    values = [10 if digit == "X" else int(digit) for digit in number]
    return sum(value * weight for value, weight in zip(values, range(len(values), 0, -1), strict=True)) % 11 == 0


def _is_digits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isdigit()


def _gs1(length: int, *prefixes: str) -> Callable[[str], bool]:
    return lambda number: len(number) == length and number.startswith(prefixes or ("",)) and gs1_is_right(number)


_LENGTHS: dict[Kind, int] = {
    "ean-8": 8,
    "ean-13": 13,
    "upc-a": 12,
    "upc-e": 8,
    "isbn-10": 10,
    "isbn-13": 13,
    "issn": 8,
    "gtin-14": 14,
    "gln": 13,
    "sscc": 18,
    "gsin": 17,
}
_CHECKS: dict[Kind, Callable[[str], bool]] = {
    "ean-8": _gs1(8),
    "ean-13": _gs1(13),
    "upc-a": _gs1(12),
    "upc-e": upc_e_is_right,
    "isbn-10": isbn10_is_right,
    "isbn-13": _gs1(13, "978", "979"),
    "issn": issn_is_right,
    "gtin-14": _gs1(14),
    "gln": _gs1(13),
    "sscc": _gs1(18),
    "gsin": _gs1(17),
}
KINDS = frozenset(_CHECKS)
"""The kinds that `is_right` and `has_form` know."""
