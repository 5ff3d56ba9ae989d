from __future__ import annotations

import copy
from typing import Any

import pytest

from agent.hub.context import build_client_context, build_location, merged_context, reply_context, request_context


def test_a_context_says_who_asks_and_from_where() -> None:
    built = build_client_context(
        user_id="user-42",
        user_name="Ada",
        roles=("admin",),
        auth_token="t",
        auth_provider="p",
        auth_claims={"c": [1]},
        platform="kiosk",
        source="checkout",
        channel="floor",
        locale="en-US",
        device_id="d",
        metadata={"trace_id": "1", "place": 0},
        session_id="s",
    )
    assert built == {
        "user": {"id": "user-42", "name": "Ada", "roles": ["admin"]},
        "user_id": "user-42",
        "user_name": "Ada",
        "roles": ["admin"],
        "auth": {"token": "t", "provider": "p", "claims": {"c": [1]}},
        "auth_token": "t",
        "platform": "kiosk",
        "source": "checkout",
        "channel": "floor",
        "locale": "en-US",
        "device": {"id": "d", "platform": "kiosk"},
        "metadata": {"trace_id": "1", "place": 0},
        "session": {"session_id": "s"},
        "session_id": "s",
    }


def test_what_the_caller_already_said_stays_except_who_the_user_is() -> None:
    given = {
        "user": {"id": "old", "x": 1},
        "user_id": "old",
        "platform": "own",
        "device": {"id": "own"},
        "session": {"session_id": "own"},
        "metadata": {"a": 1, "b": 1},
    }
    before = copy.deepcopy(given)
    built = build_client_context(
        given, user_id="new", platform="p", device_id="d", session_id="s", metadata={"b": 2}, roles=[], source=""
    )
    assert built == {
        "user": {"id": "new", "x": 1},
        "user_id": "old",
        "platform": "own",
        "device": {"id": "own", "platform": "p"},
        "session": {"session_id": "own"},
        "session_id": "s",
        "metadata": {"a": 1, "b": 2},
    }
    assert given == before
    assert build_client_context() == {}


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"city": " "}, None),
        ({"city": " Bern "}, {"city": "Bern"}),
        (
            {"city": "Bern", "region": "BE", "country": "ch", "timezone": "Europe/Zurich"},
            {"city": "Bern", "region": "BE", "country_code": "CH", "timezone": {"code": "Europe/Zurich"}},
        ),
        (
            {"city": "B", "latitude": "46.9", "longitude": 7},
            {"city": "B", "coordinate": {"latitude": 46.9, "longitude": 7.0}},
        ),
        (
            {"city": "B", "latitude": 0, "longitude": 7},
            {"city": "B", "coordinate": {"latitude": 0.0, "longitude": 7.0}},
        ),
        ({"city": "B", "latitude": 0, "longitude": 0}, {"city": "B"}),
        ({"city": "B", "latitude": 91, "longitude": 7}, {"city": "B"}),
        ({"city": "B", "latitude": "nan", "longitude": 7}, {"city": "B"}),
        ({"city": "B", "latitude": "north", "longitude": 7}, {"city": "B"}),
        ({"city": "B", "latitude": 46.9}, {"city": "B"}),
    ],
)
def test_a_location_holds_what_is_known_of_a_place(fields: dict[str, Any], location: dict[str, Any] | None) -> None:
    assert build_location(**fields) == location


def test_the_hints_of_one_request_are_added_to_a_copy() -> None:
    given = {"session": {"session_id": "s"}}
    built = request_context(given, stt_lang=" de ", pipeline=[" a ", "", "b"], location={"city": "Bern"})
    assert built == {
        "session": {"session_id": "s", "pipeline": ["a", "b"]},
        "stt_lang": "de",
        "location": {"city": "Bern"},
    }
    assert given == {"session": {"session_id": "s"}}
    assert request_context(None, stt_lang=" ", pipeline=[], location=None) is None


@pytest.mark.parametrize(
    ("under", "over", "merged"),
    [
        (None, None, None),
        ({"a": 1}, None, {"a": 1}),
        (
            {"a": {"x": 1}, "session": {"l": 1, "s": 1}},
            {"a": {}, "session": {"s": 2}},
            {"a": {}, "session": {"l": 1, "s": 2}},
        ),
    ],
)
def test_a_calls_context_lies_over_its_conversations(under: Any, over: Any, merged: Any) -> None:
    assert merged_context(under, over) == merged


@pytest.mark.parametrize(
    ("wire", "over", "answer"),
    [
        ({"source": "skill", "destination": ["me", "b"], "x": 1}, {}, {"source": "me", "destination": "skill", "x": 1}),
        ({"destination": ["me"]}, {}, {"source": "me"}),
        ({"source": "skill"}, {}, {"source": "skill", "destination": "skill"}),
        ({}, {"y": 2}, {"y": 2}),
        ({"source": "a", "destination": "b"}, {"source": "c"}, {"source": "b", "destination": "c"}),
        ({"destination": []}, {}, {}),
    ],
)
def test_an_answer_goes_back_the_way_the_message_came(wire: Any, over: Any, answer: Any) -> None:
    before = copy.deepcopy(wire)
    assert reply_context(wire, over) == answer
    assert wire == before
