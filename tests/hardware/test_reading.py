from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import symbology
from hardware.facts import CodeScanned, DeviceError, Element, ScanRefused
from hardware.reading import CodeReader, Reading


def read(frame, **how):
    return CodeReader("gate", Reading(**how)).read(frame, 1.0)


def code(frame, **how):
    fact = read(frame, **how)
    assert isinstance(fact, CodeScanned), fact
    return fact


def refused(frame, **how):
    fact = read(frame, **how)
    assert isinstance(fact, ScanRefused), fact
    return fact.reason


@pytest.mark.parametrize(
    ("frame", "name", "aim", "value"),
    [
        (b"]E04006381333931", "ean-13", "]E0", "4006381333931"),
        (b"]E473513537", "ean-8", "]E4", "73513537"),
        (b"]C0ABC", "code-128", "]C0", "ABC"),
        (b"]Q1 BEGIN\r\nEND ", "qr", "]Q1", " BEGIN\r\nEND "),
        (b"]d1X", "data-matrix", "]d1", "X"),
        (b"]I1X", "itf", "]I1", "X"),
        (b"]y9X", "other", "]y9", "X"),
        (b"4006381333931", None, None, "4006381333931"),
        (b"]?0X", None, None, "]?0X"),
        (b"]", None, None, "]"),
    ],
)
def test_the_aim_identifier_is_read_and_is_no_part_of_the_value(frame, name, aim, value):
    fact = code(frame)
    assert (fact.symbology, fact.aim, fact.value, fact.raw) == (name, aim, value, frame)
    assert name is None or name in symbology.NAMES


def test_an_aim_identifier_may_be_a_part_of_the_code():
    fact = code(b"]E04006381333931", aim=False)
    assert (fact.symbology, fact.aim, fact.value) == (None, None, "]E04006381333931")


def test_an_identifier_with_nothing_behind_it_is_an_empty_scan():
    assert refused(b"]E0") == "empty"


@pytest.mark.parametrize(
    ("encoding", "raw", "value"),
    [
        ("utf-8", "Straße 7 €".encode(), "Straße 7 €"),
        ("latin-1", b"Stra\xdfe", "Straße"),
        ("gbk", "条码".encode("gbk"), "条码"),
        ("shift_jis", "バーコード".encode("shift_jis"), "バーコード"),
    ],
)
def test_each_scanner_has_its_encoding(encoding, raw, value):
    assert code(raw, encoding=encoding).value == value


def test_what_does_not_decode_is_refused_with_its_bytes_and_the_place():
    fact = read(b"\xc3\xa4\xff\x00")
    assert fact == ScanRefused("gate", "undecodable", b"\xc3\xa4\xff\x00", 1.0, "not utf-8 at byte 3")


@pytest.mark.parametrize("encoding", ["utf-99", "hex", "utf-16", "rot13"])
def test_an_encoding_that_cannot_work_is_refused_at_once(encoding):
    with pytest.raises(DeviceError, match="no encoding"):
        CodeReader("gate", Reading(encoding=encoding))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"]Q2\\000026Stra\xc3\x9fe", "Straße"),
        (b"]Q2A\\000003\xe4\\000026\xc3\xa4\\\\B", "Aää\\B"),
        (b"]d4\\000029" + "条".encode("gb18030"), "条"),
        (b"]Q2\\999999A", "A"),  # a set that nobody has heard of
        (b"]Q2C:\\temp", "C:\\temp"),  # a scanner that names the sets and does not keep to it
        (b"]Q1\\000026A", "\\000026A"),  # no ECI in this member: just a text
    ],
)
def test_a_code_may_name_its_character_sets_on_the_way(raw, value):
    assert code(raw).value == value


@pytest.mark.parametrize(
    ("frame", "right"),
    [
        (b"]E04006381333931", True),
        (b"]E04006381333932", False),
        (b"]E0036000291452", True),
        (b"]E0036000291453", False),
        (b"]E006543217", True),  # a UPC-E
        (b"]E473513537", True),
        (b"]E473513538", False),
        (b"]E3400638133393112", True),  # with two digits besides
        (b"]E3400638133393212", False),
        (b"]E003600029145", True),  # no length that has one
        (b"]C04006381333932", True),  # a Code 128 is anybody's
        (b"4006381333932", True),
    ],
)
def test_a_wrong_check_digit_is_a_bad_read_where_the_symbology_has_one(frame, right):
    assert isinstance(read(frame), CodeScanned) == right
    if not right:
        assert refused(frame) == "check digit"


def test_a_scanner_may_be_set_to_leave_the_check_digit_out():
    assert code(b"]E0400638133393", verify=False).value == "400638133393"
    assert refused(b"]E0400638133393") == "check digit"


def test_a_counter_that_sees_nothing_but_articles_may_check_codes_without_an_identifier():
    assert refused(b"4006381333932", check=("ean-13",)) == "check digit"
    assert code(b"4006381333931", check=("ean-13",)).value == "4006381333931"
    assert code(b"INV-4006381333932", check=("ean-13",)).value == "INV-4006381333932"
    assert code(b"06543217", check=("ean-8", "upc-e")).value == "06543217"
    with pytest.raises(DeviceError, match="no number with a check digit"):
        CodeReader("gate", Reading(check=("ean-99",)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "frame",
    [
        b"]C10109506000134352\x1d10LOT7",
        b"]d2010950600013435210LOT7",
        b"]Q3\x1d0109506000134352^]10LOT7",
        b"]e001095060001343521{GS}10LOT7".replace(b"21{GS}", b"2{GS}"),
        b"(01)09506000134352(10)LOT7",
        b"https://id.gs1.org/01/09506000134352/10/LOT7",
        b"]Q1https://shop.example/01/09506000134352/10/LOT7",
        b"\x1d0109506000134352\x1d10LOT7",
        b"0109506000134352\x1d10LOT7",
    ],
)
def test_a_gs1_code_is_taken_apart_however_it_comes(frame):
    fact = code(frame)
    assert fact.elements == (Element("01", "09506000134352"), Element("10", "LOT7"))
    assert fact.remark == ""


def test_the_gs_stays_in_the_value_and_a_stand_in_becomes_one():
    assert code(b"]C10109506000134352\x1d10LOT7\x1d").value == "0109506000134352\x1d10LOT7\x1d"
    assert code(b"0109506000134352|10LOT7", gs="|").value == "0109506000134352\x1d10LOT7"


@pytest.mark.parametrize(
    "frame", [b"]C10109506000134353", b"https://id.gs1.org/01/09506000134353", b"]d200106141412345678909"]
)
def test_a_wrong_check_digit_in_a_gs1_code_is_a_bad_read(frame):
    assert refused(frame) == "check digit"
    assert code(frame, gs1="off").elements == ()


@pytest.mark.parametrize("frame", [b"]C110LOT7" + b"1" * 20, b"]d2ABC", b"]C117251301"])
def test_a_gs1_code_with_another_fault_is_sent_as_it_is_with_a_remark(frame):
    fact = code(frame)
    assert fact.elements == ()
    assert fact.remark.startswith("GS1: ")
    assert refused(frame, gs1="strict") == "not GS1"


@pytest.mark.parametrize(
    "frame", [b"0109506000134353", b"(01)09506000134353", b"(call me)", b"https://example.com/", b"0112", b"\x1d"]
)
def test_a_code_that_nothing_marks_as_gs1_is_taken_as_it_comes(frame):
    fact = code(frame, gs1="strict")
    assert (fact.elements, fact.remark) == ((), "")


@given(
    st.binary(min_size=1, max_size=40), st.sampled_from([b"", b"]E0", b"]C1", b"]Q2", b"]d4", b"https://id.gs1.org/"])
)
@settings(max_examples=500)
def test_whatever_the_bytes_they_are_a_code_or_a_reason_and_are_kept(data, start):
    for encoding in ("utf-8", "latin-1"):
        fact = read(start + data, encoding=encoding)
        assert fact.raw == start + data
