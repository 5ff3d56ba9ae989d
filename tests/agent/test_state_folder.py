from __future__ import annotations

import json
import os
import stat

import pytest

from agent.hub.previous import Previous
from agent.state_folder import StateFolder, StateFolderError, in_memory


@pytest.fixture
def folder(tmp_path):
    folder = StateFolder(tmp_path / "state")
    folder.claim()
    yield folder
    folder.release()


def test_the_names_are_made_up_once(folder):
    names = folder.names()
    assert StateFolder(folder.path).names() == names
    assert names.session_id.startswith("thalovant-session-")
    assert 0 < len(names.client_id) <= 23


def test_two_devices_have_different_names(folder, tmp_path):
    other = StateFolder(tmp_path / "other")
    other.claim()
    try:
        mine, theirs = folder.names(), other.names()
        assert mine.session_id != theirs.session_id
        assert mine.client_id != theirs.client_id
    finally:
        other.release()


def test_nobody_else_can_read_what_is_in_it(folder):
    folder.names()
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    for file in folder.path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"session_id": "a"}', '{"session_id": 1, "mqtt_client_id": "b"}', "[" * 100_000]
)
def test_damaged_names_are_made_anew_and_told(folder, text, caplog):
    (folder.path / "device.json").write_text(text)
    names = folder.names()
    assert "the device's names were damaged" in caplog.text
    assert StateFolder(folder.path).names() == names


def test_names_cut_short_anywhere_never_stop_the_start(folder):
    folder.names()
    path = folder.path / "device.json"
    whole = path.read_bytes().strip()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        folder.names()
    assert json.loads(path.read_text())["session_id"]


def test_a_second_agent_is_refused_in_one_sentence(folder):
    with pytest.raises(StateFolderError) as raised:
        StateFolder(folder.path).claim()
    assert str(raised.value).startswith(f"another agent uses {folder.path}; stop it first")


def test_a_folder_let_go_can_be_claimed(folder):
    folder.release()
    folder.release()
    other = StateFolder(folder.path)
    other.claim()
    other.release()


def test_a_folder_that_cannot_be_made_is_told_and_the_names_last_for_the_run(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    folder = StateFolder(tmp_path / "file" / "state")
    folder.claim()
    assert "the state folder cannot be written" in caplog.text
    assert folder.names().session_id
    folder.said_goodbye(True)
    assert folder.previous_session is Previous.NONE


def test_a_goodbye_is_remembered_until_the_next_session(folder):
    assert folder.previous_session is Previous.NONE
    folder.names()
    assert StateFolder(folder.path).previous_session is Previous.LOST, "it may have had a session since"
    folder.said_goodbye(True)
    assert StateFolder(folder.path).previous_session is Previous.GOODBYE
    folder.said_goodbye(False)
    folder.said_goodbye(False)
    assert StateFolder(folder.path).previous_session is Previous.LOST


MOUNTS = """\
22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
24 22 0:22 / /run rw,nosuid - tmpfs tmpfs rw,mode=755
25 22 0:25 / /mnt/data\\040disk rw - ext4 /dev/sda1 rw
26 22 0:26 / /mnt/ram rw master:2 shared:9 - ramfs none rw
27 22 0:27 / /mnt/over rw - overlay overlay rw,lowerdir=/a,upperdir=/run/upper,workdir=/run/work
28 22 0:28 / /mnt/image rw - overlay overlay rw,lowerdir=/a,upperdir=/mnt/data\\040disk/up,workdir=/w
29 22 0:29 / /mnt/twice rw - tmpfs none rw
30 22 0:30 / /mnt/twice rw - ext4 /dev/sdb1 rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "lost"),
    [
        ("/var/lib/thalovant-agent", False),
        ("/run/thalovant-agent", True),
        ("/running", False),
        ("/mnt/data disk/state", False),
        ("/mnt/ram/state", True),
        ("/mnt/over/var/lib", True),
        ("/mnt/image/var/lib", False),
        ("/mnt/twice/state", False),
    ],
)
def test_what_lies_in_memory_is_found_out(tmp_path, path, lost):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert in_memory(tmp_path.__class__(path), mounts=mounts) is lost


def test_where_nobody_can_tell_nothing_is_claimed(tmp_path):
    assert not in_memory(tmp_path, mounts=tmp_path / "none")


def test_this_machines_own_shared_memory_is_memory(tmp_path):
    if not os.path.ismount("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    assert in_memory(tmp_path.__class__("/dev/shm/state"))
