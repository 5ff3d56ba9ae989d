from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, text

from hardware.layout import fit, paginate, printable, width, wrap


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jcleared", "cleared"),
        ("a\tb", "a b"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("bell\x07 null\x00 del\x7f", "bell null del"),
        ("\u202eturned", "turned"),
        ("half \ud800", "half \N{REPLACEMENT CHARACTER}"),
        ("Grüße \N{SNOWMAN}", "Grüße \N{SNOWMAN}"),
    ],
)
def test_what_could_reach_the_terminal_is_taken_out(given_text, shown):
    assert printable(given_text) == shown


@given(text())
def test_nothing_printable_is_a_control_character(given_text):
    clean = printable(given_text)
    assert all(char == "\n" or (char >= " " and not "\x7f" <= char <= "\x9f") for char in clean)
    assert printable(clean) == clean
    clean.encode()


@pytest.mark.parametrize(
    ("given_text", "columns"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0), ("\u1112\u1161\u11ab", 2), ("a\u200bb", 2)],
)
def test_the_width_is_that_of_a_terminal(given_text, columns):
    assert width(given_text) == columns


@pytest.mark.parametrize(
    ("given_text", "lines"),
    [
        ("", [""]),
        ("one two", ["one two"]),
        ("one two three", ["one two", "three"]),
        ("one      two three", ["one", "two", "three"]),
        ("abcdefghijklm", ["abcdefgh", "ijklm"]),
        ("a\n\nb", ["a", "", "b"]),
        ("日本語の文章", ["日本語の", "文章"]),
        ("ab 日本語", ["ab 日本", "語"]),
    ],
)
def test_text_is_broken_at_spaces_and_beside_wide_characters(given_text, lines):
    assert wrap(given_text, 8) == lines


@given(text(), integers(2, 12))
def test_no_line_is_too_wide_and_only_spaces_are_lost(given_text, columns):
    clean = printable(given_text)
    lines = wrap(clean, columns)
    assert lines
    assert all(width(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == clean.replace("\n", "").replace(" ", "")


def test_a_display_of_one_column_is_refused():
    with pytest.raises(ValueError, match="1 columns cannot hold every character"):
        wrap("a", 1)


def test_what_does_not_fit_ends_in_an_ellipsis():
    assert fit(["one two three four"], 8, 2) == ["one two", "three…"]
    assert fit(["one"], 8, 2) == ["one"]
    assert fit(["a", "b", "c"], 8, 3) == ["a", "b", "c"]


@given(lists(text(), max_size=5), integers(2, 10), integers(1, 5))
def test_whatever_is_shown_fits(lines, columns, rows):
    shown = fit(lines, columns, rows)
    assert len(shown) <= rows
    assert all(width(line) <= columns for line in shown)


@given(lists(text(max_size=3)), integers(1, 5))
def test_pages_hold_all_lines_in_order(lines, rows):
    pages = paginate(lines, rows)
    assert [line for page in pages for line in page] == lines
    assert pages
    assert all(len(page) <= rows for page in pages)
    assert all(len(page) == rows for page in pages[:-1])


def test_a_page_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="0 rows"):
        paginate(["a"], 0)
