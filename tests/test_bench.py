"""The bench itself: what every other test takes for granted."""

from __future__ import annotations

import json
import socket
import ssl
import stat

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from scripts.benches import faults
from tests.peers.rig.ports import HOST, accepts
from tests.peers.rig.records import Recorder, Records
from tests.peers.waiting import eventually


def identity(hub, device=1):
    return json.loads(hub.identity(device).read_text())


def test_every_carrier_speaks_tls_that_the_environment_trusts(hub):
    context = ssl.create_default_context()
    for port in hub.ports.values():
        plain = socket.create_connection((HOST, port), timeout=5)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.version() == "TLSv1.3"


def test_the_identity_is_private_and_names_every_carrier(hub):
    mode = stat.S_IMODE(hub.identity().stat().st_mode)
    assert mode == 0o600
    assert set(identity(hub)["data_plane_endpoints"]) == {"wss", "https", "mqtt"}


def test_the_broker_lets_a_device_in_with_its_own_password_only(hub):
    assert connack(hub, identity(hub)["mqtt"]["password"]) == 0
    assert connack(hub, "guessed") != 0


def test_a_killed_hub_comes_back_on_its_ports_as_the_same_hub(hub):
    known = node_id(hub)
    hub.core.kill()
    assert not accepts(hub.ports["wss"])
    hub.core.start()
    assert accepts(hub.ports["wss"])
    assert hub.core.subscribed()
    assert node_id(hub) == known


def test_mending_brings_back_what_a_test_broke(hub):
    hub.broker.kill()
    hub.core.pause()
    hub.mend()
    assert hub.core.subscribed()
    assert hub.clients() == []


def test_a_hub_without_a_broker_offers_no_mqtt(start_hub):
    hub = start_hub(with_broker=False)
    assert "mqtt" not in identity(hub)["data_plane_endpoints"]
    assert hub.broker is None
    assert accepts(hub.ports["wss"])
    assert not accepts(hub.ports["mqtt"])


def test_no_process_outlives_a_closed_hub(start_hub):
    hub = start_hub()
    hub.close()
    assert not hub.core.alive
    assert not hub.broker.alive


def test_waiting_in_vain_is_a_failure_that_says_for_what(hub):
    with pytest.raises(AssertionError, match="matching row 1"):
        hub.wait_for(lambda row: False, timeout=0.05)


def test_a_row_being_written_is_read_once_it_is_whole(tmp_path):
    path = tmp_path / "rows.jsonl"
    records = Records(path)
    assert records.rows() == []
    Recorder(path).write(type="speak")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:7])
    assert len(records.rows()) == 1
    path.write_bytes(whole + whole)
    assert [row["type"] for row in records.rows()] == ["speak", "speak"]


def node_id(hub):
    """What a hub is known by, as it keeps it on disk."""
    return json.loads((hub.folder / "xdg" / "config" / "hivemind" / "_identity.json").read_text())["public_key"]


def connack(hub, password):
    """The broker's answer to a device that logs in with `password`."""
    answers = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="knock")
    client.on_connect = lambda *arguments: answers.append(arguments[3].value)
    client.username_pw_set(identity(hub)["mqtt"]["username"], password)
    client.tls_set()
    client.connect("localhost", hub.ports["mqtt"])
    client.loop_start()
    try:
        return eventually(lambda: [*answers], timeout=5, what="the broker's CONNACK")[0]
    finally:
        client.disconnect()
        client.loop_stop()


def test_the_table_of_faults_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "BENCHMARKS.md"
    path.write_text("# Benchmarks\n\n## Idle\n\n| a |\n\n## What holds the targets\n\nthe disk\n")
    lines = [
        ("hub killed and started", "mqtt", "   1.3    1.4     0", "none answered, 3 lost"),
        ("none", "wss", "0.1 0.2 0", ""),
    ]
    faults.put(path, faults.section(lines, runs=10, away=4.0, date="2026-01-01"))
    faults.put(path, text := faults.section(lines, runs=5, away=4.0, date="2026-01-02"))
    whole = path.read_text()
    assert whole.startswith("# Benchmarks\n\n## Idle\n\n| a |\n\n## Faults\n")
    assert whole.endswith("\n\n## What holds the targets\n\nthe disk\n")
    assert whole.count("## Faults") == 1
    assert "| hub killed and started | MQTT | 1.3 | 1.4 | 0 | not answered | – |" in whole
    assert "| none | WSS | 0.1 | 0.2 | 0 | – | – |" in whole
    assert faults.kept(path).strip() == text.strip()
