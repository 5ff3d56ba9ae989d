"""Decoding frames of the hub's own encoder: every case of binary-frames.json."""

from __future__ import annotations

from base64 import b64decode

import pytest

from agent.hub.events import from_envelope
from agent.hub.protocol.binary import Binary, decode
from tests.conformance.conftest import vectors

VECTORS = vectors("binary-frames")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_frame_of_the_hubs_encoder(case):
    assert decode(b64decode(case["frame"])) == Binary(
        kind=case["expected_kind"],
        data=b64decode(case["expected_payload"]),
        metadata=case["expected_metadata"],
    )


def test_a_binarised_bus_message_is_still_json():
    envelope = decode(b64decode(VECTORS["bus_frame"]))
    assert isinstance(envelope, dict)
    assert envelope["msg_type"] == "bus"
    event = from_envelope(envelope)
    assert event is not None
    assert event.name
