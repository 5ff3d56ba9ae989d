"""What the doctor finds, over each carrier, in a hub that is well and in several that are not."""

from __future__ import annotations

import json

import pytest

from agent.hub.client import ThalovantClient
from agent.hub.identity import ThalovantIdentity
from agent.hub.protocol.causes import Cause
from tests.peers.rig.ports import free_port

PROTOCOLS = ("wss", "https", "mqtt")


@pytest.fixture
def examined(hub, tmp_path):
    """Examine the hub's device, or one changed as told, over a protocol."""

    def examine(protocol=None, **changes):
        mapping = {**json.loads(hub.identity().read_text()), **changes}
        folder = tmp_path if changes else hub.identity().parent / "hivemind"
        client = ThalovantClient(ThalovantIdentity.from_mapping(mapping), protocol=protocol, noise_state_dir=folder)
        try:
            return client.doctor()
        finally:
            client.close()

    return examine


def failed(report):
    return [check.name for check in report.checks if not check.ok]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_hub_that_is_well_passes_over_every_carrier(examined, protocol):
    report = examined(protocol)
    assert report.ok, str(report)
    assert report.cause is None
    assert [check.name for check in report.checks] == ["identity", "endpoint", "connect", "transport", "permissions"]
    assert all(check.duration_ms >= 0 for check in report.checks)
    assert report.protocol == protocol
    assert f"over {protocol}" in str(report)
    assert "the hub answers" in report.format()


def test_a_master_that_is_a_websocket_is_no_fault(examined, hub):
    assert ThalovantIdentity.from_file(hub.identity()).default_master.startswith("wss://")
    assert examined("wss").ok


def test_a_wrong_password_is_named(examined):
    report = examined("wss", password="not the one")
    assert failed(report) == ["connect", "transport", "permissions"]
    assert report.cause is Cause.WRONG_PASSWORD
    assert Cause.WRONG_PASSWORD.sentence in str(report)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_key_no_hub_has_let_in_yet_awaits_admission(examined, protocol):
    assert examined(protocol, access_key="1" * 32).cause is Cause.NOT_ADMITTED


def test_an_address_where_nothing_listens_is_named(examined):
    report = examined("wss", data_plane_endpoints={"wss": f"wss://localhost:{free_port()}"})
    assert report.cause is Cause.PORT_CLOSED
    assert not report.checks[3].ok
    assert report.checks[3].detail == "not connected"


def test_a_name_that_is_not_found_is_named(examined):
    report = examined("https", data_plane_endpoints={"https": "https://hub.invalid:443"})
    assert report.cause in {Cause.DNS, Cause.NO_CARRIER, Cause.NO_ADDRESS}


@pytest.mark.parametrize(
    ("protocol", "changes"),
    [
        ("mqtt", {"mqtt": None}),
        ("wss", {"data_plane_endpoints": {"https": "https://localhost:1"}, "default_master": "https://localhost:1"}),
        (None, {"data_plane_endpoints": {"mqtt": "mqtts://b"}, "mqtt": None, "default_master": "ftp"}),
    ],
)
def test_an_identity_without_what_the_protocol_needs_is_named(examined, protocol, changes):
    report = examined(protocol, **changes)
    assert failed(report) == ["endpoint", "connect", "transport", "permissions"]
    assert report.cause is Cause.NO_PROTOCOL


def test_key_files_that_cannot_be_used_are_named(examined, tmp_path):
    (tmp_path / "_identity.json").write_text("half a file")
    report = examined("wss", metadata={"another": "folder"})
    assert not report.checks[0].ok
    assert report.cause is Cause.KEY_FILES
    assert str(tmp_path) in report.checks[0].detail


def test_a_report_is_json_and_holds_no_secret(examined, hub):
    report = examined("wss", password="a secret of ours")
    text = json.dumps(report.as_dict()) + str(report) + repr(report)
    identity = json.loads(hub.identity().read_text())
    for secret in (identity["access_key"], "a secret of ours", identity["mqtt"]["password"]):
        assert secret not in text
    assert json.loads(json.dumps(report.as_dict()))["checks"][2]["cause"] == "wrong_password"
