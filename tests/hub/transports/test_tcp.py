"""Reaching one of several addresses, and what the environment says of proxies."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from agent.hub.transports.tcp import connect, connect_any, proxy_for
from tests.peers.http_peer import free_port


def addresses(*targets):
    return [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))
        for host, port in targets
    ]


@pytest.fixture
def swallowing_port():
    """A port of 127.0.0.2 that answers nothing, as behind a firewall: its backlog is full."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield listener.getsockname()[1]


def test_an_address_that_swallows_everything_does_not_keep_from_the_next_one(swallowing_port):
    with socket.create_server(("127.0.0.1", 0)) as alive:
        began = time.monotonic()
        connection = connect_any(addresses(("127.0.0.2", swallowing_port), alive.getsockname()), 1.0)
        assert connection.getpeername() == alive.getsockname()
        assert 0.4 < time.monotonic() - began < 0.9
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


def test_all_addresses_together_take_no_longer_than_one_may(swallowing_port):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        connect_any(addresses(*[("127.0.0.2", swallowing_port)] * 4), 0.4)
    assert time.monotonic() - began < 0.8


def test_the_failure_that_says_most_is_the_one_told():
    no_route = ("ff02::1", 9)  # TCP to a group of machines: there never is one
    with pytest.raises(ConnectionRefusedError):
        connect_any(addresses(no_route, ("127.0.0.1", free_port())), 1.0)


def test_no_address_at_all_is_an_error_like_any_other():
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what counts
        connect_any([], 1.0)
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_a_name_is_looked_up():
    with socket.create_server(("127.0.0.1", 0)) as alive, connect("localhost", alive.getsockname()[1], 1.0) as found:
        assert found.getpeername() == alive.getsockname()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://proxy:1"}, None),
        ({"HTTPS_PROXY": "http://proxy:1"}, ("proxy", 1)),
        ({"https_proxy": "proxy:2"}, ("proxy", 2)),
        ({"ALL_PROXY": "http://u:p@proxy:3"}, ("proxy", 3)),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "other,example.org"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "example.com"}, ("proxy", 1)),
    ],
)
def test_the_environment_names_the_proxy_and_the_exceptions(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for("hub.example.org")
    assert (found and (found.hostname, found.port)) == expected
