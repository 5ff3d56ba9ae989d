from __future__ import annotations

import os
import select
import shutil
import socket
import struct
import subprocess
import sys

import pytest

from agent.hub.surroundings import Change, NetworkNews, Surroundings

RUNNING, LOOPBACK = 0x40, 0x8


def announced(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def link(index, flags, kind=16):
    return announced(kind, struct.pack("=BxHiII", 0, 1, index, flags, 0))


def address(index, text, kind=20):
    raw = socket.inet_pton(socket.AF_INET, text)
    return announced(kind, struct.pack("=BBBBI", 2, 24, 0, 0, index) + struct.pack("=HH", 8, 1) + raw)


def test_a_carrier_that_comes_or_goes_is_news_and_its_repetition_is_none():
    news = NetworkNews()
    told = [news.read(link(2, flags)) for flags in (RUNNING, RUNNING, 0, 0, RUNNING)]
    assert told == [True, False, True, False, True]


def test_an_interface_taken_away_is_news():
    news = NetworkNews()
    news.read(link(2, RUNNING))
    assert news.read(link(2, RUNNING, kind=17))


def test_an_address_that_is_refreshed_is_no_news_and_one_that_changes_is():
    news = NetworkNews()
    told = [
        news.read(address(2, "192.0.2.1")),
        news.read(address(2, "192.0.2.1")),
        news.read(address(2, "192.0.2.1", kind=21)),
        news.read(address(2, "192.0.2.7")),
    ]
    assert told == [True, False, True, True]


def test_the_loopback_interface_is_no_news():
    assert not NetworkNews().read(link(1, RUNNING | LOOPBACK))


def test_several_announcements_in_one_datagram_are_all_read():
    news = NetworkNews()
    news.read(link(2, RUNNING))
    assert news.read(link(2, RUNNING) + address(2, "192.0.2.1"))


def test_announcements_cut_short_anywhere_are_no_news_and_no_failure():
    whole = address(2, "192.0.2.1")
    for length in range(len(whole)):
        assert not NetworkNews().read(whole[:length])


def test_nothing_has_changed_until_something_does():
    surroundings = Surroundings()
    assert surroundings.descriptors
    surroundings.changes()
    assert Change.CLOCK not in surroundings.changes()
    surroundings.close()
    surroundings.close()
    assert surroundings.descriptors == ()
    assert surroundings.changes() == set()


WATCHER = """
import select, subprocess, sys
from agent.hub.surroundings import Change, Surroundings
watch = Surroundings()
subprocess.run(["ip", "link", "add", "test0", "type", "veth", "peer", "name", "test1"], check=True)
for end in ("test0", "test1"):
    subprocess.run(["ip", "link", "set", end, "up"], check=True)
subprocess.run(["ip", "address", "add", "192.0.2.1/24", "dev", "test0"], check=True)
poll = select.poll()
for descriptor in watch.descriptors:
    poll.register(descriptor, select.POLLIN)
assert poll.poll(5000)
sys.exit(0 if watch.changes() == {Change.NETWORK} else 1)
"""


def test_the_kernels_own_announcements_are_understood():
    unshare = shutil.which("unshare")
    if os.getuid() != 0 or unshare is None or shutil.which("ip") is None:
        pytest.skip("a network of one's own needs root, unshare and ip")
    if subprocess.run([unshare, "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody have a network of their own")
    made = subprocess.run([unshare, "-n", "ip", "link", "add", "t0", "type", "veth"], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("this kernel has no pairs of interfaces")
    ran = subprocess.run([unshare, "-n", sys.executable, "-c", WATCHER], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_descriptor_can_be_waited_for_with_others():
    surroundings = Surroundings()
    surroundings.changes()
    with select.epoll() as waiter:
        for descriptor in surroundings.descriptors:
            waiter.register(descriptor, select.EPOLLIN)
        assert waiter.fileno() > 0
    surroundings.close()
