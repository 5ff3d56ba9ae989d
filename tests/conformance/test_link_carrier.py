"""The handshake over HTTPS and MQTT: every case of link-carrier-vectors.json, over real sockets and a real broker."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import vectors
from tests.conformance.handshakes import arrange, connect, patterns
from tests.peers.responder import HubSide
from tests.peers.responder_servers import HttpHub, MqttHub


@pytest.mark.parametrize("case", vectors("link-carrier-vectors")["cases"], ids=lambda case: case["name"])
def test_handshake(case, tmp_path):
    folder = tmp_path / "keys"
    with HttpHub(HubSide()) if case["carrier"] == "https" else MqttHub(HubSide(), tmp_path) as server:
        changes = arrange(case, server, folder)
        assert connect(server, folder, **changes) == case["expect"]["outcome"]
        assert patterns(server) == case["expect"]["patterns"]
