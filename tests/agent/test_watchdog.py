from __future__ import annotations

import array
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.watchdog import Notifier, Watchdog, sd_notify, watchdog_seconds


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The datagram socket systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def heard(manager: socket.socket) -> list[str]:
    manager.setblocking(False)
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_a_message_reaches_the_service_manager(manager):
    assert sd_notify("READY=1\nSTATUS=up")
    assert manager.recv(4096) == b"READY=1\nSTATUS=up"


def test_an_abstract_socket_is_reached(monkeypatch):
    name = f"thalovant-test-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(10)
        assert sd_notify("WATCHDOG=1", address="@" + name)
        assert listener.recv(100) == b"WATCHDOG=1"


def test_descriptors_travel_with_the_message(manager):
    reading, writing = os.pipe()
    assert sd_notify("FDSTORE=1\nFDNAME=port", fds=[writing])
    message, ancillary, _, _ = manager.recvmsg(100, socket.CMSG_SPACE(4))
    received = array.array("i", ancillary[0][2])[0]
    os.write(received, b"x")
    assert (message, os.read(reading, 1)) == (b"FDSTORE=1\nFDNAME=port", b"x")
    for descriptor in (reading, writing, received):
        os.close(descriptor)


def test_without_a_service_manager_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not sd_notify("READY=1")
    assert not sd_notify("READY=1", address=str(tmp_path / "gone"))


def test_a_manager_that_does_not_read_does_not_stop_the_agent(manager):
    while sd_notify("STATUS=" + "x" * 100_000):
        pass
    assert not sd_notify("STATUS=" + "x" * 100_000)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_time_is_read_from_the_environment(environ, seconds):
    assert watchdog_seconds(environ, pid=7) == seconds


def test_the_life_of_a_service_as_systemd_hears_it(manager):
    notifier = Notifier()
    notifier.ready("no identity yet")
    notifier.status("link up\n(mqtt)")
    notifier.status("link up\n(mqtt)")
    notifier.alive()
    notifier.stopping()
    assert heard(manager) == [
        "READY=1\nSTATUS=no identity yet",
        "STATUS=link up (mqtt)",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=stopping",
    ]


def test_it_pings_at_half_the_time_while_all_make_progress(manager):
    watchdog = Watchdog(Notifier(), interval=30.0)
    watchdog.register("link", 20.0, 0.0)
    pings = []
    for now in range(61):
        watchdog.beat("link", now)
        if watchdog.tick(now):
            pings.append(now)
    assert pings == [0, 15, 30, 45, 60]
    assert heard(manager) == ["WATCHDOG=1"] * 5


def test_it_stops_pinging_when_one_worker_stands_still_and_says_which_once(manager, caplog):
    watchdog = Watchdog(Notifier(), interval=10.0)
    watchdog.register("link", 20.0, 0.0)
    watchdog.register("scanner front", 5.0, 0.0)
    assert watchdog.tick(0.0)
    watchdog.beat("link", 10.0)
    assert [watchdog.tick(now) for now in (10.0, 11.0, 12.0)] == [False] * 3
    assert [(record.message, record.__dict__["worker"]) for record in caplog.records] == [
        ("worker makes no progress", "scanner front")
    ]
    watchdog.beat("scanner front", 13.0)
    assert watchdog.tick(13.0)
    assert caplog.records[-1].message == "worker makes progress again"


def test_a_worker_that_ended_is_not_waited_for(manager):
    watchdog = Watchdog(Notifier(), interval=10.0)
    watchdog.register("speech", 5.0, 0.0)
    watchdog.unregister("speech")
    watchdog.beat("speech", 1.0)
    assert watchdog.tick(100.0)


def test_without_a_watchdog_it_still_says_who_stands_still(manager, caplog):
    watchdog = Watchdog(Notifier(), interval=None)
    watchdog.register("link", 5.0, 0.0)
    assert not watchdog.tick(6.0)
    assert [record.message for record in caplog.records] == ["worker makes no progress"]
    assert heard(manager) == []
