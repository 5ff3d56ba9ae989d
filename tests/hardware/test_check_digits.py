"""Compared with python-stdnum and biip, which know the same numbers from elsewhere."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import stdnum.ean
import stdnum.isbn
import stdnum.issn
from biip import ParseError
from biip.upc import Upc
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import check_digits

NUMBERS = Path(__file__).parent / "published" / "numbers.txt"
DIGITS = "0123456789"
LENGTHS = {"ean-8": 8, "upc-a": 12, "ean-13": 13, "gtin-14": 14}


def sections():
    """The published numbers by the source they stand under."""
    found: dict[str, list[tuple[str, str]]] = {}
    numbers: list[tuple[str, str]] = []
    for line in NUMBERS.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("# "):
            numbers = found.setdefault(line.removeprefix("# "), [])
        elif line:
            kind, number = line.split(" ")
            numbers.append((kind, number))
    return found


def published():
    """All but those with check letters, for which python-stdnum has nothing."""
    return [(kind, number) for numbers in sections().values() for kind, number in numbers if kind != "gmn"]


def theirs(kind, number):
    """What python-stdnum says, or of a UPC-E biip; of numbers with no module, that of another with the same digit."""
    if kind == "upc-e":
        try:
            return bool(Upc.parse(number).as_upc_a())
        except ParseError:
            return False
    if kind == "isbn-10":
        return stdnum.isbn.is_valid(number)
    if kind == "issn":
        return stdnum.issn.is_valid(number)
    if kind in {"sscc", "gsin"}:
        return stdnum.ean.calc_check_digit(number[:-1]) == number[-1]
    return stdnum.ean.is_valid(number)


def test_two_hundred_numbers_are_published_under_a_source():
    assert len(set(published())) >= 200
    assert all(source and numbers for source, numbers in sections().items())
    assert {kind for kind, _ in published()} >= check_digits.KINDS - {"gsin"}  # of which nobody prints an example


def test_every_published_number_is_right_here_and_elsewhere():
    assert [number for kind, number in published() if not check_digits.is_right(kind, number)] == []
    assert [number for kind, number in published() if not theirs(kind, number)] == []
    assert all(check_digits.has_form(kind, number) for kind, number in published())


def test_every_published_number_with_another_check_digit_is_wrong_here_and_elsewhere():
    for kind, number in published():
        for digit in DIGITS + "X" * (kind in {"isbn-10", "issn"}):
            other = number[:-1] + digit
            right = other == number
            assert (check_digits.is_right(kind, other), theirs(kind, other)) == (right, right), (kind, other)


def test_ten_thousand_numbers_are_right_where_they_are_elsewhere():
    chance = random.Random(6)
    right = 0
    for _ in range(10_000):
        kind = chance.choice(sorted(check_digits.KINDS))
        length = {**LENGTHS, "upc-e": 8, "isbn-10": 10, "isbn-13": 13, "issn": 8, "gln": 13, "sscc": 18, "gsin": 17}[
            kind
        ]
        number = "".join(chance.choices(DIGITS, k=length))
        number = chance.choice("01") + number[1:] if kind == "upc-e" else number
        number = chance.choice(["978", "979"]) + number[3:] if kind == "isbn-13" else number
        number = number[:-1] + chance.choice(DIGITS + "X") if kind in {"isbn-10", "issn"} else number
        assert check_digits.is_right(kind, number) == theirs(kind, number), (kind, number)
        right += check_digits.is_right(kind, number)
    assert right > 500, "both see right ones too"


@pytest.mark.parametrize("kind", sorted(LENGTHS))
@given(st.data())
@settings(max_examples=200)
def test_numbers_of_any_digits_are_right_where_they_are_elsewhere(kind, data):
    number = data.draw(st.text(DIGITS, min_size=LENGTHS[kind], max_size=LENGTHS[kind]))
    assert check_digits.is_right(kind, number) == stdnum.ean.is_valid(number)
    assert check_digits.gs1_digit(number[:-1]) == stdnum.ean.calc_check_digit(number[:-1])


@given(st.text(DIGITS + "X", min_size=10, max_size=10))
@settings(max_examples=500)
def test_an_isbn_of_before_2007_is_right_where_it_is_elsewhere(number):
    assert check_digits.isbn10_is_right(number) == (stdnum.isbn.is_valid(number) and len(number) == 10)


@given(st.text(DIGITS, min_size=5, max_size=17), st.integers(0, 16), st.sampled_from(DIGITS))
def test_any_single_wrong_digit_shows(digits, place, wrong):
    number = digits + check_digits.gs1_digit(digits)
    at = place % len(number)
    other = number[:at] + wrong + number[at + 1 :]
    assert check_digits.gs1_is_right(other) == (other == number)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("06543217", "065100004327"),
        ("04252614", "042100005264"),
        ("01234565", "012345000065"),
        ("01278907", "012000007897"),
    ],
)
def test_a_upc_e_stands_for_a_upc_a(short, long):
    assert check_digits.upc_e_to_a(short) == long


@pytest.mark.parametrize("number", ["", "2", "26543217", "0654321", "0654321X", "٠١٢٣٤٥٦٧"])
def test_what_is_no_upc_e_stands_for_nothing(number):
    assert check_digits.upc_e_to_a(number) is None


GMN = [number for numbers in sections().values() for kind, number in numbers if kind == "gmn"]


def test_the_letters_of_a_gmn_check_it_as_gs1_says():
    assert len(GMN) >= 25
    assert [number for number in GMN if not check_digits.gs1_pair_is_right(number)] == []
    for number in GMN:
        wrong = "2" if number[-1] != "2" else "3"
        assert not check_digits.gs1_pair_is_right(number[:-1] + wrong), number


def test_what_cannot_be_a_gmn_is_none():
    assert not check_digits.gs1_pair_is_right("1987654Ae4X4bL5ttr2310c2K")
    assert not check_digits.gs1_pair_is_right("2K")
    assert not check_digits.gs1_pair_is_right("ä" * 5)
    assert not check_digits.gs1_pair_is_right("1" * 40)


@pytest.mark.parametrize("kind", sorted(check_digits.KINDS))
@given(st.text(max_size=20))
def test_no_text_is_too_odd_to_be_asked_about(kind, text):
    check_digits.has_form(kind, text)
    check_digits.is_right(kind, text)
