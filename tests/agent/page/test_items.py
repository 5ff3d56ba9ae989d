from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.items import display_items
from agent.page.items import Choice, Choices, File, Image, Table, Text, page_items, table_of
from agent.page.state import Answer, Input, LinkLine, PageState


def items(**data):
    return page_items(display_items(data))


@pytest.mark.parametrize(
    ("data", "table"),
    [
        ([["a", 1], ["b", None]], Table((), (("a", "1"), ("b", "")))),
        ({"columns": ["x", "y"], "rows": [[1, 2]]}, Table(("x", "y"), (("1", "2"),))),
        ({"headers": ["x"], "data": [["long", "row"]]}, Table(("x", ""), (("long", "row"),))),
        ([{"a": 1, "b": True}, {"b": False, "c": 3}], Table(("a", "b", "c"), (("1", "✓", ""), ("", "–", "3")))),
        (
            {"columns": [{"key": "p", "title": "Price"}, "q"], "rows": [{"p": 1.5, "q": [1]}]},
            Table(("Price", "q"), (("1.5", "[1]"),)),
        ),
        ({"Name": "Ada", "Seat": 4}, Table((), (("Name", "Ada"), ("Seat", "4")))),
        (["one", "two"], Table((), (("one",), ("two",)))),
        ({"columns": ["x"]}, Table(("x",), ())),
        ([], None),
        ({}, None),
        ("text", None),
        (7, None),
    ],
)
def test_a_table_is_read_in_every_shape_skills_send(data, table):
    assert table_of(data) == table


def test_a_table_has_bounds():
    table = table_of([[f"{row}x{column}" * 200 for column in range(30)] for row in range(1000)])
    assert table is not None
    assert (len(table.rows), len(table.rows[0]), table.left_out) == (200, 12, 800)
    assert max(len(cell) for row in table.rows for cell in row) == 400


def test_each_kind_of_item_becomes_what_it_is():
    shown = items(
        utterance="<speak>Tea or <b>coffee</b>?</speak>",
        display={
            "table": [["a"]],
            "attachments": [
                {"type": "image", "url": "https://x/y.png", "title": "Menu"},
                {"title": "menu.pdf", "url": "u"},
            ],
            "quick_replies": ["Tea", {"title": "Coffee", "payload": {"n": 1}}, {"title": " ", "payload": "/no"}],
        },
    )
    assert shown == (
        Text("Tea or coffee?"),
        Table((), (("a",),)),
        Image("https://x/y.png", "Menu"),
        File("menu.pdf"),
        Choices((Choice("Tea", "Tea"), Choice("Coffee", '{"n":1}'), Choice("/no", "/no"))),
    )


def test_a_choice_whose_action_would_have_to_be_cut_is_not_offered():
    shown = items(buttons=[{"title": "long", "payload": "x" * 2001}, {"title": "t" * 500, "payload": "/ok"}])
    assert shown == (Choices((Choice("t" * 159 + "…", "/ok"),)),)


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(data=st.dictionaries(st.sampled_from(["utterance", "table", "buttons", "images", "attachments"]), values))
def test_whatever_a_hub_sends_becomes_json_of_bounded_size(data):
    state = PageState(answer=Answer(number=1, items=page_items(display_items(data))))
    text = json.dumps(state.as_json(5.0, lambda image: {"state": "missing", "source": ""}))
    assert len(text) < 100_000


@given(data=values)
def test_rows_of_a_table_are_of_one_length(data):
    table = table_of(data)
    if table is not None:
        assert {len(row) for row in table.rows} <= {len(table.rows[0])} if table.rows else table.head
        assert len(table.head) in {0, len(table.rows[0]) if table.rows else len(table.head)}


def test_the_state_tells_ages_and_not_times():
    scan = Input(id="1", title="x" * 300, state="sent", at=100.0)
    said = PageState(inputs=(scan,) * 9, link=LinkLine(waiting=2)).as_json(103.26, lambda _: {})
    assert len(said["inputs"]) == 6
    assert said["inputs"][0]["age"] == 3.3
    assert len(said["inputs"][0]["title"]) == 120
    assert said["link"] == {"state": "connecting", "cause": "", "waiting": 2}
