from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.conversation import CARRIED_FIELDS, Conversations, carried, carry_into


def test_only_the_parts_that_are_named_are_carried() -> None:
    session = {
        "active_skills": [["a", 1.0]],
        "context": {},
        "lang": "de",
        "pipeline": ["p"],
        "site_id": "k",
        "is_speaking": True,
        "session_id": "s",
        "response_mode": "x",
    }
    assert carried(session) == {"active_skills": [["a", 1.0]], "response_mode": "x"}


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"session_id": "s"}, {"session_id": "s", "active_skills": ["a"]}),
        ({"active_skills": ["own"]}, {"active_skills": ["own"]}),
        ({"active_skills": []}, {"active_skills": []}),
    ],
)
def test_the_turns_own_values_win_even_empty_ones(session: dict[str, Any], expected: dict[str, Any]) -> None:
    assert carry_into(session, {"active_skills": ["a"], "lang": "de"}) == expected


def test_a_conversation_goes_on_under_every_id_it_is_known_by() -> None:
    store = Conversations()
    store.remember({"active_skills": ["a"]}, ["asked", "answered", None])
    for session_id in ("asked", "answered", None, ""):
        assert store.carry(session_id, {"x": 1}) == {"x": 1, "active_skills": ["a"]}
    assert store.carry("stranger", {"x": 1}) == {"x": 1}
    store.remember({"active_skills": ["b"]}, ["answered"])
    assert store.carry("asked", {}) == {"active_skills": ["b"]}
    assert len(store) == 1


def test_a_turn_that_leaves_nothing_ends_the_conversation() -> None:
    store = Conversations()
    store.remember({"active_skills": ["a"]}, ["asked", "answered"])
    store.remember({"active_skills": []}, ["asked"])
    assert store.carry("answered", {}) == {}
    assert len(store) == 0


def test_what_is_carried_is_nobody_elses_to_change() -> None:
    store = Conversations()
    session = {"active_skills": ["a"]}
    store.remember(session, ["s"])
    session["active_skills"].append("b")
    store.carry("s", {})["active_skills"].append("c")
    assert store.carry("s", {}) == {"active_skills": ["a"]}


def test_the_least_recently_used_conversation_goes_first() -> None:
    store = Conversations(conversations=2)
    for name in ("a", "b"):
        store.remember({"context": [name]}, [name])
    store.carry("a", {})
    store.remember({"context": ["c"]}, ["c"])
    assert [store.carry(name, {}) for name in "abc"] == [{"context": ["a"]}, {}, {"context": ["c"]}]


def test_a_conversation_keeps_its_newest_eight_ids() -> None:
    store = Conversations()
    for number in range(10):
        store.remember({"context": [number]}, ["always", f"id-{number}"])
    assert store.carry("id-2", {}) == {}
    assert store.carry("id-3", {}) == store.carry("always", {}) == {"context": [9]}


@given(
    turns=st.lists(
        st.tuples(st.sampled_from(CARRIED_FIELDS), st.booleans(), st.lists(st.sampled_from("abcdef"), max_size=4)),
        max_size=30,
    )
)
def test_however_ids_cross_the_latest_turn_of_an_id_decides_and_the_store_stays_bounded(turns: Any) -> None:
    store = Conversations(conversations=3, aliases=2)
    for number, (name, leaves, aliases) in enumerate(turns):
        store.remember({name: [number] if leaves else []}, aliases)
        assert len(store) <= 3
        if aliases:
            newest = list(dict.fromkeys(aliases))[-1]
            assert store.carry(newest, {}) == ({name: [number]} if leaves else {})
