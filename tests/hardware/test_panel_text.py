from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.layout import width
from hardware.panel_text import Pages, Panel, fold, pages

ASCII = frozenset(string.printable) - frozenset("\t\n\r\v\f\\~")


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Grüße", "Gruesse"),
        ("12,50 €", "12,50 EUR"),
        ("“so” – ‘la’ … «la»", '"so" - \'la\' ... "la"'),
        ("Crème brûlée à la Łódź", "Creme brulee a la Lodz"),
        ("ﬁne ½ ²", "fine 1/2 2"),
        ("C:\\x ~", "C:/x -"),
        ("日本", "??"),
        ("👍🏽!", "??!"),
        ("e\u0301", "e"),
        ("a\u200db", "ab"),
        ("✓ ok", "+ ok"),
        ("a\nb", "a\nb"),
    ],
)
def test_a_character_a_panel_lacks_becomes_the_nearest_it_has(text, folded):
    assert fold(text, ASCII.__contains__) == folded


def test_what_the_panel_has_stays_as_it_is():
    assert fold("Größe 5 €", (ASCII | set("öß€")).__contains__) == "Größe 5 €"


@given(text=st.text(max_size=80))
def test_only_characters_of_the_panel_come_out(text):
    assert set(fold(text, ASCII.__contains__)) <= ASCII | {"\n"}


@given(lines=st.lists(st.text(max_size=60), max_size=8), columns=st.integers(2, 40), rows=st.integers(1, 8))
def test_every_page_fits_the_panel(lines, columns, rows):
    cut = pages(lines, Panel(columns, rows, ASCII.__contains__))
    assert 1 <= len(cut) <= 12
    assert all(len(page) <= rows and all(width(line) <= columns for line in page) for page in cut)


def test_no_word_is_lost_between_pages():
    words = " ".join(f"word{number}" for number in range(20))
    cut = pages([words, "last"], Panel(16, 2, ASCII.__contains__))
    assert " ".join(line for page in cut for line in page) == f"{words} last"


def test_a_text_without_end_is_cut_and_says_so():
    cut = pages(["word " * 500], Panel(16, 2, ASCII.__contains__))
    assert len(cut) == 12
    assert cut[-1][-1].endswith("...")


def test_pages_are_turned_round_and_a_single_one_is_not():
    text = Pages(["one", "two", "three"], Panel(16, 2, ASCII.__contains__))
    seen = [text.page]
    while text.turn() and text.page not in seen:
        seen.append(text.page)
    assert seen == [["one", "two"], ["three"]]
    assert not Pages([], Panel(16, 2, ASCII.__contains__)).turn()
