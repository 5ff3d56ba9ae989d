from __future__ import annotations

import json
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import binary as some_bytes
from hypothesis.strategies import booleans, dictionaries, integers, none, sampled_from, text

from agent.hub.protocol import binary
from agent.hub.protocol.binary import TYPES, Binary
from agent.hub.protocol.wire import MAX_MESSAGE_BYTES, WireError
from agent.hub.reply import ThalovantBinary
from tests.peers.wire1 import pack

VECTORS = Path(__file__).parents[1] / "vectors"
FRAMES = json.loads((VECTORS / "binary-frames.json").read_text())
NAMES = json.loads((VECTORS / "binary-vectors.json").read_text())

SMALL_OBJECTS = dictionaries(text(max_size=5), integers() | text(max_size=5), max_size=3)
METADATA = SMALL_OBJECTS.filter(lambda value: len(json.dumps(value)) < 200)
VERSIONS = none() | integers(0, 1)


# ------------------------------------------------------------------------------------ published vectors


@pytest.mark.parametrize("case", FRAMES["cases"], ids=lambda case: case["name"])
def test_a_frame_of_the_hubs_own_encoder_is_read(case: dict[str, Any]) -> None:
    frame = binary.decode(b64decode(case["frame"]))
    expected = Binary(case["expected_kind"], b64decode(case["expected_payload"]), case["expected_metadata"])
    assert frame == expected


def test_a_bus_message_packed_by_a_hub_is_an_envelope_like_any_other() -> None:
    assert binary.decode(b64decode(FRAMES["bus_frame"])) == {
        "msg_type": "bus",
        "payload": {"type": "speak", "data": {"utterance": "Pfffft."}},
        "metadata": {},
    }


@pytest.mark.parametrize("case", NAMES["cases"], ids=lambda case: case["name"])
def test_what_came_with_a_frame_reads_as_the_vectors_say(case: dict[str, Any]) -> None:
    frame = binary.decode(pack("bin", b"clip", kind=case["bin_type"], metadata=case["metadata"]))
    assert isinstance(frame, Binary)
    shown = ThalovantBinary(kind=frame.kind, data=frame.data, metadata=frame.metadata)
    assert {name: getattr(shown, name) for name in case["expected"]} == case["expected"]


def test_kinds_bear_the_names_of_the_vectors_and_unnamed_ones_their_number() -> None:
    expected = {number: f"binary:{number}" for number in range(16)}
    expected |= {int(number): name for number, name in NAMES["payload_kinds"].items()}
    expected |= {int(number): name for number, name in NAMES["unnamed_kind_names"].items() if int(number) < 16}
    for number, name in expected.items():
        frame = binary.decode(pack("bin", b"", kind=number))
        assert isinstance(frame, Binary)
        assert frame.kind == name


# ------------------------------------------------------------------------------------------ round trips


@given(data=some_bytes(max_size=300), kind=integers(0, 15), metadata=METADATA, version=VERSIONS, deflate=booleans())
def test_a_clip_comes_out_as_it_went_in(
    data: bytes, kind: int, metadata: dict[str, Any], version: int | None, deflate: bool
) -> None:
    frame = binary.decode(pack("bin", data, kind=kind, metadata=metadata, version=version, deflate=deflate))
    assert isinstance(frame, Binary)
    assert (frame.data, frame.metadata) == (data, metadata)


@given(
    msg_type=sampled_from([name for name in TYPES.values() if name != "bin"]),
    payload=SMALL_OBJECTS,
    metadata=METADATA,
    version=VERSIONS,
    deflate=booleans(),
)
def test_an_envelope_comes_out_as_it_went_in(
    msg_type: str, payload: dict[str, Any], metadata: dict[str, Any], version: int | None, deflate: bool
) -> None:
    packed = pack(msg_type, payload, metadata=metadata, version=version, deflate=deflate)
    assert binary.decode(packed) == {"msg_type": msg_type, "payload": payload, "metadata": metadata}


def test_a_type_that_a_newer_hub_may_know_does_not_cost_the_link() -> None:
    for number in (11, *range(13, 32)):
        assert binary.decode(pack(number, {"a": 1})) == {"msg_type": "3rdparty", "payload": {"a": 1}, "metadata": {}}


def test_a_frame_without_metadata_has_none() -> None:
    for deflate in (False, True):
        frame = binary.decode(pack("bin", b"clip", kind=3, metadata=b"", deflate=deflate))
        assert frame == Binary("file", b"clip", {})


def test_a_whole_clip_of_the_largest_size_is_read() -> None:
    data = bytes(range(256)) * (1 << 17)
    assert len(data) == MAX_MESSAGE_BYTES
    frame = binary.decode(pack("bin", data))
    assert isinstance(frame, Binary)
    assert frame.data == data


def test_what_was_said_is_not_in_a_repr() -> None:
    frame = Binary("tts_audio", b"clip", {"utterance": "two hundred euros"})
    assert repr(frame) == "Binary(kind='tts_audio')"


# --------------------------------------------------------------------------------------------- bad frames


@given(noise=some_bytes(max_size=80))
def test_any_bytes_are_a_frame_or_an_error_and_never_a_crash(noise: bytes) -> None:
    try:
        frame = binary.decode(noise)
    except WireError:
        return
    assert isinstance(frame, Binary | dict)


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("deflate", [False, True])
def test_every_truncation_of_a_packed_envelope_is_an_error(version: int | None, deflate: bool) -> None:
    packed = pack("bus", {"type": "speak", "data": {}}, metadata={"a": "b"}, version=version, deflate=deflate)
    for end in range(len(packed)):
        with pytest.raises(WireError):
            binary.decode(packed[:end])


@pytest.mark.parametrize("version", [None, 1])
def test_a_clip_cut_short_is_a_shorter_clip_and_one_cut_in_its_head_an_error(version: int | None) -> None:
    packed = pack("bin", b"clip", metadata={"a": "b"}, kind=6, version=version)
    for end in range(len(packed)):
        if end < len(packed) - 4:
            with pytest.raises(WireError):
                binary.decode(packed[:end])
        else:
            frame = binary.decode(packed[:end])
            assert isinstance(frame, Binary)
            assert b"clip".startswith(frame.data)


def test_a_payload_of_broken_bytes_is_an_error() -> None:
    # Zeros in front are padding, so a frame that lacks four bits of them is shifted by half a byte.
    packed = pack("bin", b"clip", version=None)
    shifted = (int.from_bytes(packed) << 4).to_bytes(len(packed) + 1)
    with pytest.raises(WireError, match="whole bytes"):
        binary.decode(shifted)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(40),
        pack("bus", {}, version=2),
        pack("bin", b"clip", version=255),
        pack("bus", b""),
        pack("bus", b"[]"),
        pack("bus", b"\xff"),
        pack("bus", {}, metadata=b"[]"),
        pack("bin", b"clip", metadata=b'"text"'),
        pack("bus", b"{}", deflate=True),
        pack("bus", zlib.compress(b"{}")[:-1], deflate=True),
        pack("bus", zlib.compress(b"[]"), deflate=True),
        pack("bin", b"clip", metadata=zlib.compress(b"{}")[:-5], deflate=True),
    ],
    ids=lambda frame: frame[:12].hex() or "nothing",
)
def test_a_frame_the_layout_does_not_allow_is_an_error(frame: bytes) -> None:
    with pytest.raises(WireError):
        binary.decode(frame)


def test_a_small_frame_that_inflates_without_end_is_stopped_at_the_limit() -> None:
    bomb = zlib.compress(b'{"a": "' + bytes(MAX_MESSAGE_BYTES) + b'"}', level=9)
    assert len(bomb) < 65000
    with pytest.raises(WireError, match="32 MiB"):
        binary.decode(pack("bus", bomb, deflate=True))


def test_an_envelope_that_inflates_to_just_the_limit_is_read() -> None:
    inner = b'{"a": "' + b" " * (MAX_MESSAGE_BYTES - 9) + b'"}'
    envelope = binary.decode(pack("bus", zlib.compress(inner), deflate=True))
    assert isinstance(envelope, dict)
    assert len(envelope["payload"]["a"]) == MAX_MESSAGE_BYTES - 9
