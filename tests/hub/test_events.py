from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub import events
from agent.hub.events import ThalovantEvent, concerns, from_envelope, from_payload, hive_kind

json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
KEYS = """
utterance utterances text lang session session_id site_id request_id correlation_id destination source
display rich_media table attachments attachment quick_replies image images buttons type payload url
"""
shaped = st.dictionaries(st.sampled_from(KEYS.split()), json_data, max_size=5)


def event(name: str = "speak", data: Any = None, context: Any = None) -> ThalovantEvent:
    read = from_payload({"type": name, "data": data or {}, "context": context or {}})
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("data", "text", "utterances"),
    [
        ({"utterance": "a", "text": "b"}, "a", ("a",)),
        ({"utterance": "", "text": "b"}, "b", ("",)),
        ({"utterances": ["c", 1, "d"]}, "c", ("c", "d")),
        ({"utterances": "e"}, "e", ("e",)),
        ({"utterance": 5, "utterances": ["f"]}, "f", ("f",)),
        ({"utterances": []}, "", ()),
        ({}, "", ()),
    ],
)
def test_the_text_is_found_where_hubs_put_it(data: Any, text: str, utterances: tuple[str, ...]) -> None:
    assert (event(data=data).text, event(data=data).utterances) == (text, utterances)


@pytest.mark.parametrize(
    ("data", "context", "request_id"),
    [
        ({"request_id": "d"}, {"request_id": "c", "session": {"request_id": "s"}}, "c"),
        ({"request_id": "d"}, {"correlation_id": "c2", "session": {"request_id": "s"}}, "c2"),
        ({"request_id": "d"}, {"request_id": "", "session": {"thalovant_request_id": "s"}}, "s"),
        ({"request_id": "d"}, {"request_id": 5, "session": "odd"}, "d"),
        ({}, {}, None),
    ],
)
def test_the_request_id_is_read_from_the_context_then_the_session_then_the_data(
    data: Any, context: Any, request_id: str | None
) -> None:
    assert event(data=data, context=context).request_id == request_id


def test_session_site_and_language_are_read_from_their_places() -> None:
    said = event(context={"session": {"session_id": "s", "site_id": "k", "lang": "de"}, "session_id": "c", "lang": "x"})
    assert (said.session_id, said.site_id, said.lang) == ("s", "k", "x")
    said = event(data={"lang": "y"}, context={"session_id": "c", "site_id": "d"})
    assert (said.session_id, said.site_id, said.lang) == ("c", "d", "y")


def test_the_route_is_told_from_this_side_and_the_wires_is_kept() -> None:
    payload = {
        "type": "speak",
        "data": {},
        "context": {"source": "skill", "destination": "me", "hivemind_verified_source_peer": "p", "x": 1},
    }
    before = copy.deepcopy(payload)
    read = from_envelope({"msg_type": "bus", "payload": payload})
    assert read is not None
    assert read.context == {"source": "me", "x": 1}
    assert read.raw == payload == before


@pytest.mark.parametrize(
    ("envelope", "site", "name"),
    [
        ({"msg_type": "bus", "payload": {"type": "x"}}, None, "x"),
        ({"msg_type": "bus", "payload": {"type": 5}}, None, None),
        ({"msg_type": "bus", "payload": "x"}, None, None),
        ({"msg_type": "hello", "payload": {"type": "x"}}, None, None),
        (
            {"msg_type": "broadcast", "payload": {"msg_type": "bus", "payload": {"type": "x"}, "target_site_id": "k"}},
            "k",
            "x",
        ),
        (
            {"msg_type": "broadcast", "payload": {"msg_type": "bus", "payload": {"type": "x"}, "target_site_id": "k"}},
            "other",
            None,
        ),
        ({"msg_type": "broadcast", "payload": {"msg_type": "bus", "payload": {"type": "x"}}}, None, None),
        ({"msg_type": "broadcast", "payload": {"msg_type": "hello", "payload": {"type": "x"}}}, "k", None),
    ],
)
def test_an_envelope_brings_an_event_when_it_is_meant_for_this_client(
    envelope: dict[str, Any], site: str | None, name: str | None
) -> None:
    read = from_envelope(envelope, site_id=site)
    assert (read.name if read else None) == name


@given(
    data=shaped | json_data, context=shaped | json_data, name=st.sampled_from([*events.FAILURE_EVENTS, "write", "x"])
)
def test_whatever_the_network_sends_can_be_read(data: Any, context: Any, name: str) -> None:
    read = from_envelope({"msg_type": "bus", "payload": {"type": name, "data": data, "context": context}})
    assert read is not None
    json.dumps(read.as_dict())
    _ = (
        read.lang,
        read.site_id,
        read.utterances,
        read.has_audio,
        read.rich_media,
        read.display_items(max_text_chars=2),
    )
    assert concerns(read, context=context if isinstance(context, dict) else None) or read.session_id


@pytest.mark.parametrize(
    ("wanted", "context", "ours"),
    [
        ({"request_id": "r"}, {"request_id": "r", "session_id": "other"}, True),
        ({"request_id": "r"}, {"request_id": "q"}, False),
        ({"request_id": "r", "session_id": "s"}, {"session_id": "s"}, True),
        ({"request_id": "r", "session_id": "s"}, {"session_id": "t"}, False),
        ({"session_id": "s"}, {"request_id": "r", "session_id": "s"}, True),
        ({"session_id": "s"}, {}, True),
        ({}, {"request_id": "r", "session_id": "s"}, True),
        ({"context": {"session": {"session_id": "s"}}}, {"session_id": "t"}, False),
        ({"context": {"correlation_id": "r"}}, {"request_id": "r", "session_id": "t"}, True),
    ],
)
def test_a_listener_hears_what_may_be_its_own(wanted: dict[str, Any], context: dict[str, Any], ours: bool) -> None:
    assert concerns(event(context=context), **wanted) is ours


def test_audio_is_decoded_only_when_it_is_small_enough() -> None:
    queued = event(events.EVENT_AUDIO_QUEUE, {"binary_data": "00ff10"})
    assert queued.is_audio
    assert queued.audio_bytes() == b"\x00\xff\x10"
    assert queued.audio_bytes(max_bytes=3) == b"\x00\xff\x10"
    with pytest.raises(ValueError, match="larger than 2 bytes"):
        queued.audio_bytes(max_bytes=2)
    for name, data in (("speak", {"binary_data": "00"}), (events.EVENT_AUDIO_QUEUE, {"binary_data": ""})):
        assert not event(name, data).has_audio
        with pytest.raises(ValueError, match="no audio"):
            event(name, data).audio_bytes()
    with pytest.raises(ValueError, match="not hex"):
        event(events.EVENT_AUDIO_QUEUE, {"binary_data": "zz"}).audio_bytes()


def test_failures_are_known_by_name() -> None:
    assert event("hive.policy.denied").is_policy_denied
    assert event("hive.query.timeout").is_failure
    assert not event("speak").is_failure


@pytest.mark.parametrize("kind", events.HIVE_KINDS)
def test_frames_between_hubs_can_be_listened_to(kind: str) -> None:
    assert hive_kind(kind) == kind


@pytest.mark.parametrize("kind", ["query", "cascade", "bus", "hello", "shake", "binary", ""])
def test_no_other_frames_can(kind: str) -> None:
    with pytest.raises(ValueError, match="cannot be listened to"):
        hive_kind(kind)
