"""Loopback ports that stay ours while a process behind them is dead."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on now.

    Taken from below the range of outgoing connections (32768 and up on Linux): while the hub is dead, a client that
    dials an address in that range again and again is given the very same port for its own end one day, and then
    either talks to itself or keeps the hub from coming back.
    """
    while True:
        port = random.randrange(20000, 32000)
        try:
            with socket.create_server((HOST, port)):
                return port
        except OSError:
            continue


def accepts(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
