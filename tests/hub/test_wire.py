from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis.strategies import binary, booleans, dictionaries, floats, integers, lists, none, recursive, text

from agent.hub.protocol import wire
from agent.hub.protocol.wire import WireError

VALUES = recursive(
    none() | booleans() | integers(-(2**70), 2**70) | floats(allow_nan=False) | text(),
    lambda inner: lists(inner, max_size=3) | dictionaries(text(), inner, max_size=3),
    max_leaves=8,
)


def test_an_envelope_has_the_members_given_and_no_others() -> None:
    assert wire.envelope("bus", {"type": "t"}) == {"msg_type": "bus", "payload": {"type": "t"}}
    assert wire.envelope("query", {}, metadata={"query_id": "q"}, target_site_id="kiosk-1") == {
        "msg_type": "query",
        "payload": {},
        "metadata": {"query_id": "q"},
        "target_site_id": "kiosk-1",
    }


def test_a_member_that_would_make_the_frame_undecodable_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="msgtype"):
        wire.envelope("bus", {}, msgtype="bus")


def test_the_probe_asks_for_a_rendezvous() -> None:
    assert json.loads(wire.encode(wire.rendezvous())) == {"msg_type": "rendezvous", "payload": {}}


@given(payload=dictionaries(text(), VALUES))
def test_what_is_encoded_is_decoded_again_as_text_and_as_bytes(payload: dict[str, object]) -> None:
    envelope = wire.envelope("bus", payload)
    encoded = wire.encode(envelope)
    assert wire.decode(encoded) == envelope
    assert wire.decode(encoded.encode()) == envelope
    assert wire.looks_like_json(encoded.encode())


def test_half_a_surrogate_pair_out_of_a_damaged_code_travels() -> None:
    envelope = wire.envelope("bus", {"utterance": "INV\udcff\x1d-2"})
    assert wire.decode(wire.encode(envelope).encode("ascii")) == envelope


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "null",
        "[]",
        '"bus"',
        "{}",
        '{"msg_type": 1, "payload": {}}',
        '{"msg_type": null}',
        '{"payload": {}}',
        '{"msg_type": "bus"} {}',
        b"\xff\xfe{\0}\0",
        '{"msg_type": "bus"}'.encode("utf-16"),
        b'{"msg_type": "b\xe9"}',
        '{"msg_type":' + "[" * 100_000,
        '{"msg_type": ' + "9" * 10_000 + "}",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_envelope_is_an_error_that_quotes_nothing(text: str | bytes) -> None:
    with pytest.raises(WireError) as caught:
        wire.decode(text)
    assert str(caught.value) in {"not JSON", "not a JSON object", "an envelope without a type"}


@given(noise=binary() | text())
def test_any_input_is_an_envelope_or_an_error_and_never_a_crash(noise: str | bytes) -> None:
    with suppress(WireError):
        assert isinstance(wire.decode(noise)["msg_type"], str)


def test_every_truncation_of_an_envelope_is_an_error() -> None:
    encoded = wire.encode(wire.envelope("bus", {"type": "speak", "data": {"utterance": "passé"}, "context": {}}))
    for end in range(len(encoded)):
        with pytest.raises(WireError):
            wire.decode(encoded[:end])


def test_cleartext_is_told_by_its_first_byte() -> None:
    assert wire.looks_like_json(b' \r\n\t{"msg_type": "hello"}')
    assert wire.looks_like_json(b"[")
    assert not wire.looks_like_json(b"")
    assert not wire.looks_like_json(b"\x00{}")
