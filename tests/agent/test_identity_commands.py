"""`identity show` and `identity rotate`: who the device is, and a new credential for the same hub."""

from __future__ import annotations

import json

import pytest

from agent.cli import main

IDENTITY = {
    "access_key": "K3Y-of-it-and-no-other",
    "password": "S3CRET-of-it-and-no-other",
    "site_id": "shop",
    "default_master": "wss://hub.example",
    "default_port": 443,
    "data_plane_endpoints": {"wss": "wss://hub.example"},
}
NEW = {**IDENTITY, "access_key": "K3Y-that-is-new", "password": "S3CRET-that-is-new"}


@pytest.fixture
def device(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "agent.toml").write_text('[identity]\nfile = "identity.json"\nstate = "state"\n')
    write(tmp_path / "identity.json", IDENTITY)
    return tmp_path


def write(path, identity):
    path.write_text(json.dumps(identity))
    path.chmod(0o600)


def command(device, *words):
    return main(["identity", *map(str, words), "--config", str(device / "agent.toml")])


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_it_is_shown_without_its_secrets(device, capsys, options):
    assert command(device, "show", *options) == 0
    shown = capsys.readouterr().out
    assert "shop" in shown
    assert "K3Y" not in shown
    assert "S3CRET" not in shown


def test_a_new_one_of_the_same_hub_takes_its_place_and_the_rest_stays(device):
    (device / "state" / "outbox.db").write_bytes(b"scans that wait")
    write(device / "new.json", NEW)
    assert command(device, "rotate", device / "new.json") == 0
    assert json.loads((device / "identity.json").read_text()) == NEW
    assert not (device / "new.json").exists()
    assert (device / "state" / "outbox.db").read_bytes() == b"scans that wait"


@pytest.mark.parametrize("change", [{"site_id": "elsewhere"}, {"default_master": "wss://other.example"}])
def test_one_of_another_device_or_hub_is_refused(device, capsys, change):
    write(device / "new.json", {**NEW, **change})
    assert command(device, "rotate", device / "new.json") == 1
    assert "--replace" in capsys.readouterr().err
    assert json.loads((device / "identity.json").read_text()) == IDENTITY
    assert (device / "new.json").exists()
