from __future__ import annotations

import fcntl
import os
import socket
import termios
import threading
import time

import pytest

from hardware.facts import DeviceError
from hardware.ports import PortMissingError, SerialPort, UrlPort, open_port
from hardware.stopping import StopEvent, wait_readable

WAIT = 10.0


def test_a_descriptor_kept_while_the_agent_was_down_is_adopted_with_what_came_meanwhile(pty_scanner):
    before = SerialPort.open(pty_scanner.port, 9600)
    kept = os.dup(before.fileno())  # as systemd's descriptor store does
    before.close()
    pty_scanner.types(b"MEANWHILE\r")
    with pytest.raises(DeviceError, match="another program holds it"):
        SerialPort.open(pty_scanner.port, 9600)
    port = SerialPort.adopt(kept, "gate", 9600)
    try:
        assert port.wait(StopEvent(), WAIT)
        assert port.read() == b"MEANWHILE\r"
        assert port.read() == b""
    finally:
        port.close()


def test_the_speed_asked_for_is_set(pty_scanner):
    port = SerialPort.open(pty_scanner.port, 115200)
    try:
        assert termios.tcgetattr(port.fileno())[4:6] == [termios.B115200, termios.B115200]
    finally:
        port.close()


def test_a_port_that_is_refused_is_left_as_it_was(pty_scanner):
    descriptor = os.open(pty_scanner.port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = termios.tcgetattr(descriptor)
        with pytest.raises(DeviceError):
            SerialPort.open(pty_scanner.port, 115200)
        assert termios.tcgetattr(descriptor) == before
    finally:
        os.close(descriptor)


def test_a_missing_port_is_told_apart_from_one_that_is_refused(tmp_path):
    with pytest.raises(PortMissingError):
        open_port(str(tmp_path / "usb-1"), 9600)
    with pytest.raises(PortMissingError):
        open_port(str(tmp_path / "usb-*"), 9600)
    (tmp_path / "usb-1").symlink_to("gone")
    with pytest.raises(PortMissingError):
        open_port(str(tmp_path / "usb-1"), 9600)


def test_a_port_that_is_unplugged_fails_to_read_and_closes_quietly(pty_scanner):
    port = SerialPort.open(pty_scanner.port, 9600)
    pty_scanner.unplug()
    assert port.wait(StopEvent(), WAIT)
    with pytest.raises(OSError, match="Input/output"):
        port.read()
    port.close()
    port.close()


def test_a_url_without_a_descriptor_is_read_too():
    port = UrlPort("loop://", 9600)
    try:
        assert not port.wait(StopEvent(), 0.01)
        port._port.write(b"INV-1\r")
        assert port.wait(StopEvent(), WAIT)
        assert port.read() == b"INV-1\r"
    finally:
        port.close()


def test_a_socket_is_probed_so_that_a_dead_server_is_noticed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = UrlPort(f"socket://127.0.0.1:{server.getsockname()[1]}", 9600)
        with socket.socket(fileno=os.dup(port._descriptor)) as twin:
            assert twin.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        port.close()


@pytest.mark.parametrize("event", [StopEvent, threading.Event])
def test_a_wait_ends_when_its_time_is_over(event):
    reader, writer = os.pipe()
    try:
        assert not wait_readable(reader, event(), 0.01)
        os.write(writer, b"x")
        assert wait_readable(reader, event(), WAIT)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_stop_event_ends_a_wait_at_once_however_often_it_is_set():
    reader, writer = os.pipe()
    stop = StopEvent()
    try:
        for _ in range(2):
            started = time.monotonic()
            threading.Timer(0.02, stop.set).start()
            assert not wait_readable(reader, stop, WAIT)
            assert time.monotonic() - started < WAIT / 2
            stop.set()
            assert not wait_readable(reader, stop, WAIT)  # it stays set
            stop.clear()
            assert not stop.is_set()
            assert not wait_readable(reader, stop, 0.01)
    finally:
        os.close(reader)
        os.close(writer)
