"""Keyboard scanners: recorded keys through a pipe that stands for the kernel's device, and a real one where there is
uinput."""

from __future__ import annotations

import fcntl
import os
import queue
import struct
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import keyboards
from hardware.board import Board
from hardware.facts import CodeScanned, DeviceError, DeviceFound, DeviceLost, Element, ScanRefused
from hardware.hid_scanner import HidScanner
from hardware.keyboards import EventReader, Key
from hardware.keying import KeyMachine
from hardware.ports import PortMissingError
from hardware.recording import read, replay
from hardware.stopping import StopEvent
from tests.peers.waiting import eventually

RECORDINGS = Path(__file__).parents[1] / "recordings" / "keys"
EVENT = struct.Struct("@llHHi")
DEADLINE = 10.0


def keys(name):
    lines = (RECORDINGS / f"{name}.rec").read_text(encoding="utf-8").splitlines(keepends=True)
    return [tuple(map(int, record.data.split(":"))) for record in read(lines)]


def events(pairs):
    """What the kernel writes: each key with its scan code in front and a report behind."""
    return b"".join(
        EVENT.pack(9, 5, 4, 4, 0x70000 + code) + EVENT.pack(9, 5, 1, code, value) + EVENT.pack(9, 5, 0, 0, 0)
        for code, value in pairs
    )


DROPPED = EVENT.pack(9, 5, 0, 3, 0)
REPORT = EVENT.pack(9, 5, 0, 0, 0)


@pytest.mark.parametrize(
    ("name", "layout", "value", "symbology", "elements"),
    [
        ("us-ean", "us", "4006381333931", "ean-13", ()),
        ("keypad", "us", "4006381333931", None, ()),
        ("fr-url", "fr", "http://a.b/27", None, ()),
        (
            "de-gs1-128",
            "de",
            "010950600013435210LOT7\x1d21AB",
            "gs1-128",
            (Element("01", "09506000134352"), Element("10", "LOT7"), Element("21", "AB")),
        ),
    ],
)
def test_recorded_keys_are_the_code_they_were_typed_for(name, layout, value, symbology, elements):
    lines = (RECORDINGS / f"{name}.rec").read_text(encoding="utf-8").splitlines(keepends=True)
    machine = KeyMachine("wedge", layout)
    (fact,) = [fact for _, facts in replay(read(lines), {"wedge": machine}, Board()) for fact in facts]
    assert isinstance(fact, CodeScanned)
    assert (fact.value, fact.symbology, fact.elements) == (value, symbology, elements)


@contextmanager
def typing(tmp_path, **settings):
    """A scanner at the reading end of a pipe; its facts, and the end to type at."""
    path = tmp_path / "usb-wedge-event-kbd"
    os.mkfifo(path)
    facts: queue.Queue = queue.Queue()
    keyboard = os.open(path, os.O_RDWR)
    stop = StopEvent()
    scanner = HidScanner("wedge", str(path), grab=False, look_seconds=0.1, **settings)
    thread = threading.Thread(target=scanner.run, args=(facts.put, stop))
    thread.start()
    try:
        assert isinstance(facts.get(timeout=DEADLINE), DeviceFound)
        yield facts, keyboard, path
    finally:
        stop.set()
        thread.join(DEADLINE)
        assert not thread.is_alive()
        os.close(keyboard)


def test_what_a_keyboard_types_is_read_and_recorded(tmp_path):
    recorded: list = []
    with typing(tmp_path, layout="de", record=recorded.append) as (facts, keyboard, _):
        os.write(keyboard, events(keys("de-gs1-128")))
        fact = facts.get(timeout=DEADLINE)
        assert fact.value == "010950600013435210LOT7\x1d21AB"
    machine = KeyMachine("wedge", "de")
    assert [one for _, some in replay(recorded, {"wedge": machine}, Board()) for one in some] == [fact]


def test_after_lost_keys_the_code_is_refused_and_its_tail_is_no_code(tmp_path):
    ean = keys("us-ean")
    with typing(tmp_path) as (facts, keyboard, _):
        os.write(
            keyboard, events(ean[:10]) + DROPPED + events(ean[10:11])[: 2 * EVENT.size] + REPORT + events(ean[20:])
        )
        refused = facts.get(timeout=DEADLINE)
        assert (type(refused), refused.reason) == (ScanRefused, "incomplete")
        os.write(keyboard, events(ean))
        assert facts.get(timeout=DEADLINE).value == "4006381333931"


def test_a_keyboard_that_is_unplugged_is_told_and_looked_for(tmp_path):
    with typing(tmp_path) as (facts, keyboard, path):
        path.unlink()
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, keyboard)  # nobody holds the pipe's writing end any more
        os.close(null)
        lost = facts.get(timeout=DEADLINE)
        assert (type(lost), lost.kind) == (DeviceLost, "scanner")
        assert "was unplugged" in lost.detail


@given(st.lists(st.integers(0, 400)), st.booleans())
def test_how_the_reads_are_cut_never_changes_the_keys(cuts, dropped):
    stream = events([(30, 1), (30, 0), (28, 1)]) + (DROPPED if dropped else b"") + events([(31, 1), (31, 0)])
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader, whole = EventReader(), EventReader()
    pieces = [key for a, b in pairwise(edges) for key in reader.feed(stream[a:b])]
    assert pieces == whole.feed(stream)
    assert (None in pieces) == dropped
    assert (Key(31, 1) in pieces) != dropped  # it belongs to what was lost
    assert Key(31, 0) in pieces


@pytest.fixture
def system(tmp_path):
    """A part of sysfs with a scanner, its second device without digits, and a mouse."""

    def add(number, vendor, product, name, bits):
        device = tmp_path / f"event{number}" / "device"
        (device / "id").mkdir(parents=True)
        (device / "capabilities").mkdir()
        (device / "id" / "vendor").write_text(f"{vendor}\n")
        (device / "id" / "product").write_text(f"{product}\n")
        (device / "name").write_text(f"{name}\n")
        (device / "capabilities" / "key").write_text(f"{bits}\n")

    add(3, "046d", "c077", "Mouse", "1f0000 0 0 0 0")
    add(11, "0c2e", "0b61", "Honeywell consumer keys", "c00000000 0")
    add(12, "0c2e", "0B61", "Honeywell", "3007f 0 0 83ffff07c0ffff6f fffffffffffffffe")
    (tmp_path / "event13").mkdir()
    return tmp_path


def test_a_scanner_is_found_by_the_numbers_of_its_maker(system):
    assert keyboards.find("0C2E:0b61", system) == "/dev/input/event12"
    assert list(keyboards.present(system)) == [("/dev/input/event12", "0c2e:0b61", "Honeywell")]
    with pytest.raises(PortMissingError, match="no keyboard with the numbers 1234:5678"):
        keyboards.find("1234:5678", system)


def test_a_scanner_is_found_by_a_pattern_of_paths(tmp_path):
    with pytest.raises(PortMissingError, match="there is no keyboard"):
        keyboards.find(str(tmp_path / "usb-*-event-kbd"))
    (tmp_path / "usb-A-event-kbd").touch()
    assert keyboards.find(str(tmp_path / "usb-*-event-kbd")) == str(tmp_path / "usb-A-event-kbd")


def test_a_scanner_that_is_not_there_is_told_once_with_those_that_are(system):
    told: list = []
    looks: list = []
    stop = StopEvent()
    scanner = HidScanner("wedge", "1234:5678", system=system, look_seconds=0.1)
    thread = threading.Thread(target=scanner.run, args=(told.append, stop, lambda: looks.append(1)))
    thread.start()
    eventually(lambda: len(looks) > 2)
    stop.set()
    thread.join(DEADLINE)
    (lost,) = told
    assert "there are 0c2e:0b61 (Honeywell)" in lost.detail


def test_what_is_no_keyboard_cannot_be_grabbed():
    with pytest.raises(DeviceError, match="is no keyboard"):
        keyboards.Keyboard("/dev/null")


class Uinput:
    """A keyboard of the kernel's own (uinput.h), with vendor 1234 and product 5678."""

    def __init__(self):
        self._descriptor = os.open("/dev/uinput", os.O_WRONLY | os.O_NONBLOCK)
        fcntl.ioctl(self._descriptor, 0x40045564, 1)  # UI_SET_EVBIT, EV_KEY
        for code in range(1, 249):
            fcntl.ioctl(self._descriptor, 0x40045565, code)  # UI_SET_KEYBIT
        os.write(self._descriptor, struct.pack("@80sHHHHi", b"Wedge", 3, 0x1234, 0x5678, 1, 0) + bytes(64 * 4 * 4))
        fcntl.ioctl(self._descriptor, 0x5501)  # UI_DEV_CREATE

    def types(self, pairs):
        for code, value in pairs:
            os.write(self._descriptor, EVENT.pack(0, 0, 1, code, value) + EVENT.pack(0, 0, 0, 0, 0))
            time.sleep(0.004)  # as a USB keyboard's reports come; the kernel keeps 64 events for a slow reader

    def unplug(self):
        if self._descriptor >= 0:
            fcntl.ioctl(self._descriptor, 0x5502)  # UI_DEV_DESTROY
            os.close(self._descriptor)
            self._descriptor = -1


@pytest.mark.skipif(not os.access("/dev/uinput", os.W_OK), reason="this kernel has no uinput, or not for us")
def test_a_real_keyboard_is_grabbed_read_unplugged_and_read_again():
    told: queue.Queue = queue.Queue()
    stop = StopEvent()
    scanner = HidScanner("wedge", "1234:5678", look_seconds=0.1)
    thread = threading.Thread(target=scanner.run, args=(told.put, stop))
    thread.start()
    try:
        assert isinstance(told.get(timeout=DEADLINE), DeviceLost)
        for _ in range(2):
            device = Uinput()
            found = told.get(timeout=DEADLINE)
            assert isinstance(found, DeviceFound)
            with pytest.raises(DeviceError, match="another program has grabbed it"):
                keyboards.Keyboard(found.detail)
            device.types(keys("us-ean"))
            assert told.get(timeout=DEADLINE).value == "4006381333931"
            device.unplug()
            assert isinstance(told.get(timeout=DEADLINE), DeviceLost)
    finally:
        stop.set()
        thread.join(DEADLINE)
