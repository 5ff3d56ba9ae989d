"""The WebSocket against a server that does what it should not."""

from __future__ import annotations

import base64
import struct
import threading
import time

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.wss import WssTransport
from tests.hub.transports.conftest import KEY
from tests.peers.http_peer import free_port
from tests.peers.websocket_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebsocketPeer, frame


def transport_to(url, **more):
    return WssTransport(url, KEY, user_agent="Test/1", **more)


@pytest.fixture
def pair():
    """An open transport and the server's side of it."""
    with WebsocketPeer() as peer:
        transport = transport_to(peer.url)
        transport.open(2)
        yield transport, peer.connection()
        transport.abandon()


def upgrade_refused(status, content_type="text/plain", more=""):
    body = b"<html>Sign in</html>"
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


# ------------------------------------------------------------------------------------------------- opening


def test_the_key_takes_the_place_of_any_other_and_the_rest_of_the_url_stays():
    with WebsocketPeer() as peer:
        transport = transport_to(f"{peer.url}/a/b?room=1&authorization=old&empty=#part")
        transport.open(2)
        far = peer.connection()
        transport.abandon()
    expected = base64.b64encode(f"Test/1:{KEY}".encode()).decode()
    assert far.path.startswith("/a/b?")
    assert far.query == {"room": ["1"], "empty": [""], "authorization": [expected]}
    assert far.headers["user-agent"] == "Test/1"
    assert not {"origin", "cookie", "sec-websocket-protocol", "sec-websocket-extensions"} & set(far.headers)


@pytest.mark.parametrize("status", [401, 403])
def test_an_upgrade_that_is_refused_says_so(status, fails):
    with WebsocketPeer(answer=upgrade_refused(status)) as peer:
        error = fails(transport_to(peer.url).open, 2)
    assert isinstance(error, CarrierClosed)
    assert (error.refused, error.status) == (True, status)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (upgrade_refused(500), Cause.SERVER),
        (upgrade_refused(404), Cause.SERVER),
        (upgrade_refused(502, "text/html"), Cause.SERVER),
        (upgrade_refused(200, "text/html; charset=utf-8"), Cause.CAPTIVE_PORTAL),
        (upgrade_refused(511, "text/html"), Cause.CAPTIVE_PORTAL),
        (upgrade_refused(302, "text/html", "Location: http://portal.invalid/\r\n"), Cause.CAPTIVE_PORTAL),
        (b"", Cause.DROPPED),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Cause.PROTOCOL),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", Cause.PROTOCOL),
    ],
)
def test_an_answer_that_is_no_upgrade_tells_what_stands_there(answer, cause, fails):
    with WebsocketPeer(answer=answer) as peer:
        error = fails(transport_to(peer.url).open, 2)
    assert isinstance(error, CarrierFailed)
    assert error.cause is cause


def test_a_redirect_is_never_followed(fails):
    with WebsocketPeer() as elsewhere:
        answer = upgrade_refused(307, more=f"Location: {elsewhere.url}\r\n")
        with WebsocketPeer(answer=answer) as peer:
            fails(transport_to(peer.url).open, 2)
        assert elsewhere._ready.empty()


def test_a_port_where_nothing_listens(fails):
    assert fails(transport_to(f"ws://localhost:{free_port()}").open, 2).cause is Cause.PORT_CLOSED


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_server_that_never_answers_is_given_up_in_time(scheme, silent_port, fails):
    began = time.monotonic()
    error = fails(transport_to(f"{scheme}://localhost:{silent_port}").open, 0.3)
    assert error.cause is Cause.NO_ANSWER
    assert time.monotonic() - began < 2


def test_a_name_that_cannot_be_one_is_not_found(fails):
    assert fails(transport_to("ws://a..b:80").open, 2).cause is Cause.DNS


def test_the_proxy_of_the_environment_is_used_and_can_refuse(monkeypatch, fails):
    with WebsocketPeer(answer=b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert fails(transport_to("wss://hub.invalid").open, 2).cause is Cause.NO_ROUTE
        monkeypatch.setenv("NO_PROXY", "localhost")
        with WebsocketPeer() as peer:
            transport = transport_to(peer.url)
            transport.open(2)
            transport.abandon()


# ------------------------------------------------------------------------------------------------- frames


def test_text_goes_in_the_clear_and_bytes_sealed_both_ways(pair):
    transport, far = pair
    transport.send("hello")
    transport.send(b"\x00\xff" * 40_000)
    assert far.receive() == (TEXT, b"hello")
    assert far.receive() == (BINARY, b"\x00\xff" * 40_000)
    far.send(TEXT, "h\u00e9llo".encode())
    far.send(BINARY, b"\x01" * 65_519)
    assert transport.receive(2) == "h\u00e9llo"
    assert transport.receive(2) == b"\x01" * 65_519
    assert transport.receive(0) is None


def test_a_message_in_pieces_is_whole_with_a_ping_in_between(pair):
    transport, far = pair
    far.send_raw(frame(BINARY, b"one ", final=False) + frame(PING, b"?") + frame(CONTINUATION, b"two"))
    assert transport.receive(2) == b"one two"
    assert far.receive() == (PONG, b"?")


def test_half_a_frame_neither_blocks_nor_is_lost(pair, wake):
    transport, far = pair
    whole = frame(BINARY, b"x" * 500)
    far.send_raw(whole[:3])
    assert transport.receive(0.1) is None
    far.send_raw(whole[3:200])
    began = time.monotonic()
    assert transport.receive(5, wake) is None
    assert time.monotonic() - began < 1
    far.send_raw(whole[200:])
    assert transport.receive(2) == b"x" * 500


def test_being_woken_ends_the_wait_at_once(pair, wake):
    transport, far = pair
    began = time.monotonic()
    assert transport.receive(5, wake) is None
    assert time.monotonic() - began < 1
    far.send(TEXT, b"first things first")
    assert transport.receive(2) == "first things first"


def test_a_message_larger_than_a_hub_would_take_is_refused_before_it_is_read(pair, fails):
    transport, far = pair
    far.send_raw(frame(BINARY, b"", claims=(10 << 20) + 1))
    assert fails(transport.receive, 2).cause is Cause.PROTOCOL


def test_pieces_that_add_up_to_too_much_are_refused(pair, fails):
    transport, far = pair

    def flood():
        try:
            far.send_raw(frame(BINARY, bytes(6 << 20), final=False))
            far.send_raw(frame(CONTINUATION, bytes(6 << 20)))
        except OSError:
            pass  # it hung up, as it should

    flooding = threading.Thread(target=flood)
    flooding.start()
    assert fails(transport.receive, 5).cause is Cause.PROTOCOL
    flooding.join(5)


@pytest.mark.parametrize(
    "nonsense", [b"\xf2\x01x", frame(3, b"x"), frame(TEXT, b"\xff\xfe"), frame(CONTINUATION, b"x")]
)
def test_what_is_no_websocket_breaks_the_protocol(pair, nonsense, fails):
    transport, far = pair
    far.send_raw(nonsense)
    assert fails(transport.receive, 2).cause is Cause.PROTOCOL


# ------------------------------------------------------------------------------------------------- its end


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (struct.pack("!H", 1000), 1000, ""),
        (struct.pack("!H", 1008) + b"invalid api key", 1008, "invalid api key"),
        (struct.pack("!H", 1011), 1011, ""),
        (struct.pack("!H", 4003) + b"BROADCAST is not allowed", 4003, "BROADCAST is not allowed"),
        (b"", 1005, ""),
    ],
)
def test_a_close_tells_its_code_and_reason_and_is_answered(pair, payload, code, reason, fails):
    transport, far = pair
    far.send(TEXT, b"said before")
    far.send(CLOSE, payload)
    assert transport.receive(2) == "said before"
    threading.Timer(0.05, far.drop).start()
    error = fails(transport.receive, 2)
    assert (error.code, error.reason, error.gone, error.refused) == (code, reason, False, False)
    assert error.code_late_seconds == 0
    assert far.receive()[0] == CLOSE


def test_an_end_without_a_close_frame_has_no_code(pair, fails):
    transport, far = pair
    far.drop()
    error = fails(transport.receive, 2)
    assert isinstance(error, CarrierClosed)
    assert error.code is None


def test_a_key_in_a_reason_is_not_passed_on(pair, fails):
    transport, far = pair
    far.send(CLOSE, struct.pack("!H", 1008) + f"invalid api key {KEY}\r\nx".encode())
    far.drop()
    assert "invalid api key" in fails(transport.receive, 2).reason


def test_a_send_that_meets_a_closed_connection_tells_why_it_was_closed(pair, fails):
    transport, far = pair
    far.send(CLOSE, struct.pack("!H", 1008) + b"unencrypted message rejected")
    far.close()

    def send_until_it_fails():
        for _ in range(1000):
            transport.send(b"x" * 1000)

    error = fails(send_until_it_fails)
    assert (error.code, error.reason) == (1008, "unencrypted message rejected")
    assert error.code_late_seconds < 0.25


def test_a_send_that_nobody_takes_ends_in_time_and_is_not_gone_on_with(pair, fails):
    transport, _ = pair
    began = time.monotonic()

    def flood():
        for _ in range(1000):
            transport.send(bytes(65_519), timeout=0.3)

    assert fails(flood).cause is Cause.NO_ANSWER
    assert time.monotonic() - began < 10
    assert fails(transport.send, b"behind half a frame").cause is Cause.DROPPED


def test_closing_says_1000_and_waits_for_the_answer(pair):
    transport, far = pair
    heard = []

    def answer():
        heard.append(far.receive())
        far.send(CLOSE, struct.pack("!H", 1000))

    answering = threading.Thread(target=answer)
    answering.start()
    transport.close(2)
    answering.join(2)
    assert heard == [(CLOSE, struct.pack("!H", 1000))]
    with pytest.raises(EOFError):
        far.receive()


def test_closing_what_does_not_answer_ends_in_time(pair, fails):
    transport, _ = pair
    began = time.monotonic()
    transport.close(0.2)
    assert time.monotonic() - began < 1
    transport.close(0.2)
    transport.abandon()
    fails(transport.send, "x")
    fails(transport.receive, 0)


def test_abandoning_says_nothing(pair):
    transport, far = pair
    transport.abandon()
    transport.abandon()
    with pytest.raises(EOFError):
        far.receive()


# ------------------------------------------------------------------------------------------------- heartbeat


@pytest.fixture
def beating():
    """A transport that pings after 0.1 s and waits 0.2 s for the pong."""
    with WebsocketPeer() as peer:
        transport = transport_to(peer.url, ping_seconds=0.1, pong_seconds=0.2)
        transport.open(2)
        yield transport, peer.connection()
        transport.abandon()


def test_a_peer_that_answers_no_ping_is_given_up(beating, fails):
    transport, far = beating
    began = time.monotonic()
    error = fails(transport.receive, 5)
    assert isinstance(error, CarrierClosed)
    assert error.code is None
    assert 0.25 < time.monotonic() - began < 2
    assert far.receive()[0] == PING


def test_pongs_keep_the_connection(beating):
    transport, far = beating
    pings = []

    def answer():
        for _ in range(3):
            opcode, payload = far.receive()
            pings.append(opcode)
            far.send(PONG, payload)
        far.send(TEXT, b"enough")

    answering = threading.Thread(target=answer)
    answering.start()
    assert transport.receive(5) == "enough"
    answering.join(2)
    assert pings == [PING] * 3


def test_a_pong_that_waited_for_a_busy_reader_counts(beating):
    transport, far = beating
    assert transport.receive(0.15) is None  # pings
    opcode, payload = far.receive()
    assert opcode == PING
    far.send(PONG, payload)
    far.send(TEXT, b"behind the pong")
    time.sleep(0.4)  # a reader that does something else for longer than a pong may take
    assert transport.receive(2) == "behind the pong"
