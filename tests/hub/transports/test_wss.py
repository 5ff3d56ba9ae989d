"""The WebSocket carrier against a server that closes, breaks off, stalls and says things in pieces."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.wss import with_authorization
from tests.hub.transports.carriers import transport, woken
from tests.peers.proxy import DOWN, TcpProxy
from tests.peers.responder import HubSide
from tests.peers.responder_servers import WebsocketHub
from tests.peers.rig.ports import HOST
from tests.peers.waiting import eventually

TEXT, BINARY, CONTINUED, CLOSE, PING = 1, 2, 0, 8, 9


def frame(opcode, payload=b"", *, final=True):
    size = bytes((len(payload),)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    return bytes((0x80 * final | opcode,)) + size + payload


def hear_all(carrier):
    carrier.open(2)
    while True:
        carrier.receive(2)


@contextmanager
def opened():
    """A carrier, and the server's end of its connection, past HELLO and offer."""
    with WebsocketHub(HubSide()) as server:
        carrier = transport("wss", server.port)
        carrier.open(4)
        assert [carrier.receive(5)[:1], carrier.receive(5)[:1]] == ["{", "{"]
        try:
            yield carrier, server._sockets[-1]
        finally:
            carrier.abandon()


def test_the_credentials_take_the_place_of_those_in_the_url():
    url = with_authorization("wss://hub.example/way?a=1&authorization=old#part", "Agent/1", "key")
    assert url == "wss://hub.example/way?a=1&authorization=QWdlbnQvMTprZXk%3D"


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (struct.pack("!H", 1008) + b"invalid api key", 1008, "invalid api key"),
        (struct.pack("!H", 1001), 1001, ""),
        (struct.pack("!H", 4003) + b"BROADCAST is not allowed", 4003, "BROADCAST is not allowed"),
        (b"", 1005, ""),
        (bytes(2), 1005, ""),
    ],
)
def test_a_close_is_told_with_its_code_and_its_reason(payload, code, reason):
    with opened() as (carrier, far_end):
        far_end.sendall(frame(CLOSE, payload))
        with pytest.raises(CarrierClosed) as caught:
            carrier.receive(5)
        assert (caught.value.code, caught.value.reason) == (code, reason)


def test_an_end_without_a_close_frame_has_no_code():
    with opened() as (carrier, far_end):
        far_end.shutdown(socket.SHUT_RDWR)
        with pytest.raises(CarrierClosed) as caught:
            carrier.receive(5)
        assert caught.value.code is None


def test_what_was_said_before_the_close_is_handed_out_first():
    with opened() as (carrier, far_end):
        far_end.sendall(frame(BINARY, b"one") + frame(TEXT, b"two") + frame(CLOSE, struct.pack("!H", 1000)))
        assert [carrier.receive(5), carrier.receive(5)] == [b"one", "two"]
        with pytest.raises(CarrierClosed):
            carrier.receive(5)


def test_a_message_in_many_frames_with_a_ping_between_them_is_one():
    with opened() as (carrier, far_end):
        pieces = (frame(BINARY, b"a", final=False), frame(PING, b"?"), frame(CONTINUED, b"b", final=False))
        far_end.sendall(b"".join(pieces) + frame(CONTINUED, b"c"))
        assert carrier.receive(5) == b"abc"


def test_a_frame_that_comes_in_pieces_holds_nobody_and_is_read_whole():
    with opened() as (carrier, far_end):
        whole = frame(BINARY, bytes(300))
        for byte in whole[:-1]:
            far_end.sendall(bytes((byte,)))
            assert carrier.receive(0) is None
        with woken() as wake:
            began = time.monotonic()
            assert carrier.receive(10, wake) is None
            assert time.monotonic() - began < 1
        far_end.sendall(whole[-1:])
        assert carrier.receive(5) == bytes(300)


@pytest.mark.parametrize("count", range(1, 12))
def test_a_connection_cut_at_any_byte_of_a_frame_is_an_end(count):
    with opened() as (carrier, far_end):
        far_end.sendall(frame(BINARY, b"123456789")[:count])
        far_end.shutdown(socket.SHUT_RDWR)
        if count == 11:
            assert carrier.receive(5) == b"123456789"
        with pytest.raises(CarrierClosed):
            carrier.receive(5)


@pytest.mark.parametrize("cut", [1, 60, 130, 200])
@pytest.mark.parametrize("reset", [False, True])
def test_a_connection_cut_within_the_upgrade_is_a_failure(cut, reset):
    with WebsocketHub(HubSide()) as server, TcpProxy(server.port) as network:
        network.cut_after(cut, direction=DOWN, reset=reset)
        carrier = transport("wss", network.port)
        with pytest.raises((CarrierFailed, CarrierClosed)):
            hear_all(carrier)


def test_the_last_words_of_a_hub_that_closed_are_read_when_sending_fails():
    with opened() as (carrier, far_end):
        far_end.sendall(frame(CLOSE, struct.pack("!H", 1008) + b"handshake failure"))
        far_end.shutdown(socket.SHUT_RDWR)

        def send():
            carrier.send(b"more")

        with pytest.raises(CarrierClosed) as caught:
            eventually(send, timeout=2)
        assert (caught.value.code, caught.value.reason) == (1008, "handshake failure")


def test_nonsense_ends_the_connection():
    with opened() as (carrier, far_end):
        far_end.sendall(b"\xff" * 20)
        with pytest.raises((CarrierFailed, CarrierClosed)):
            carrier.receive(5)


def test_a_message_without_an_end_is_refused_before_it_fills_the_memory():
    with opened() as (carrier, far_end):

        def flood():
            part = bytes((0,)) + struct.pack("!BQ", 127, 1 << 20) + bytes(1 << 20)
            try:
                for _ in range(64):
                    far_end.sendall(part)
            except OSError:
                pass

        far_end.sendall(frame(BINARY, b"", final=False))
        thread = threading.Thread(target=flood)
        thread.start()
        with pytest.raises(CarrierFailed) as caught:
            carrier.receive(20)
        thread.join()
        assert caught.value.cause is Cause.PROTOCOL


def test_a_single_frame_announced_larger_than_any_is_refused_unread():
    with opened() as (carrier, far_end):
        far_end.sendall(bytes((0x82,)) + struct.pack("!BQ", 127, 1 << 40))
        with pytest.raises(CarrierFailed) as caught:
            carrier.receive(5)
        assert caught.value.cause is Cause.PROTOCOL


def test_sending_to_somebody_who_reads_nothing_ends_in_time():
    with socket.create_server((HOST, 0)) as listener:

        def upgrade():
            import base64
            import hashlib
            import re

            connection, _ = listener.accept()
            asked = connection.recv(4096).decode()
            (key,) = re.findall(r"Sec-WebSocket-Key: (\S+)", asked)
            digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
            )
            kept.append(connection)

        kept: list[socket.socket] = []
        thread = threading.Thread(target=upgrade)
        thread.start()
        carrier = transport("wss", listener.getsockname()[1])
        carrier.open(4)
        thread.join()

        def flood():
            for _ in range(1000):
                carrier.send(bytes(65_000), timeout=0.3)

        with pytest.raises(CarrierFailed) as caught:
            flood()
        assert caught.value.cause is Cause.NO_ANSWER
        began = time.monotonic()
        carrier.close(0.5)
        assert time.monotonic() - began < 2
        kept[0].close()


def test_waiting_ends_when_woken_and_at_the_deadline():
    with opened() as (carrier, _), woken() as wake:
        began = time.monotonic()
        assert carrier.receive(10, wake) is None
        assert carrier.receive(0.2) is None
        assert 0.2 <= time.monotonic() - began < 1


def test_closing_says_goodbye_and_may_be_repeated():
    with opened() as (carrier, _):
        began = time.monotonic()
        carrier.close(2)
        carrier.close(2)
        carrier.abandon()
        assert time.monotonic() - began < 1.5
        with pytest.raises(CarrierFailed):
            carrier.receive(0)
