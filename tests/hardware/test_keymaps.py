from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.facts import DeviceError
from hardware.keymaps import KEYMAPS, KeyReader

SHIFT, CTRL, ALT, ALTGR, CAPS, META, ENTER, TAB, SPACE = 42, 29, 56, 100, 58, 125, 28, 15, 57


def typed(layout, *strokes):
    """What is written by strokes of keys, each the code of one or a tuple with what is held meanwhile."""
    keys, text = KeyReader(layout), ""
    for stroke in strokes:
        held = stroke if isinstance(stroke, tuple) else (stroke,)
        for code in held:
            text += keys.key(code, 1)
        for code in reversed(held):
            text += keys.key(code, 0)
    return text


@pytest.mark.parametrize(
    ("layout", "strokes", "text"),
    [
        ("us", [5, 11, 11, 7, ENTER], "4006\r"),
        ("us", [30, (SHIFT, 30), (54, 31)], "aAS"),
        ("us", [(SHIFT, 3), 27, (SHIFT, 27), 43, (SHIFT, 43)], "@]}\\|"),
        ("uk", [(SHIFT, 3), (SHIFT, 40), 43, 86, (SHIFT, 4), (ALTGR, 5)], '"@#\\£€'),
        ("de", [21, 44, 12, 26, 39, 40, (SHIFT, 13 - 5)], "zyßüöä/"),
        ("de", [(ALTGR, 16), (ALTGR, 9), (ALTGR, 10), (ALTGR, 12), (ALTGR, 86), (ALTGR, 18)], "@[]\\|€"),
        ("fr", [16, 30, 44, 50], "aqw,"),
        ("fr", [(SHIFT, 5), (SHIFT, 11), (SHIFT, 7), 7], "406-"),
        ("fr", [(ALTGR, 11), (ALTGR, 12), (ALTGR, 6), 8, 10, 43], "@][è" + "ç*"),
        ("de", [71, 79, 82, 55, 98, 74, 78, 83, 96], "710*/-+.\r"),
        ("de", [41, 18, 13, 18, (SHIFT, 13), 18], "êéè"),
        ("de", [41, SPACE, 41, 16, 41, ENTER], "^^q^\r"),
        ("fr", [26, 18, (SHIFT, 26), (SHIFT, 22)], "êÜ"),
        ("us", [(CTRL, 27), TAB, (CTRL, 30)], "\x1d\t\x01"),
        ("de", [(CTRL, ALTGR, 10)], "\x1d"),
        ("us", [CAPS, 30, 2, (SHIFT, 30), CAPS, 30], "A1aa"),
        ("us", [(META, 30), 30, 59, 999], "a"),
    ],
)
def test_each_layout_writes_what_is_printed_on_its_keys(layout, strokes, text):
    assert typed(layout, *strokes) == text


@pytest.mark.parametrize(
    ("digits", "text"), [("029", "\x1d"), ("29", "\x1d"), ("0228", "ä"), ("132", "ä"), ("65", "A"), ("0128", "€")]
)
def test_a_number_typed_while_alt_is_held_is_a_character(digits, text):
    keypad = dict(zip("7894561230", (71, 72, 73, 75, 76, 77, 79, 80, 81, 82), strict=True))
    keys = KeyReader("us")
    written = keys.key(ALT, 1)
    for digit in digits:
        written += keys.key(keypad[digit], 1) + keys.key(keypad[digit], 0)
    assert written + keys.key(ALT, 0) == text


def test_a_key_that_is_held_writes_once():
    keys = KeyReader("us")
    assert keys.key(30, 1) + keys.key(30, 2) + keys.key(30, 2) + keys.key(30, 0) == "a"


def test_a_layout_nobody_has_drawn_is_refused():
    with pytest.raises(DeviceError, match="known: de, fr, uk, us"):
        KeyReader("klingon")


@pytest.mark.parametrize("layout", sorted(KEYMAPS))
def test_every_printable_ascii_character_can_be_typed_in_every_layout(layout):
    plain, shift, altgr, both = KEYMAPS[layout].levels
    dead = {"\u0302": "^", "\u0300": "`", "\u0301": "´", "\u0303": "~", "\u0308": "¨"}
    reachable = {dead.get(c, c) for level in (plain, shift, altgr, both) for c in level.values()}
    assert {chr(code) for code in range(0x20, 0x7F)} - reachable == set()


@given(st.sampled_from(sorted(KEYMAPS)), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 2)), max_size=80))
def test_whatever_the_keys_they_write_text(layout, keys):
    reader = KeyReader(layout)
    assert isinstance("".join(reader.key(code, value) for code, value in keys), str)
