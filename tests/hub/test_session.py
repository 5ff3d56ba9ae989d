from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary as some_bytes
from hypothesis.strategies import booleans, integers, lists, sampled_from

from agent.hub.protocol import wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.frames import CHUNK_BYTES
from agent.hub.protocol.noise import CHACHA, SUITES, CipherState
from agent.hub.protocol.session import Session, SessionBroken
from agent.hub.protocol.wire import MAX_MESSAGE_BYTES
from tests.peers.wire1 import pack


def pair(suite: str = CHACHA) -> tuple[Session, Session]:
    """Both ends of one session."""
    there, back = bytes(range(32)), bytes(range(32, 64))
    return (
        Session(CipherState(suite, there), CipherState(suite, back)),
        Session(CipherState(suite, back), CipherState(suite, there)),
    )


def bus(length: int = 0) -> dict[str, Any]:
    return wire.envelope("bus", {"type": "speak", "data": {"utterance": "x" * length}})


@settings(deadline=None)  # megabytes of frames, on a busy machine
@given(lengths=lists(sampled_from([0, 1, 64_900, 65_000, 150_000]), max_size=5), suite=sampled_from(SUITES))
def test_envelopes_of_any_length_arrive_whole_and_in_order(lengths: list[int], suite: str) -> None:
    ours, theirs = pair(suite)
    frames = [frame for length in lengths for frame in ours.seal(bus(length))]
    assert all(len(frame) <= CHUNK_BYTES + 17 for frame in frames)
    arrived = [message for frame in frames if (message := theirs.open(frame)) is not None]
    assert arrived == [bus(length) for length in lengths]
    assert ours.sealed == theirs.opened == len(frames)
    assert ours.opened == theirs.sealed == 0


def test_a_clip_in_several_frames_arrives_between_envelopes() -> None:
    ours, hub = pair()
    clip = bytes(range(256)) * 600
    frames = [
        *hub.seal(bus()),
        *hub.seal_body(pack("bin", clip, kind=6, metadata={"lang": "fr-FR"}), binary=True),
        *hub.seal_body(pack("bus", {"type": "speak"}), binary=True),
    ]
    arrived = [message for frame in frames if (message := ours.open(frame)) is not None]
    assert arrived == [
        bus(),
        Binary("tts_audio", clip, {"lang": "fr-FR"}),
        {"msg_type": "bus", "payload": {"type": "speak"}, "metadata": {}},
    ]


@settings(deadline=None)  # megabytes of frames, on a busy machine
@given(at=integers(0, 5), how=sampled_from(["lost", "repeated", "swapped", "changed", "cut"]), byte=integers(0, 999))
def test_a_frame_lost_repeated_reordered_or_changed_ends_the_session(at: int, how: str, byte: int) -> None:
    ours, theirs = pair()
    frames = [frame for length in (0, 150_000, 0, 0) for frame in ours.seal(bus(length))]
    good, frame = frames[:at], frames[at]
    place = byte % len(frame)
    bad = {
        "lost": frames[at + 1 :] or [b""],
        "repeated": [frame, frame],
        "swapped": [frames[at - 1 if at else 1], frame],
        "changed": [frame[:place] + bytes((frame[place] ^ 0x80,)) + frame[place + 1 :]],
        "cut": [frame[:place]],
    }[how]
    for frame in good:
        theirs.open(frame)
    if how == "repeated":
        theirs.open(bad.pop(0))
    with pytest.raises(SessionBroken) as caught:
        theirs.open(bad[0])
    assert not caught.value.hub_started_anew
    for frame in frames:
        with pytest.raises(SessionBroken):
            theirs.open(frame)
    with pytest.raises(SessionBroken):
        theirs.seal(bus())


@pytest.mark.parametrize(
    ("plaintext", "is_binary"),
    [
        (b"", False),
        (b"[]", False),
        (b"{}", False),
        (b'{"msg_type": 1}', False),
        (b'{"msg_type": "bus"', False),
        (b"\xff", False),
        (b"", True),
        (pack("bus", b"[]"), True),
    ],
)
def test_a_frame_that_decrypts_and_makes_no_sense_ends_the_session(plaintext: bytes, is_binary: bool) -> None:
    ours, theirs = pair()
    with pytest.raises(SessionBroken):
        theirs.open(ours.seal_body(plaintext, binary=is_binary)[0])
    with pytest.raises(SessionBroken, match="over"):
        theirs.open(ours.seal(bus())[0])


@given(noise=some_bytes(max_size=200), as_text=booleans())
def test_whatever_comes_breaks_the_session_and_nothing_else(noise: bytes, as_text: bool) -> None:
    ours, _ = pair()
    with pytest.raises(SessionBroken):
        ours.open(noise.decode("latin-1") if as_text else noise)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_cleartext_hello_says_that_the_hub_has_no_such_session(as_text: bool) -> None:
    for msg_type, expected in (("hello", True), ("shake", False), ("bus", False)):
        ours, _ = pair()
        cleartext = json.dumps({"msg_type": msg_type, "payload": {"node_id": "node-alpha"}})
        with pytest.raises(SessionBroken) as caught:
            ours.open(cleartext if as_text else cleartext.encode())
        assert caught.value.hub_started_anew is expected


def test_what_cannot_be_sent_costs_neither_a_frame_nor_the_session() -> None:
    ours, theirs = pair()
    with pytest.raises(TypeError):
        ours.seal(wire.envelope("bus", {"data": b"bytes"}))
    with pytest.raises(ValueError, match="32 MiB"):
        ours.seal(bus(MAX_MESSAGE_BYTES))
    assert ours.sealed == 0
    assert theirs.open(ours.seal(bus())[0]) == bus()


def test_no_number_and_no_half_surrogate_makes_an_envelope_that_cannot_leave() -> None:
    ours, theirs = pair()
    data = {"reading": math.inf, "code": "\udc80"}
    assert theirs.open(ours.seal(wire.envelope("bus", data))[0]) == wire.envelope("bus", data)


def test_what_broke_a_session_is_not_quoted() -> None:
    ours, theirs = pair()
    for frame in (b'{"msg_type": "hello", "secret": "S3CRET"}', ours.seal_body(b'"S3CRET"')[0]):
        _, theirs = pair()
        with pytest.raises(SessionBroken) as caught:
            theirs.open(frame)
        error: BaseException | None = caught.value
        while error is not None:
            assert "S3CRET" not in repr(error)
            error = error.__cause__
