from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.items import DisplayItem, display_items, strip_ssml


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("<speak>Hello <b>there</b></speak>", "Hello there"),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("<audio src='a>b.wav'>Ding</audio>", "Ding"),
        ('<audio src = "a>b.wav" x=">">Ding', "Ding"),
        ("a<b and c>d", "ad"),
        ("<b it's>x", "x"),
        ("a<b", "a<b"),
        ('a<b x="c>d', 'a<b x="c>d'),
        ('a<b x="c>d <i>e', 'a<b x="c>d e'),
        ("a<!-- <b> -->c<?xml > ?>d", "acd"),
        ("a<!-- b<i>c", "a<!-- bc"),
        ("a<? b<i>c", "a<? bc"),
        ("</p>x</ p>", "x</ p>"),
        ("<1>2</>", "<1>2</>"),
        ("<é>", "<é>"),
        ("&lt;b&gt; &amp;", "&lt;b&gt; &amp;"),
        ("<", "<"),
        ("</", "</"),
        ("", ""),
    ],
)
def test_speech_mark_up_is_taken_out_and_everything_else_stays(text: str, stripped: str) -> None:
    assert strip_ssml(text) == stripped


def tag_end(text: str, start: int) -> int:
    """One tag at a time, by the rule's words: quadratic, and plain enough to believe."""
    place = "plain"
    for position in range(start + 1, len(text)):
        character = text[position]
        if place in "\"'":
            place = "plain" if character == place else place
        elif character == ">":
            return position + 1
        elif place == "equals" and character in "\"'":
            place = character
        elif character == "=":
            place = "equals"
        elif character not in " \t\n\r\v\f":
            place = "plain"
    return -1


@given(text=st.text(alphabet="<>/=\"' a!-?", max_size=40))
def test_one_pass_from_the_back_finds_the_tags_a_plain_reading_finds(text: str) -> None:
    kept, position = "", 0
    while position < len(text):
        end = -1
        after = text[position + 1 :].removeprefix("/")
        if text.startswith("<!--", position):
            end = text.find("-->", position + 4) + 3 or -1
            end = end if end > 2 else -1
        elif text.startswith("<?", position):
            end = text.find("?>", position + 2) + 2
            end = end if end > 1 else -1
        elif text[position] == "<" and after[:1] == "a":
            end = tag_end(text, position)
        if end < 0:
            kept += text[position]
            end = position + 1
        position = end
    assert strip_ssml(text) == kept


@pytest.mark.parametrize("piece", ["<a ", "<a x='", "<!--", "<?", "<a x=\"<b y='", "</a", "<a>", "<!-- <? <a "])
def test_a_hostile_text_takes_no_longer_than_a_friendly_one(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    started = time.perf_counter()
    strip_ssml(text)
    # 0.15 s on a 2-core x86 container; a scan from each tag to the end would be 10^10 steps.
    assert time.perf_counter() - started < 10


def item(kind: str, **fields: Any) -> DisplayItem:
    return DisplayItem(kind=kind, **fields)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"utterance": " <b>hi</b> "}, [item("text", text="hi")]),
        ({"utterance": "", "text": "t"}, [item("text", text="t")]),
        ({"utterances": ["a", 1, "b"]}, [item("text", text="a b")]),
        ({"utterances": "a"}, [item("text", text="a")]),
        ({"utterance": "<b></b>"}, []),
        ({"utterance": "x", "silent": 1}, [item("text", text="x", silent=True)]),
        ({"table": [[1]]}, [item("table", data=[[1]])]),
        ({"table": "[[1]]"}, [item("table", data=[[1]])]),
        ({"table": None}, []),
        ({"display": '{"table": {"rows": []}}'}, [item("table", data={"rows": []})]),
        ({"display": "not json", "table": [1]}, [item("table", data=[1])]),
        ({"display": {}, "rich_media": {"table": 1}, "table": 2}, [item("table", data=1)]),
        (
            {"attachments": [{"type": "image", "title": "T", "payload": {"url": "u"}, "src": "s"}, "odd"]},
            [
                item(
                    "image",
                    title="T",
                    url="u",
                    data={"type": "image", "title": "T", "payload": {"url": "u"}, "src": "s"},
                )
            ],
        ),
        ({"attachment": {"url": "u"}}, [item("attachment", url="u", data={"url": "u"})]),
        (
            {"quick_replies": ["Yes", {"label": "No", "value": "/no"}, {}, 5]},
            [
                item(
                    "choices",
                    data=[
                        {"title": "Yes", "payload": "Yes", "data": "Yes"},
                        {"title": "No", "payload": "/no", "data": {"label": "No", "value": "/no"}},
                    ],
                )
            ],
        ),
        ({"buttons": []}, []),
        ({"image": "u"}, [item("image", url="u", data="u")]),
        (
            {"images": [{"src": "a", "url": "b"}, "c"]},
            [item("image", url="a", data={"src": "a", "url": "b"}), item("image", url="c", data="c")],
        ),
    ],
)
def test_what_an_event_carries_is_shown(data: dict[str, Any], expected: list[DisplayItem]) -> None:
    assert display_items(data) == expected


def test_everything_is_shown_in_the_order_of_the_wire_reference() -> None:
    data = {"image": "i", "buttons": ["b"], "attachment": {"url": "a"}, "table": [1], "utterance": "t"}
    assert [each.kind for each in display_items(data)] == ["text", "table", "attachment", "choices", "image"]


def test_a_text_to_write_is_not_to_say() -> None:
    assert display_items({"utterance": "x"}, name="write")[0].silent


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 8, ["one two", "three"]),
        ("one two three", 100, ["one two three"]),
        ("abcdef", 4, ["abcd", "ef"]),
        ("a    b", 2, ["a", "b"]),
        ("x", 1, ["x"]),
    ],
)
def test_a_long_text_is_split_between_words(text: str, limit: int, pieces: list[str]) -> None:
    assert [each.text for each in display_items({"utterance": text}, max_text_chars=limit)] == pieces


@given(text=st.text(alphabet="ab \n", max_size=60), limit=st.integers(1, 12))
def test_pieces_are_short_trimmed_and_lose_only_white_space(text: str, limit: int) -> None:
    pieces = [each.text for each in display_items({"utterance": text}, max_text_chars=limit)]
    assert all(0 < len(piece) <= limit and piece == piece.strip() for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_limit_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        display_items({"utterance": "x"}, max_text_chars=0)


def test_json_nested_too_deep_to_read_is_left_as_text() -> None:
    assert display_items({"display": "[" * 100_000}) == []
