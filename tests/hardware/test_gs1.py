"""Compared with biip, which reads the same codes with a list of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from biip import ParseError
from biip.gs1_application_identifiers import _GS1_APPLICATION_IDENTIFIERS
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_messages import GS1Message
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import check_digits, gs1
from hardware.facts import Element
from hardware.gs1 import GS, Gs1Error
from hardware.gs1_identifiers import identifier, known_identifiers

FOLDER = Path(__file__).parent / "published"


def published(name):
    """The codes of a file, each with the source it stands under; a ^ at the front is a FNC1, and so are the others."""
    source = ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("# "):
            source = line.removeprefix("# ")
        elif line:
            yield line.replace("^", GS) if line.startswith("^") else line, source


ELEMENTS, FAULTS = dict(published("elements.txt")), dict(published("faults.txt"))
LETTERS = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


def theirs(text):
    """The elements that biip finds; None where it finds fault. It tells a wrong check digit, but goes on."""
    try:
        if text.startswith("http"):
            found = GS1DigitalLinkURI.parse(text).element_strings
        elif text.startswith("("):
            found = GS1Message.parse_hri(text).element_strings
        else:
            found = GS1Message.parse(text).element_strings
    except ParseError:
        return None
    if any(one.gtin_error or one.sscc_error or one.gln_error for one in found):
        return None
    return tuple(Element(one.ai.ai, one.value) for one in found)


def ours(text):
    try:
        return gs1.parse(text)
    except Gs1Error:
        return None


def reason(text):
    with pytest.raises(Gs1Error) as caught:
        gs1.parse(text)
    return caught.value.reason


def test_the_identifiers_are_those_of_the_library_and_end_where_its_do():
    assert known_identifiers() == sorted(_GS1_APPLICATION_IDENTIFIERS)
    for ai, known in _GS1_APPLICATION_IDENTIFIERS.items():
        own = identifier(ai)
        assert own is not None
        assert (own.ai, own.needs_end) == (ai, known.separator_required)


def test_no_identifier_is_the_beginning_of_another():
    known = known_identifiers()
    assert not [(one, other) for one in known for other in known if one != other and other.startswith(one)]


def test_two_hundred_codes_are_published_each_with_a_source():
    assert len(ELEMENTS) >= 200
    assert len(FAULTS) >= 50
    assert all([*ELEMENTS.values(), *FAULTS.values()])


@pytest.mark.parametrize("text", ELEMENTS)
def test_a_published_code_is_read_as_the_library_reads_it(text):
    elements = ours(text)
    assert elements is not None
    assert elements == theirs(text.removeprefix(GS))
    assert gs1.parse(gs1.written(elements)) == elements
    assert gs1.parse(gs1.encoded(elements)) == elements == theirs(gs1.encoded(elements))


@pytest.mark.parametrize("text", FAULTS)
def test_what_gs1_calls_faulty_is_refused(text):
    """The library lets six of these pass. What GS1 says of the meaning of a value (a country, a coupon) is not ours."""
    with pytest.raises(Gs1Error):
        gs1.parse(text)


def value(ai, chance):
    """Some right value of an identifier, made without a look at our own table."""

    def digits(shortest, longest=None):
        return "".join(chance.choices("0123456789", k=chance.randint(shortest, longest or shortest)))

    def letters(longest, shortest=1):
        return "".join(chance.choices(LETTERS, k=chance.randint(shortest, longest)))

    def checked(length):
        payload = digits(length - 1)
        return payload + check_digits.gs1_digit(payload)

    month = f"{chance.randrange(100):02}{chance.randrange(1, 13):02}"
    date = f"{month}{chance.randrange(1, 29):02}"
    time = f"{chance.randrange(24):02}{chance.randrange(60):02}"
    form = _GS1_APPLICATION_IDENTIFIERS[ai].format.removeprefix(f"N{len(ai)}+")
    if ai in {"00", "8017", "8018"}:
        return checked(18)
    if ai in {"01", "02", "03"}:
        return checked(14)
    if ai in {"8006", "8026"}:
        return checked(14) + digits(4)
    if ai == "8003":
        payload = "0" + digits(12)
        return payload + check_digits.gs1_digit(payload) + letters(16, 0)
    if ai == "402":
        return checked(17)
    if ai.startswith("41"):
        return checked(13)
    if ai in {"253", "255"}:
        return checked(13) + (letters(17, 0) if ai == "253" else digits(0, 12))
    if ai in {"11", "12", "13", "15", "16", "17"}:
        return chance.choice([date, month + "00"])
    if ai in {"4326", "7006"}:
        return date
    if ai in {"4324", "4325", "7003", "8008"}:
        return date + time
    if ai == "7007":
        return date  # two of them, which it may be, the library takes for a date and a time of day
    if ai == "7011":
        return date + chance.choice(["", time])
    if ai == "7250":
        return "19" + date[:4] + "11"
    if ai == "7251":
        return "19" + date[:4] + "11" + time
    if ai in {"8013", "8014"}:
        payload = letters(20, 5)
        return payload + check_digits.gs1_pair(payload)
    if ai in {"4307", "4317"}:
        return chance.choice(["DE", "FR", "US"])
    if ai in {"4321", "4322", "4323"}:
        return chance.choice("01")
    if ai in {"4330", "4331", "4332", "4333"}:
        return digits(6) + chance.choice(["", "-"])
    if ai == "7258":
        return "1/2"
    if ai == "8001":
        return digits(14)
    if ai == "8010":
        return "".join(chance.choices("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ#-/", k=chance.randint(5, 30)))
    if ai == "8030":
        return "".join(chance.choices("0123456789ABCDEFabcdef-_", k=chance.randint(1, 90)))
    if ai == "8043":
        return digits(18, 20)
    if ai in {"423", "425"}:
        return digits(3) * chance.randint(1, 5)
    text = ""
    for part in form.replace("[+", "+").replace("]", "").split("+"):
        kind, size = part[0], part[1:]
        if size.startswith(".."):
            text += digits(1, int(size[2:])) if kind == "N" else letters(int(size[2:]))
        elif size:
            length = int(size.split("..")[-1].strip("N"))
            text += digits(length) if kind == "N" else letters(length, length)
    return text


def test_ten_thousand_codes_are_read_as_the_library_reads_them():
    chance = random.Random(6)
    known = known_identifiers()
    for _ in range(10_000):
        elements = tuple(Element(ai, value(ai, chance)) for ai in chance.choices(known, k=chance.randint(1, 3)))
        text = gs1.encoded(elements)
        assert ours(text) == theirs(text) == elements, text


def test_codes_with_a_digit_changed_are_refused_where_the_library_refuses_them():
    chance = random.Random(9)
    for ai in ["00", "01", "02", "03", "410", "414", "11", "17", "20", "3103", "422", "7003", "8005"] * 40:
        right = ai + value(ai, chance)
        place = chance.randrange(len(ai), len(right))
        text = right[:place] + chance.choice("0123456789A") + right[place + 1 :]
        assert ours(text) == theirs(text), text


@pytest.mark.parametrize(
    "ai", ["00", "01", "02", "03", "402", "410", "414", "417", "253", "255", "8003", "8017", "8013"]
)
def test_a_wrong_check_digit_is_told_from_all_other_faults(ai):
    chance = random.Random(8)
    for _ in range(20):
        right = value(ai, chance)
        place = {"253": 12, "255": 12, "8003": 13}.get(ai, len(right) - 1)
        wrong = "2" if right[place] != "2" else "3"
        assert reason(ai + right[:place] + wrong + right[place + 1 :]) == "check digit"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0109506000134353", "check digit"),
        ("010950600013435", "length"),
        ("01095060001343AB", "characters"),
        ("10", "length"),
        ("10" + "A" * 21, "no GS"),
        ("10LOT 7", "characters"),
        ("17251301", "date"),
        ("17250230", "date"),
        ("70032502012460", "date"),
        ("0404", "unknown identifier"),
        ("ABC", "unknown identifier"),
        ("", "form"),
        (GS, "form"),
        ("(01)", "length"),
        ("(99", "form"),
        ("(0109506000134352)", "form"),
        ("https://example.com/", "form"),
        ("https://example.com/01", "form"),
        ("https://id.gs1.org/01/09506000134353", "check digit"),
        ("https://id.gs1.org/01/09506000134352/99/1", "form"),
        ("https://id.gs1.org/01/09506000134352/21/1/10/2", "form"),
        ("https://id.gs1.org/01/09506000134352/10", "form"),
        ("https://[", "form"),
    ],
)
def test_a_fault_has_its_reason(text, expected):
    assert reason(text) == expected


@pytest.mark.parametrize("gs", [GS, "^]", "{GS}", "{FNC1}"])
def test_a_gs_may_be_written_out_and_stand_where_none_is_needed(gs):
    expected = (Element("01", "09506000134352"), Element("10", "LOT7"), Element("21", "A"))
    assert gs1.parse(f"{gs}0109506000134352{gs}10LOT7{gs}{gs}21A{gs}") == expected


def test_a_missing_gs_makes_one_value_of_two_until_it_is_too_long():
    assert gs1.parse("10LOT721A") == (Element("10", "LOT721A"),)
    assert reason("10LOT72" + "1" * 20) == "no GS"


def test_a_harvest_may_take_from_one_date_to_another():
    assert gs1.parse("7007250101250131") == (Element("7007", "250101250131"),)
    assert reason("7007250101251331") == "date"


def test_brackets_in_a_value_are_no_identifier():
    assert gs1.parse("(10)A(B)C(7)(21)1") == (Element("10", "A(B)C(7)"), Element("21", "1"))


def test_a_gtin_in_an_address_may_be_short_and_the_query_may_hold_anything():
    expected = (Element("01", "09506000134352"), Element("17", "251231"))
    assert gs1.parse("https://shop.example/de/01/9506000134352?utm=x&17=251231&lang=de") == expected
    assert gs1.parse("HTTPS://ID.GS1.ORG/01/09506000134352") == expected[:1]


def test_what_is_wrong_is_said_without_the_value():
    with pytest.raises(Gs1Error) as caught:
        gs1.parse("0109506000134353")
    assert str(caught.value) == "(01) has a wrong check digit"


@given(
    st.text(st.sampled_from("0123456789()AB/?&=%]^" + GS), max_size=60), st.sampled_from(["", "(", "https://a/", "01"])
)
@settings(max_examples=500)
def test_whatever_the_text_there_is_an_answer_or_a_reason(text, start):
    try:
        elements = gs1.parse(start + text)
    except Gs1Error:
        return
    assert gs1.parse(gs1.encoded(elements)) == elements
