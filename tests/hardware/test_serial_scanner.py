from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import serial

from hardware import profile
from hardware.facts import CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.framing import Framing
from hardware.ports import SerialPort
from hardware.reading import Reading
from hardware.serial_scanner import SerialScanner
from hardware.stopping import StopEvent
from tests.peers.scanner import PtyScanner

DEADLINE = 10.0


class Facts:
    """What a scanner told, in order; each wait has a deadline."""

    def __init__(self) -> None:
        self._facts: queue.Queue[object] = queue.Queue()

    def __call__(self, fact) -> None:
        self._facts.put(fact)

    def next(self, kind=object):
        """The next fact; it must be of that kind."""
        fact = self._facts.get(timeout=DEADLINE)
        assert isinstance(fact, kind), fact
        return fact

    def rest(self) -> list[object]:
        return list(self._facts.queue)


@contextmanager
def reading(port, *, stop=None, name="gate", beat=None, **settings):
    facts, stop = Facts(), stop or StopEvent()
    scanner = SerialScanner(name, str(port), look_seconds=0.1, **settings)
    thread = threading.Thread(target=scanner.run, args=(facts, stop, beat), name=f"scanner {name}")
    thread.start()
    try:
        yield facts
    finally:
        stop.set()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_a_code_arrives_with_scanner_bytes_and_time(pty_scanner):
    with reading(pty_scanner.port) as facts:
        assert facts.next(DeviceFound) == DeviceFound("scanner", "gate", pty_scanner.port)
        before = time.monotonic()
        pty_scanner.types(b" INV-2026-001\x1d\r")
        code = facts.next(CodeScanned)
    assert (code.scanner, code.value, code.raw) == ("gate", " INV-2026-001\x1d", b" INV-2026-001\x1d")
    assert before <= code.at <= time.monotonic()


def test_every_byte_but_the_terminator_passes_unchanged(pty_scanner):
    everything = bytes(byte for byte in range(256) if byte != 0x0D)
    with reading(pty_scanner.port, encoding="latin-1") as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"x" + everything + b"\r")  # an LF in front would be half of a CR LF
        assert facts.next(CodeScanned).raw == b"x" + everything


def test_what_was_scanned_before_the_port_was_opened_is_not_lost(pty_scanner):
    pty_scanner.types(b"EARLY\r")
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)
        assert facts.next(CodeScanned).value == "EARLY"


def test_a_burst_larger_than_the_ports_buffer_is_read_whole(pty_scanner):
    codes = [f"INV-{number:04}" for number in range(2000)]
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)
        pty_scanner.types("".join(f"{code}\r\n" for code in codes).encode(), timeout=DEADLINE)
        assert [facts.next(CodeScanned).value for _ in codes] == codes


def test_a_refused_scan_is_told_and_the_next_one_is_read(pty_scanner):
    with reading(pty_scanner.port, max_length=8) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"123456789\r\xff\rINV-1\r")
        too_long, undecodable = facts.next(ScanRefused), facts.next(ScanRefused)
        assert (too_long.scanner, too_long.reason, too_long.raw) == ("gate", "too long", b"12345678")
        assert (undecodable.reason, undecodable.raw) == ("undecodable", b"\xff")
        assert facts.next(CodeScanned).value == "INV-1"


def test_a_scanner_unplugged_and_plugged_in_again_is_read_again(pty_scanner):
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)
        for _ in range(3):
            first = pty_scanner.device
            pty_scanner.unplug()
            lost = facts.next(DeviceLost)
            assert (lost.kind, lost.name) == ("scanner", "gate")
            assert "was unplugged" in lost.detail
            taken: list[int] = []  # the old number among them, so that the port comes back under another
            while not taken or os.ttyname(taken[-1]) != first:
                taken += os.openpty()
            pty_scanner.plug_in()
            assert pty_scanner.device != first
            pty_scanner.types(b"INV-2\r")
            facts.next(DeviceFound)
            assert facts.next(CodeScanned).value == "INV-2"
            for descriptor in taken:
                os.close(descriptor)


def test_half_a_code_is_dropped_when_the_scanner_is_unplugged(pty_scanner):
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"INV-1\rHALF")
        assert facts.next(CodeScanned).value == "INV-1"  # HALF came in the same read
        pty_scanner.unplug()
        assert "4 bytes" in facts.next(DeviceLost).detail
        pty_scanner.plug_in()
        pty_scanner.types(b"INV-2\r")
        facts.next(DeviceFound)
        assert facts.next(CodeScanned).value == "INV-2"


def test_a_scanner_that_is_not_there_at_the_start_is_told_once_and_may_come_later(tmp_path):
    looks = threading.Semaphore(0)
    scanner = PtyScanner(tmp_path / "usb-late", plugged_in=False)
    with scanner, reading(scanner.port, beat=looks.release) as facts:
        lost = facts.next(DeviceLost)
        assert f"there is no serial port {scanner.port}" in lost.detail
        assert all(looks.acquire(timeout=DEADLINE) for _ in range(3))
        assert facts.rest() == []
        scanner.plug_in()
        facts.next(DeviceFound)


def test_a_pattern_finds_a_scanner_under_any_number(tmp_path):
    with PtyScanner(tmp_path / "ttyACM7") as scanner, reading(tmp_path / "ttyACM*") as facts:
        assert facts.next(DeviceFound).detail == str(tmp_path / "ttyACM7")
        scanner.types(b"INV-1\r")
        assert facts.next(CodeScanned).value == "INV-1"
        scanner.unplug()
        assert "was unplugged" in facts.next(DeviceLost).detail


def test_two_scanners_of_one_pattern_are_each_read_by_one(tmp_path):
    pattern = tmp_path / "usb-*"
    with (
        PtyScanner(tmp_path / "usb-1"),
        PtyScanner(tmp_path / "usb-2"),
        reading(pattern) as one,
        reading(pattern) as two,
    ):
        found = {one.next(DeviceFound).detail, two.next(DeviceFound).detail}
    assert found == {str(tmp_path / "usb-1"), str(tmp_path / "usb-2")}


def test_a_port_held_by_another_agent_is_refused_clearly_and_taken_when_it_is_free(pty_scanner):
    stop = StopEvent()
    with reading(pty_scanner.port, name="second", stop=StopEvent()) as unused:
        unused.next(DeviceFound)
        with reading(pty_scanner.port, stop=stop) as facts:
            assert "another program holds it" in facts.next(DeviceLost).detail
            assert facts.rest() == []
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)


def test_a_port_held_by_a_pyserial_program_is_refused_and_the_other_way_round(pty_scanner):
    with serial.Serial(pty_scanner.port, exclusive=True), reading(pty_scanner.port) as facts:
        assert "another program holds it" in facts.next(DeviceLost).detail
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)
        with pytest.raises(serial.SerialException):
            serial.Serial(pty_scanner.port, exclusive=True)


def test_a_port_that_is_none_says_so(tmp_path):
    (tmp_path / "file").touch()
    for port, words in (("file", "not a serial port"), (".", "directory")):
        with reading(tmp_path / port) as facts:
            assert words in facts.next(DeviceLost).detail


def test_a_speed_nobody_has_says_which_to_use(pty_scanner):
    with reading(pty_scanner.port, baud=12345) as facts:
        assert "9600 or 115200" in facts.next(DeviceLost).detail


def test_settings_that_cannot_work_are_refused_when_the_scanner_is_built():
    with pytest.raises(DeviceError, match="encoding"):
        SerialScanner("gate", "/dev/null", encoding="klingon")


@pytest.mark.parametrize("stop", [StopEvent, threading.Event])
@pytest.mark.parametrize("plugged_in", [True, False])
def test_stop_ends_the_reading_within_half_a_second(tmp_path, stop, plugged_in):
    event = stop()
    with PtyScanner(tmp_path / "usb", plugged_in=plugged_in) as scanner, reading(scanner.port, stop=event) as facts:
        facts.next(DeviceFound if plugged_in else DeviceLost)
        started = time.monotonic()
        event.set()
    assert time.monotonic() - started < 0.5


def test_an_idle_scanner_does_not_poll(pty_scanner):
    beats = []
    with reading(pty_scanner.port, beat=lambda: beats.append(1)) as facts:
        facts.next(DeviceFound)
        for code in (b"1\r", b"2\r"):
            pty_scanner.types(code)
            facts.next(CodeScanned)
        # One look for the port, one wait for each code, one that goes on: nothing comes from a clock.
        assert len(beats) <= 4


def test_a_scanner_behind_a_serial_server_is_read_and_its_server_may_restart():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(DEADLINE)
        with reading(port) as facts:
            for code in ("INV-1", "INV-2"):
                connection, _ = server.accept()
                with connection:
                    assert facts.next(DeviceFound).detail == port
                    connection.sendall(code.encode() + b"\r\nHALF")
                    assert facts.next(CodeScanned).value == code
                assert "was unplugged" in facts.next(DeviceLost).detail


def test_a_serial_server_that_is_off_is_a_missing_scanner():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
    with reading(port) as facts:
        assert "does not answer" in facts.next(DeviceLost).detail


def test_a_url_nobody_knows_says_so():
    with reading("carrier-pigeon://loft") as facts:
        assert "no port that pySerial knows" in facts.next(DeviceLost).detail


def test_what_emit_raises_is_the_callers_and_the_port_is_given_back(pty_scanner):
    def full(fact):
        if isinstance(fact, CodeScanned):
            raise OSError("the disk is full")

    pty_scanner.types(b"INV-1\r")
    with pytest.raises(OSError, match="the disk is full"):
        SerialScanner("gate", pty_scanner.port).run(full, StopEvent())
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)


def test_a_code_without_a_suffix_is_complete_after_a_pause(pty_scanner):
    framing = Framing(terminators=(), idle_seconds=0.05)
    with reading(pty_scanner.port, framing=framing) as facts:
        facts.next(DeviceFound)
        for code in (b"4006381333931", b"INV-2"):
            pty_scanner.types(code)
            assert facts.next(CodeScanned).raw == code


def test_codes_of_several_lines_are_read_whole(pty_scanner):
    vcard = "BEGIN:VCARD\r\nN:M\r\nEND:VCARD"
    with reading(pty_scanner.port, framing=Framing(line_seconds=0.05)) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(vcard.encode() + b"\r")
        assert facts.next(CodeScanned).value == vcard
        pty_scanner.types(b"INV-1\r")
        assert facts.next(CodeScanned).value == "INV-1"


def test_a_scan_tells_its_symbology_and_a_bad_read_is_refused(pty_scanner):
    with reading(pty_scanner.port, reading=Reading()) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"]E04006381333931\r]E04006381333932\r]C10109506000134352\r")
        assert facts.next(CodeScanned).symbology == "ean-13"
        assert facts.next(ScanRefused).reason == "check digit"
        assert facts.next(CodeScanned).elements[0].ai == "01"


def test_two_scanners_interleaved_byte_by_byte_are_never_mixed(tmp_path):
    wanted = {name: [f"{name}-{number:05}" for number in range(5000)] for name in ("A", "B")}
    with (
        PtyScanner(tmp_path / "usb-a") as one,
        PtyScanner(tmp_path / "usb-b") as two,
        reading(one.port, name="A") as first,
        reading(two.port, name="B") as second,
    ):
        for facts in (first, second):
            facts.next(DeviceFound)
        for a, b in zip("\r".join(wanted["A"]) + "\r", "\r".join(wanted["B"]) + "\r", strict=True):
            one.types(a.encode())
            two.types(b.encode())
        for name, facts in (("A", first), ("B", second)):
            found = [facts.next(CodeScanned) for _ in wanted[name]]
            assert [fact.value for fact in found] == wanted[name]
            assert {fact.scanner for fact in found} == {name}


class Store:
    """What systemd's descriptor store does: it keeps a second hold of each open port."""

    def __init__(self):
        self.kept = {}

    def keep(self, name, descriptor):
        if name not in self.kept:
            self.kept[name] = os.dup(descriptor)

    def forget(self, name):
        if name in self.kept:  # to forget what is not kept is no fault for systemd either
            os.close(self.kept.pop(name))

    def given_back(self):
        given, self.kept = self.kept, {}
        return given


def test_what_is_scanned_while_the_agent_restarts_is_read_by_the_next(pty_scanner):
    store = Store()
    with reading(pty_scanner.port, keep=store.keep, forget=store.forget) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"BEFORE\r")
        assert facts.next(CodeScanned).value == "BEFORE"
    pty_scanner.types(b"MEAN")
    pty_scanner.types(b"WHILE\r")
    with reading(pty_scanner.port, adopted=store.given_back(), keep=store.keep) as facts:
        assert facts.next(DeviceFound).detail == pty_scanner.port
        assert facts.next(CodeScanned).value == "MEANWHILE"
        pty_scanner.types(b"AFTER\r")
        assert facts.next(CodeScanned).value == "AFTER"
    assert set(store.kept) == {"gate"}
    store.forget("gate")


def test_a_code_half_read_when_the_agent_stops_is_read_to_its_end(pty_scanner):
    stop = StopEvent()
    bytes_read = threading.Semaphore(0)
    with reading(pty_scanner.port, stop=stop, record=lambda record: bytes_read.release()) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"4006381")
        assert bytes_read.acquire(timeout=DEADLINE)
        stop.set()
        pty_scanner.types(b"333931\r")
        assert facts.next(CodeScanned).value == "4006381333931"


def test_a_kept_port_that_was_plugged_in_again_meanwhile_is_opened_anew(pty_scanner):
    store = Store()
    with reading(pty_scanner.port, keep=store.keep, forget=store.forget) as facts:
        facts.next(DeviceFound)
    pty_scanner.unplug()
    pty_scanner.plug_in()
    with reading(pty_scanner.port, adopted=store.given_back(), keep=store.keep, forget=store.forget) as facts:
        facts.next(DeviceFound)
        pty_scanner.types(b"INV-1\r")
        assert facts.next(CodeScanned).value == "INV-1"
    store.forget("gate")


def test_a_kept_port_of_another_device_is_let_go(tmp_path, pty_scanner):
    with PtyScanner(tmp_path / "usb-old") as old:
        before = SerialPort.open(old.port, 9600)
        with reading(pty_scanner.port, adopted={"gate": os.dup(before.fileno())}) as facts:
            assert facts.next(DeviceFound).detail == pty_scanner.port
        before.close()
        with reading(old.port) as facts:
            facts.next(DeviceFound)


def test_an_unplugged_port_is_forgotten(pty_scanner):
    store = Store()
    with reading(pty_scanner.port, keep=store.keep, forget=store.forget) as facts:
        facts.next(DeviceFound)
        pty_scanner.unplug()
        facts.next(DeviceLost)
        assert store.kept == {}


def test_a_reader_that_fails_lets_go_of_the_kept_port_and_may_be_started_again(pty_scanner):
    store = Store()

    def full(fact):
        if isinstance(fact, CodeScanned):
            raise OSError("the disk is full")

    scanner = SerialScanner("gate", pty_scanner.port, keep=store.keep, forget=store.forget)
    pty_scanner.types(b"INV-1\r")
    with pytest.raises(OSError, match="the disk is full"):
        scanner.run(full, StopEvent())
    assert store.kept == {}
    with reading(pty_scanner.port) as facts:
        facts.next(DeviceFound)


def test_a_module_is_triggered_and_its_answer_is_no_scan(pty_scanner, caplog):
    commands = profile.load("gm65").commands
    facts = Facts()
    scanner = SerialScanner("gate", pty_scanner.port, commands=commands)
    stop = StopEvent()
    thread = threading.Thread(target=scanner.run, args=(facts, stop))
    with caplog.at_level(logging.DEBUG, "hardware.serial_scanner"):
        thread.start()
        facts.next(DeviceFound)
        scanner.send("trigger")
        assert pty_scanner.received(DEADLINE) == bytes.fromhex("7E 00 08 01 00 02 01 AB CD")
        pty_scanner.types(bytes.fromhex("02 00 00 01 00 33 31") + b"]E04006381333931\r")
        assert facts.next(CodeScanned).value == "4006381333931"
        scanner.send("baud")
        assert pty_scanner.received(DEADLINE) == bytes.fromhex("7E 00 07 01 00 2A 02 D8 0F")
        pty_scanner.types(bytes.fromhex("02 00 00 02 39 01 C1 4C") + b"INV-1\r")  # as the GM861 answers
        assert facts.next(CodeScanned).value == "INV-1"
        stop.set()
        thread.join(DEADLINE)
    assert [record.message for record in caplog.records] == ["scanner accepted a command"] * 2
    with pytest.raises(DeviceError, match='no command is called "dance"; known: trigger, stop'):
        scanner.send("dance")


def test_a_command_that_a_module_refuses_is_told_and_its_answer_is_no_scan(pty_scanner, caplog):
    commands = profile.load("de2120").commands
    with (
        caplog.at_level(logging.WARNING, "hardware.serial_scanner"),
        reading(pty_scanner.port, commands=commands, at_start=("trigger",)) as facts,
    ):
        facts.next(DeviceFound)
        assert pty_scanner.received(DEADLINE) == b"^_^SCAN."
        pty_scanner.types(b"\x15INV-1\r")
        assert facts.next(CodeScanned).value == "INV-1"
    assert [record.message for record in caplog.records] == ["scanner refused a command"]


def test_commands_at_the_start_go_out_one_after_the_other_whenever_the_port_is_opened(pty_scanner):
    commands = profile.load("de2120").commands
    with reading(pty_scanner.port, commands=commands, at_start=("trigger", "stop")) as facts:
        for _ in range(2):
            facts.next(DeviceFound)
            assert pty_scanner.received(DEADLINE) == b"^_^SCAN."
            pty_scanner.types(b"\x06")
            assert pty_scanner.received(DEADLINE) == b"^_^SLEEP."
            pty_scanner.unplug()
            facts.next(DeviceLost)
            pty_scanner.plug_in()


def test_a_command_without_its_answer_in_time_does_not_hold_up_the_next(pty_scanner, caplog):
    commands = profile.load("de2120").commands
    with (
        caplog.at_level(logging.WARNING, "hardware.serial_scanner"),
        reading(pty_scanner.port, commands=commands, at_start=("trigger", "stop")) as facts,
    ):
        facts.next(DeviceFound)
        assert pty_scanner.received(DEADLINE) == b"^_^SCAN."
        assert pty_scanner.received(DEADLINE) == b"^_^SLEEP."
    assert "scanner did not answer a command" in caplog.text


def test_a_command_at_the_start_that_nobody_knows_is_refused():
    with pytest.raises(DeviceError, match='no command is called "dance"'):
        SerialScanner("gate", "/dev/null", at_start=("dance",))
