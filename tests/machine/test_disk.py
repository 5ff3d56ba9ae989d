"""The machine's disk, spoken to as QEMU does (NetworkBlockDevice, doc/proto.md)."""

from __future__ import annotations

import random
import socket
import struct

import pytest

from scripts.machine.disk import BLOCK, SECTOR, Disk

READ, WRITE, FLUSH, FUA, EIO = 0, 1, 3, 1, 5
OLD, NEW = b"o" * BLOCK, b"n" * BLOCK


class Client:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")
        self._answers.read(18)
        self._socket.sendall(struct.pack(">I8sII", 3, b"IHAVEOPT", 1, 0))
        self._answers.read(134)

    def ask(self, kind, offset=0, data=b"", *, flags=0, length=0):
        head = struct.pack(">IHHQQI", 0x25609513, flags, kind, 7, offset, length or len(data))
        self._socket.sendall(head + data)
        magic, error, handle = struct.unpack(">IIQ", self._answers.read(16))
        assert (magic, handle) == (0x67446698, 7)
        return error, self._answers.read(length) if kind == READ else b""

    def close(self):
        self._answers.close()
        self._socket.close()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(OLD * 4)
    return path


@pytest.fixture
def disk(image, tmp_path):
    disk = Disk(image, tmp_path / "socket")
    yield disk
    disk.close()


@pytest.fixture
def guest(disk):
    client = Client(disk.path)
    yield client
    client.close()


def block(guest, number=0):
    return guest.ask(READ, number * BLOCK, length=BLOCK)[1]


def test_what_was_written_is_read_before_and_after_it_is_flushed(guest, image):
    guest.ask(WRITE, 100, b"here")
    assert block(guest)[98:106] == b"oohereoo"
    guest.ask(FLUSH)
    assert block(guest)[98:106] == b"oohereoo"
    assert image.read_bytes() == OLD * 4


def test_a_power_cut_drops_what_was_not_flushed_and_nothing_else(disk, guest):
    guest.ask(WRITE, 0, NEW)
    guest.ask(FLUSH)
    guest.ask(WRITE, BLOCK, NEW, flags=FUA)
    guest.ask(WRITE, 2 * BLOCK, NEW)
    assert disk.cut("drop", random.Random(1)) == 1
    assert [block(guest, number) for number in range(4)] == [NEW, NEW, OLD, OLD]


def test_a_power_cut_may_tear_a_block_by_its_sectors(disk, guest):
    guest.ask(WRITE, 0, NEW)
    disk.cut("random", random.Random(1))
    torn = block(guest)
    sectors = {torn[at : at + SECTOR] for at in range(0, BLOCK, SECTOR)}
    assert sectors == {OLD[:SECTOR], NEW[:SECTOR]}


def test_a_broken_disk_is_read_and_takes_nothing(disk, guest):
    disk.broken = True
    assert guest.ask(WRITE, 0, NEW)[0] == EIO
    assert guest.ask(FLUSH)[0] == EIO
    assert block(guest) == OLD
    disk.broken = False
    assert guest.ask(WRITE, 0, NEW)[0] == 0


def test_a_saved_disk_goes_on_where_it_was(disk, guest, tmp_path):
    guest.ask(WRITE, 0, NEW)
    disk.save(tmp_path / "saved")
    disk.cut("drop", random.Random(1))
    disk.load(tmp_path / "saved")
    assert block(guest) == NEW
    assert disk.cut("drop", random.Random(1)) == 1


def test_what_survived_is_exported(disk, guest, tmp_path):
    guest.ask(WRITE, BLOCK, NEW, flags=FUA)
    disk.export(tmp_path / "survived")
    assert (tmp_path / "survived").read_bytes() == OLD + NEW + OLD * 2
