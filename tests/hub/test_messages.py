from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub import messages
from agent.hub.messages import BusMessage, action, code, event, new_request_id, new_session_id, stamped, utterance


def test_a_scan_is_on_the_wire_as_the_wire_reference_shows_it() -> None:
    scan = code(
        "INV-2026-001", kind="invoice", session_id="scan-session", request_id="thalovant-request-1", site_id="kiosk-1"
    )
    sent = stamped(scan, user_agent="MyAgent/1.0", session_id="agent-1", site_id="kiosk-1")
    scanned = {"kind": "invoice", "label": None, "value": "INV-2026-001", "exact": True}
    assert sent.as_payload() == {
        "type": "recognizer_loop:utterance",
        "data": {"utterances": ["INV-2026-001"], "lang": "en-us", "input": scanned},
        "context": {
            "input": scanned,
            "request_id": "thalovant-request-1",
            "thalovant_request_id": "thalovant-request-1",
            "session": {
                "session_id": "scan-session",
                "site_id": "kiosk-1",
                "lang": "en-us",
                "request_id": "thalovant-request-1",
            },
            "source": "MyAgent/1.0",
            "platform": "MyAgent/1.0",
            "destination": "HiveMind",
        },
    }


def test_an_utterance_is_trimmed_and_has_an_id_of_its_own() -> None:
    first, second = utterance("  hello there \n", lang=" de-de "), utterance("x")
    assert first.data == {"utterances": ["hello there"], "lang": "de-de"}
    assert first.request_id != second.request_id
    assert first.session_id is None
    assert re.fullmatch(r"thalovant-request-[0-9a-f]{32}", str(first.request_id))
    assert first.context["thalovant_request_id"] == first.context["session"]["request_id"] == first.request_id


def test_a_press_puts_its_payload_where_speech_would_be_and_tells_the_context() -> None:
    pressed = action(" /approve invoice-42 ", title="Approve invoice", context={"input": "stale"})
    assert pressed.data == {"utterances": ["/approve invoice-42"], "lang": "en-us"}
    assert pressed.context["input"] == {"kind": "action", "title": "Approve invoice", "payload": "/approve invoice-42"}
    assert action("x", title=" ").context["input"]["title"] is None


@pytest.mark.parametrize(
    ("value", "raw", "kept"),
    [
        ("INV-1", b"INV-1", None),
        ("INV-1", None, None),
        (" INV-1", b" INV-1", {"hex": "20494e562d31"}),
        ("]C101\x1d", b"]C101\x1d", {"hex": "5d433130311d"}),
        ("ä", "ä".encode("latin-1"), {"hex": "e4"}),
        ("ä", "ä".encode(), None),
    ],
)
def test_the_bytes_of_a_code_travel_where_trimming_lost_some(
    value: str, raw: bytes | None, kept: dict[str, str] | None
) -> None:
    scanned = code(value, raw=raw)
    assert scanned.context.get("input_raw") == kept
    assert scanned.data["input"]["value"] == scanned.data["utterances"][0] == value.strip()


@given(raw=st.binary(min_size=1, max_size=40).filter(lambda raw: raw.decode("latin-1").strip() != ""))
def test_every_byte_of_a_code_can_be_had_back(raw: bytes) -> None:
    scanned = code(raw.decode("latin-1"), raw=raw)
    kept = scanned.context.get("input_raw")
    assert (bytes.fromhex(kept["hex"]) if kept else scanned.data["input"]["value"].encode()) == raw


@pytest.mark.parametrize(
    "build",
    [
        lambda: utterance(" "),
        lambda: utterance("x", lang=""),
        lambda: action("\n"),
        lambda: code("\x1d"),
        lambda: code("x", kind=" "),
        lambda: event(""),
        lambda: BusMessage.from_payload({"data": {}}),
        lambda: utterance(None),  # type: ignore[arg-type]
    ],
)
def test_an_empty_text_is_refused(build: Any) -> None:
    with pytest.raises(ValueError, match="not empty"):
        build()


def test_the_callers_context_wins_over_what_the_identity_says() -> None:
    given_context = {"metadata": {"floor": 9}, "session": {"site_id": "own", "lang": "fr-fr", "session_id": "old"}}
    before = copy.deepcopy(given_context)
    message = utterance(
        "x", context=given_context, session_id="new", site_id="kiosk", metadata={"floor": 1, "room": "a"}
    )
    assert message.context["metadata"] == {"floor": 9, "room": "a"}
    assert message.context["session"] == {
        "site_id": "own",
        "lang": "fr-fr",
        "session_id": "new",
        "request_id": message.request_id,
    }
    assert given_context == before


def test_an_event_is_sent_as_given_with_neither_request_id_nor_language() -> None:
    message = event("thalovant.client.status", {"state": "ready"}, {"source": "kiosk"}, metadata={"room": "a"})
    assert message.request_id is None
    assert message.data == {"state": "ready"}
    sent = stamped(message, user_agent="A/1", session_id="s", site_id="k")
    assert sent.context == {
        "source": "kiosk",
        "metadata": {"room": "a"},
        "platform": "A/1",
        "destination": "HiveMind",
        "session": {"session_id": "s", "site_id": "k"},
    }
    assert event("x").as_payload() == {"type": "x", "data": {}, "context": {}}


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (None, {"session_id": "conn", "site_id": "k"}),
        ("text", {"session_id": "conn", "site_id": "k"}),
        ({"session_id": ""}, {"session_id": "conn", "site_id": "k"}),
        ({"session_id": "default"}, {"session_id": "conn", "site_id": "k"}),
        ({"session_id": "own", "site_id": "s"}, {"session_id": "own", "site_id": "s"}),
    ],
)
def test_a_message_without_a_session_gets_the_connections(session: Any, expected: dict[str, str]) -> None:
    message = BusMessage(type="x", data={}, context={} if session is None else {"session": session})
    assert stamped(message, user_agent="A/1", session_id="conn", site_id="k").context["session"] == expected


def test_stamping_leaves_the_stored_message_as_it_was_and_can_be_done_again() -> None:
    message = code("x", site_id="k")
    before = json.dumps(message.as_payload())
    once = stamped(message, user_agent="A/1", session_id="first")
    twice = stamped(message, user_agent="A/1", session_id="second", lang="de-de")
    assert json.dumps(message.as_payload()) == before
    assert (once.session_id, twice.session_id) == ("first", "second")
    assert once.request_id == twice.request_id == message.request_id
    assert twice.context["session"]["lang"] == "en-us"


def test_a_stored_message_reads_back_as_it_was() -> None:
    message = code("x", context={"deep": {"list": [1]}})
    assert BusMessage.from_payload(json.loads(json.dumps(message.as_payload()))) == message


def test_ids_never_repeat() -> None:
    assert len({make() for make in (new_request_id, new_session_id) for _ in range(100)}) == 200
    assert messages.new_session_id().startswith("thalovant-session-")
