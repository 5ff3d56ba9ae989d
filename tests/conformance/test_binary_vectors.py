"""Names of binary payloads and what their metadata says: every case of binary-vectors.json, put into a frame."""

from __future__ import annotations

import pytest

from agent.hub.protocol.binary import Binary, decode
from agent.hub.reply import ThalovantBinary
from tests.conformance.conftest import vectors
from tests.peers.wire1 import pack

VECTORS = vectors("binary-vectors")
LARGEST_KIND = 15
"""A frame has four bits for it."""


def heard(kind, metadata):
    """What a client makes of a `bin` frame."""
    frame = decode(pack("bin", b"\1\2\3", kind=kind, metadata=metadata))
    assert isinstance(frame, Binary)
    assert frame.data == b"\1\2\3"
    return ThalovantBinary(kind=frame.kind, data=frame.data, metadata=frame.metadata)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_what_a_frame_says_of_its_payload(case):
    binary = heard(case["bin_type"], case["metadata"])
    assert case["expected"] == {
        "kind": binary.kind,
        "utterance": binary.utterance,
        "lang": binary.lang,
        "file_name": binary.file_name,
    }


@pytest.mark.parametrize(
    ("number", "name"), [*VECTORS["payload_kinds"].items(), *VECTORS["unnamed_kind_names"].items()]
)
def test_a_kind_without_a_name_goes_by_its_number(number, name):
    if number not in VECTORS["payload_kinds"]:
        assert name == VECTORS["unnamed_kind_format"].replace("<wire number>", number)
    if int(number) > LARGEST_KIND:
        pytest.skip("no frame can hold it, and a client names only what came in one")
    assert heard(int(number), {}).kind == name
