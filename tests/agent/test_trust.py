"""`thalovant-agent trust`: what a person does about a hub whose key changed."""

from __future__ import annotations

import json

import pytest

from agent.cli import main
from agent.hub import offered_keys
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring
from agent.state_folder import KEYS

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture
def place(tmp_path):
    """A configuration, its identity with two of the hub's addresses pinned, and its keyring."""
    identity = tmp_path / "identity.json"
    members = {"access_key": "k", "password": "p", "site_id": "s", "default_master": "wss://hub.example"}
    endpoints = {"wss": "wss://hub.example", "https": "https://hub.example"}
    identity.write_text(json.dumps({**members, "data_plane_endpoints": endpoints}))
    identity.chmod(0o600)
    config = tmp_path / "agent.toml"
    config.write_text(f'[identity]\nfile = "{identity}"\nstate = "{tmp_path / "state"}"\n')
    keyring = Keyring(tmp_path / "state" / KEYS)
    known = ThalovantIdentity.from_file(identity)
    for protocol in ("wss", "https"):
        keyring.store_pin(known.pin_id(protocol), OLD)
    return config, keyring, known


def test_there_is_nothing_to_decide_while_no_hub_showed_another_key(place, capsys):
    config, _, _ = place
    assert main(["trust", "--show", "--config", str(config)]) == 1
    assert "no hub has shown another key" in capsys.readouterr().err


def test_both_fingerprints_are_shown_and_nothing_is_accepted_by_looking(place, capsys):
    config, keyring, known = place
    offered_keys.note(keyring, known.pin_id("https"), NEW)
    assert main(["trust", "--show", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert offered_keys.fingerprint(OLD) in shown
    assert offered_keys.fingerprint(NEW) in shown
    assert keyring.pin(known.pin_id("https")) == OLD
    assert main(["trust", "--show", "--json", "--config", str(config)]) == 0
    (row,) = json.loads(capsys.readouterr().out)["keys"]
    assert row["offered"] == offered_keys.fingerprint(NEW)


def test_the_key_with_the_fingerprint_is_accepted_at_every_address_of_that_hub(place, capsys):
    config, keyring, known = place
    offered_keys.note(keyring, known.pin_id("https"), NEW)
    wanted = offered_keys.fingerprint(NEW)
    assert main(["trust", "--accept", wanted, "--config", str(config)]) == 0
    assert [keyring.pin(known.pin_id(protocol)) for protocol in ("wss", "https")] == [NEW, NEW]
    assert main(["trust", "--show", "--config", str(config)]) == 1
    assert "trusted by its new key" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", ["0000-0000", "", offered_keys.fingerprint(OLD), offered_keys.fingerprint(NEW)[:9]])
def test_any_other_fingerprint_changes_nothing(place, wanted, capsys):
    config, keyring, known = place
    offered_keys.note(keyring, known.pin_id("https"), NEW)
    assert main(["trust", "--accept", wanted, "--config", str(config)]) == 1
    assert keyring.pin(known.pin_id("https")) == OLD
    assert "no hub has shown a key with this fingerprint" in capsys.readouterr().err


def test_a_damaged_note_is_none(place):
    _, keyring, _ = place
    for text in ("", "[]", '{"a": 1}', '{"a": "zz"}', "{"):
        (keyring.folder / "offered_hub_keys.json").write_text(text)
        assert offered_keys.waiting(keyring) == []
