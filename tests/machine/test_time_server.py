from __future__ import annotations

import socket
import struct
import time

import pytest

from scripts.machine.time_server import TimeServer


def answered():
    with TimeServer(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"short", ("127.0.0.1", 123))
        client.sendto(bytes([0x23]) + bytes(39) + b"ORIGINAL", ("127.0.0.1", 123))
        return client.recv(128)


def test_it_tells_the_time_and_gives_back_what_it_was_asked_with():
    try:
        answer = answered()
    except OSError as error:
        pytest.skip(f"the port of time servers is not to be had: {error}")
    assert len(answer) == 48
    assert answer[0] & 7 == 4
    assert answer[24:32] == b"ORIGINAL"
    seconds, fraction = struct.unpack("!II", answer[40:48])
    assert abs(seconds - 2_208_988_800 + fraction / 2**32 - time.time()) < 10
    assert answered()  # the port is free again
