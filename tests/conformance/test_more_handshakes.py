"""Situations of the link vectors that our copy has no case for, and where a carrier's answer is easily misread."""

from __future__ import annotations

import pytest

from tests.conformance.handshakes import arrange, connect, patterns
from tests.peers.responder import HubSide
from tests.peers.responder_servers import HttpHub, WebsocketHub


@pytest.mark.parametrize(
    ("case", "outcome", "seen"),
    [
        ({"situation": "hub_key_changed"}, "key_changed", ["KK", "XX"]),
        ({"situation": "client_key_changed_pinned_here"}, "client_key_rejected", ["KK", "XX"]),
        ({"situation": "upgrade_status", "status": 401}, "refused", []),
        ({"situation": "upgrade_status", "status": 500}, "failed", []),
    ],
)
def test_over_a_websocket(case, outcome, seen, tmp_path):
    with WebsocketHub(HubSide(), upgrade_status=case.get("status", 101)) as server:
        changes = arrange(case, server, tmp_path)
        assert connect(server, tmp_path, **changes) == outcome
    assert patterns(server) == seen


def test_a_client_key_refused_over_https_is_told_from_a_wrong_password(tmp_path):
    """Whether 401 answers message 3 itself or what follows it."""
    with HttpHub(HubSide()) as server:
        arrange({"situation": "client_key_changed"}, server, tmp_path)
        assert connect(server, tmp_path) == "client_key_rejected"
    assert patterns(server) == ["XX"]
