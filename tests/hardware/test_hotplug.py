from __future__ import annotations

import socket
import threading
import time

import pytest

from hardware.hotplug import Hotplug
from hardware.stopping import Bell, StopEvent, wait_readable


@pytest.mark.parametrize("event", [StopEvent, threading.Event])
def test_a_wait_for_a_device_ends_when_its_time_is_over_or_the_stop_is_set(event):
    stop = event()
    with Hotplug() as hotplug:
        started = time.monotonic()
        assert not hotplug.wait(stop, 0.01)
        stop.set()
        assert not hotplug.wait(stop, 10)
        assert time.monotonic() - started < 5


def test_where_devices_cannot_be_heard_of_a_wait_is_a_wait(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)  # as RestrictAddressFamilies does
    with Hotplug() as hotplug:
        assert not hotplug.hears
        assert not hotplug.wait(StopEvent(), 0.01)


def test_a_device_that_comes_ends_the_wait():
    with Hotplug() as hotplug:
        if not hotplug.hears:
            pytest.skip("no netlink for devices here")
        assert hotplug._socket is not None
        hotplug._socket.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        hotplug._socket = ours
        with theirs:
            for message in (b"add@/devices/x", b"change@/devices/x"):
                theirs.send(message)
            assert hotplug.wait(StopEvent(), 10)
            assert not hotplug.wait(StopEvent(), 0.01)  # all of them were heard


def test_a_bell_wakes_who_waits_from_any_thread_and_is_quiet_once_heard():
    bell = Bell()
    threading.Timer(0.02, bell.ring).start()
    assert wait_readable(bell.fileno(), StopEvent(), 10)
    bell.ring()
    bell.heard()
    bell.heard()
    assert not wait_readable(bell.fileno(), StopEvent(), 0.01)
