"""An identity dropped on the boot partition: taken in at once, or left where it is with the reason beside it."""

from __future__ import annotations

import json
import os

import pytest

from agent import boot_partition, provisioning
from agent.boot_partition import FILE, REASON
from agent.identity_source import load_identity
from agent.provisioning import ProvisioningError

IDENTITY = {
    "access_key": "0123456789abcdef0123456789abcdef",
    "password": "correct horse battery staple",
    "site_id": "kiosk-1",
    "default_master": "wss://hub.example/hivemind",
    "default_port": 443,
}
OTHER = {**IDENTITY, "access_key": "fedcba9876543210fedcba9876543210", "site_id": "kiosk-2"}


@pytest.fixture
def boot(tmp_path):
    folder = tmp_path / "boot"
    folder.mkdir()
    return folder


@pytest.fixture
def take(tmp_path, boot):
    def taking(**options):
        return boot_partition.take(
            tmp_path / "etc" / "identity.json", state=tmp_path, folders=[boot], sealed=None, **options
        )

    return taking


def drop(boot, identity):
    (boot / FILE).write_text(json.dumps(identity))


def test_nothing_there_is_nothing_to_do(take):
    assert take() == []


def test_it_is_taken_in_and_removed(boot, take, tmp_path):
    drop(boot, IDENTITY)
    (one,) = take()
    assert (one.reason, list(boot.iterdir())) == ("", [])
    assert load_identity(tmp_path / "etc" / "identity.json").site_id == "kiosk-1"


def test_a_plug_pulled_before_the_removal_is_made_good_at_the_next_start(boot, take, tmp_path):
    drop(boot, IDENTITY)
    provisioning.install(
        (boot / FILE).read_text(),
        tmp_path / "etc" / "identity.json",
        name="x",
        state=tmp_path,
        replace=False,
        sealed=None,
    )
    (one,) = take()
    assert (one.done.was_there, one.reason, list(boot.iterdir())) == (True, "", [])


@pytest.mark.parametrize("step", ["write_beside", "chown", "replace", "erase"])
def test_at_every_step_the_identity_is_in_its_place_or_still_on_the_card(boot, take, tmp_path, monkeypatch, step):
    class PulledError(BaseException):
        pass

    def pulled(*_, **__):
        raise PulledError

    drop(boot, IDENTITY)
    owner = provisioning if step in {"write_beside", "erase"} else os
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, pulled)
        with pytest.raises(PulledError):
            take()
    assert json.loads((boot / FILE).read_text()) == IDENTITY
    take()
    assert load_identity(tmp_path / "etc" / "identity.json").site_id == "kiosk-1"
    assert list(boot.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"access_key": "only"}', "\xff"])
def test_a_wrong_file_stays_and_the_reason_lies_beside_it(boot, take, text):
    (boot / FILE).write_bytes(text.encode("latin-1"))
    (one,) = take()
    assert one.reason
    assert (boot / FILE).read_bytes() == text.encode("latin-1")
    assert one.reason in (boot / REASON).read_text()


def test_the_reason_goes_when_the_file_is_right(boot, take):
    (boot / FILE).write_text("{")
    take()
    drop(boot, IDENTITY)
    take()
    assert list(boot.iterdir()) == []


def test_another_identity_asks_first(boot, take, tmp_path):
    drop(boot, IDENTITY)
    take()
    drop(boot, OTHER)
    (one,) = take()
    assert "another identity that works (site kiosk-1)" in one.reason
    assert '"replace": true' in (boot / REASON).read_text()
    assert OTHER["password"] not in (boot / REASON).read_text()
    assert load_identity(tmp_path / "etc" / "identity.json").site_id == "kiosk-1"


@pytest.mark.parametrize("said", ["in the file", "at the command line"])
def test_another_identity_that_says_so_takes_the_place(boot, take, tmp_path, said):
    drop(boot, IDENTITY)
    take()
    drop(boot, {**OTHER, "replace": True} if said == "in the file" else OTHER)
    (one,) = take(replace=said != "in the file")
    assert (one.reason, list(boot.iterdir())) == ("", [])
    assert load_identity(tmp_path / "etc" / "identity.json").site_id == "kiosk-2"
    assert "replace" not in json.loads((tmp_path / "etc" / "identity.json").read_text())


def test_plain_provisioning_still_refuses_what_is_in_its_place(tmp_path):
    path = tmp_path / "identity.json"
    path.write_text(json.dumps(IDENTITY))
    path.chmod(0o600)
    with pytest.raises(ProvisioningError, match="already"):
        provisioning.provision(path, path, state=tmp_path, sealed=None)
