"""The whole agent on a small disk that is full, read-only, broken or without power, and well again, with no restart.

The disk is an ext4 of its own, made by the test in a file; where mounting is not allowed these are skipped. It breaks
by ext4's own shutdown, after which everything on it fails with EIO, and what was not flushed is gone as with the power.
What lies below a file system, a card that tears or reorders what it was told to keep, takes a machine to show.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from contextlib import closing, contextmanager

import pytest

from agent.outbox import Outbox
from tests.peers.agent import AgentProcess
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


def sh(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


class SmallDisk:
    """An ext4 of 3 MB in a file, mounted at `path`."""

    def __init__(self, folder):
        if os.geteuid() != 0 or not shutil.which("mke2fs"):
            pytest.skip("making a small disk takes root and mke2fs")
        self._image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        sh("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", str(self._image), "4M")
        try:
            self._mount()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"mounting is not allowed here: {error.stderr.strip()}")

    def _mount(self):
        sh("mount", "-o", "loop", str(self._image), str(self.path))

    def fill(self):
        with open(self.path / "filler", "ab", buffering=0) as filler:
            for size in (65_536, 4096, 512):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    continue

    def free(self):
        (self.path / "filler").unlink()

    def read_only(self):
        sh("mount", "-o", "remount,ro", str(self.path))

    def read_write(self):
        sh("mount", "-o", "remount,rw", str(self.path))

    def dies(self):
        """From now on everything fails with EIO, and nothing that was not flushed will be there again."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            pytest.skip(f"this kernel does not shut an ext4 down: {error}")
        finally:
            os.close(descriptor)

    def comes_back(self):
        """The same disk, with what was flushed."""
        self.close()
        # A copy, since the kernel keeps the dead one for as long as somebody has a file of it open.
        self._image = shutil.copy(self._image, self._image.with_suffix(f"{self._image.suffix}.again"))
        self._mount()

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=False)


class Kiosk:
    def __init__(self, folder, state):
        self.scanner = PtyScanner(folder / "scanner")
        self.agent = AgentProcess(
            folder,
            f"""
[identity]
file = "none.json"
state = "{state}"
[control]
socket = "control.sock"
[[display]]
name = "screen"
target = "-"
[[scanner]]
name = "counter"
port = "{self.scanner.port}"
repeat_seconds = 0
""",
            environment={},
        )
        self.scans = 0

    def scan(self):
        """Scan another code; whether it was accepted."""
        self.scans += 1
        code = f"CODE-{self.scans}"
        self.scanner.types(code.encode() + b"\r")

        def told():
            lines = [line for line in self.agent.shown() if line.startswith(f"{code}:")]
            return lines[-1] if lines else None

        return "NOT accepted" not in eventually(told, what=f"a word about {code}")

    def trouble(self):
        return self.agent.ask("status")["outbox"]["trouble"]

    def waiting(self):
        return self.agent.ask("status")["outbox"]["waiting"]


@contextmanager
def kiosk_at(folder, state):
    kiosk = Kiosk(folder, state)
    try:
        with kiosk.agent:
            eventually(lambda: not kiosk.agent.ask("status")["inputs"][0]["trouble"], what="the scanner")
            yield kiosk
    finally:
        kiosk.scanner.close()


@pytest.fixture
def disk(tmp_path):
    disk = SmallDisk(tmp_path)
    yield disk
    disk.close()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "kiosk"
    folder.mkdir()
    return folder


def scan_until_refused(kiosk, most=2000):
    for _ in range(most):
        if not kiosk.scan():
            return
    raise AssertionError(f"{most} scans were accepted on a full disk")


def test_a_full_disk_is_a_refusal_and_heals_without_a_restart(disk, folder):
    with kiosk_at(folder, disk.path / "state") as kiosk:
        assert kiosk.scan()
        pid = kiosk.agent.pid
        disk.fill()
        scan_until_refused(kiosk)
        accepted = kiosk.scans - 1
        assert "the disk is full" in kiosk.trouble()
        assert kiosk.agent.ask("status")["counts"]["not_stored"] == 1
        assert kiosk.waiting() == accepted
        disk.free()
        eventually(lambda: not kiosk.trouble(), what="the recovery")
        assert kiosk.scan()
        assert kiosk.waiting() == accepted + 1
        assert kiosk.agent.pid == pid


def test_a_disk_that_breaks_is_a_refusal_and_another_heals_without_a_restart(disk, folder):
    with kiosk_at(folder, disk.path / "state") as kiosk:
        assert kiosk.scan()
        pid = kiosk.agent.pid
        disk.dies()
        assert not kiosk.scan()
        assert kiosk.trouble()
        disk.comes_back()
        eventually(lambda: not kiosk.trouble(), what="the recovery")
        assert kiosk.scan()
        assert kiosk.waiting() == 2
        assert kiosk.agent.pid == pid


def test_without_power_every_scan_that_was_accepted_is_on_the_disk(disk, folder):
    accepted: list[str] = []
    for _ in range(3):
        with kiosk_at(folder, disk.path / "state") as kiosk:
            kiosk.scans = len(accepted)
            for _ in range(5):
                assert kiosk.scan()
                accepted.append(f"CODE-{kiosk.scans}")
            disk.dies()
            kiosk.agent.kill()
            disk.comes_back()
        with closing(Outbox(disk.path / "state" / "outbox.db", max_messages=1000, max_bytes=1 << 20)) as outbox:
            assert [one.message.data["utterances"][0] for one in outbox.oldest(0, 1000)] == accepted


def test_an_agent_started_on_a_read_only_disk_reads_its_scanner_and_says_what_is_wrong(disk, folder):
    (disk.path / "state").mkdir()
    disk.read_only()
    with kiosk_at(folder, disk.path / "state") as kiosk:
        assert not kiosk.scan()
        assert "read-only" in kiosk.trouble().lower()
        disk.read_write()
        eventually(lambda: not kiosk.trouble(), what="the recovery")
        assert kiosk.scan()


def test_a_state_folder_in_memory_is_said(folder):
    if not os.path.ismount("/dev/shm"):
        pytest.skip("there is no /dev/shm")
    state = f"/dev/shm/thalovant-test-{os.getpid()}"
    try:
        with kiosk_at(folder, state) as kiosk:
            assert kiosk.agent.ask("status")["card"]["survives_power_cut"] is False
            assert "scans do not survive a power cut here" in kiosk.agent.log.read_text()
    finally:
        shutil.rmtree(state, ignore_errors=True)
