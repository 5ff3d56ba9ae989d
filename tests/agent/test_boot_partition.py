"""An identity dropped on the boot partition: taken in at once, or left where it is with the reason beside it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent import boot_partition, provisioning
from agent.boot_partition import FILE, REASON
from agent.identity_source import load_identity
from agent.provisioning import ProvisioningError

ROOT = Path(__file__).parents[2]
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


TAKE = """
import sys
from pathlib import Path
from agent import boot_partition
boot, folder = map(Path, sys.argv[1:])
boot_partition.take(folder / "etc" / "identity.json", state=folder, folders=[boot], sealed=None)
"""


def killed_at(calls, number, boot, folder):
    """Take the identity in by a process that is killed right before its `number`th of these calls; whether it was."""
    kill = [
        "strace",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:signal=KILL:when={number}",
    ]
    done = subprocess.run(
        [*kill, sys.executable, "-c", TAKE, boot, folder], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("calls", "at_least"),
    # The place, its folder, the source and its folder are flushed; rename and unlink have several numbers.
    [("fsync", 4), ("/^rename", 1), ("/^unlink", 1)],
)
def test_killed_at_any_step_the_identity_is_in_its_place_or_still_on_the_card(boot, tmp_path, calls, at_least):
    folder = tmp_path / "device"
    for number in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        drop(boot, IDENTITY)
        if not killed_at(calls, number, boot, folder):
            break
        place = folder / "etc" / "identity.json"
        on_card = (boot / FILE).exists() and (boot / FILE).read_text() == json.dumps(IDENTITY)
        assert on_card or load_identity(place).site_id == "kiosk-1"
        boot_partition.take(place, state=folder, folders=[boot], sealed=None)  # the next start
        assert load_identity(place).site_id == "kiosk-1"
        assert list(boot.iterdir()) == []
    assert number > at_least


@pytest.mark.parametrize("left", ["\0" * 300, json.dumps(IDENTITY)[:100] + "\0" * 200])
def test_one_that_was_half_erased_is_a_wrong_file_where_there_is_no_identity(boot, take, left):
    (boot / FILE).write_text(left)
    (one,) = take()
    assert "is not valid JSON" in one.reason
    assert (boot / FILE).read_text() == left


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
