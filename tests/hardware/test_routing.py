from __future__ import annotations

import pytest

from hardware.facts import CodeScanned, DeviceError
from hardware.reading import CodeReader
from hardware.routing import Route, Routes, Rule


def scanned(frame, scanner="gate"):
    fact = CodeReader(scanner).read(frame, 1.0)
    assert isinstance(fact, CodeScanned)
    return fact


def route(frame, *rules, scanner="gate"):
    return Routes(rules).route(scanned(frame, scanner))


def test_the_first_rule_that_fits_holds():
    rules = [
        Rule(symbologies=("ean-13",), kind="article"),
        Rule(pattern="[0-9]+", kind="number"),
        Rule(kind="anything"),
    ]
    assert route(b"]E04006381333931", *rules) == Route(kind="article")
    assert route(b"4006381333931", *rules) == Route(kind="number")
    assert route(b"INV-1", *rules) == Route(kind="anything")
    assert route(b"INV-1", *rules[:2]) is None


def test_a_rule_is_about_a_symbology_an_aim_identifier_or_one_scanner():
    assert route(b"]Q1A", Rule(symbologies=("]Q1",), kind="qr")) == Route(kind="qr")
    assert route(b"]Q0A", Rule(symbologies=("]Q1",), kind="qr")) is None
    assert route(b"A", Rule(symbologies=("qr",), kind="qr")) is None
    assert route(b"A", Rule(scanner="gate", kind="g")) == Route(kind="g")
    assert route(b"A", Rule(scanner="gate", kind="g"), scanner="till") is None


def test_a_rule_is_about_the_elements_of_a_gs1_code():
    rule = Rule(identifiers=("01", "10"), kind="lot", value="{01}/{10}", label="batch")
    assert route(b"]C1010950600013435210LOT7", rule) == Route(kind="lot", value="09506000134352/LOT7", label="batch")
    assert route(b"]C10109506000134352", rule) is None


def test_a_pattern_fits_the_whole_value_and_its_groups_have_names():
    rule = Rule(pattern="MENU-(?P<name>[A-Z]+)(?P<more>!)?", action="/menu {name}{more}", session="table")
    assert route(b"MENU-HELP", rule) == Route(action="/menu HELP", session="table")
    assert route(b"MENU-HELP7", rule) is None
    assert route(b" MENU-HELP", rule) is None


def test_what_is_in_a_code_is_never_taken_for_a_place_to_fill():
    rule = Rule(pattern="(?P<name>.*)", action="{name} {value}")
    assert route(b"{value}{name}", rule) == Route(action="{value}{name} {value}{name}")


def test_a_pattern_fits_codes_of_several_lines():
    assert route(b"BEGIN:VCARD\r\nEND:VCARD", Rule(pattern="BEGIN:VCARD.*", kind="card")) == Route(kind="card")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(symbologies=("ean13",)), '"ean13" is no symbology'),
        (Rule(identifiers=("04",)), '"04" is no GS1 application identifier'),
        (Rule(pattern="("), "no regular expression"),
        (Rule(pattern="(?P<a>.)", action="{b}"), "nothing gives {b} a value; known here: a, value"),
    ],
)
def test_a_rule_that_can_never_work_is_refused_by_its_number(rule, words):
    with pytest.raises(DeviceError) as caught:
        Routes([Rule(kind="fine"), rule])
    assert str(caught.value).startswith("rule 2: ")
    assert words in str(caught.value)
