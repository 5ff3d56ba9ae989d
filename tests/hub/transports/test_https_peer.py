"""HTTPS against a listener that forgets, refuses, and answers what it should not."""

from __future__ import annotations

import base64
import time
from urllib.parse import parse_qs

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.https import HttpsTransport
from tests.hub.transports.conftest import KEY
from tests.peers.http_peer import DROP, HTML, Answer, HttpPeer, answer, free_port, redirect

NOT_CONNECTED = {"error": "Client is not connected"}
COOKIE = "hivemind_http_replica"


class Listener(HttpPeer):
    """What a hub's listener does, without a hub: queues that are emptied by asking."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.sealed: list[str] = []
        self.cookies = {"Set-Cookie": f"{COOKIE}=replica-7; HttpOnly; Path=/; SameSite=Lax"}

    def respond(self, request):
        match request.path:
            case "/connect":
                return answer({"status": "Connected"}, headers=self.cookies)
            case "/disconnect":
                return answer({"error": "Already Disconnected"})
            case "/get_messages":
                texts, self.texts = self.texts, []
                return answer({"status": "messages retrieved", "messages": texts})
            case "/get_binary_messages":
                sealed, self.sealed = self.sealed, []
                return answer({"status": "messages retrieved", "b64_messages": sealed})
        return answer({"status": "message sent"})

    def says(self, *frames):
        for frame in frames:
            if isinstance(frame, str):
                self.texts.append(frame)
            else:
                self.sealed.append(base64.b64encode(frame).decode())

    def asked(self, path):
        return [request for request in self.requests if request.path == path]


def transport_to(url, **more):
    return HttpsTransport(url, KEY, user_agent="Test/1", **more)


@pytest.fixture
def peer():
    with Listener() as listener:
        yield listener


@pytest.fixture
def transport(peer):
    transport = transport_to(peer.url)
    transport.open(2)
    yield transport
    transport.abandon()


# ------------------------------------------------------------------------------------------------- opening


def test_an_older_connection_is_ended_before_a_new_one_is_asked_for(peer, transport):
    assert peer.lines == ["POST /disconnect", "POST /connect"]
    token = base64.b64encode(f"Test/1:{KEY}".encode()).decode()
    assert all(request.query == {"authorization": token} for request in peer.requests)
    assert {request.headers["user-agent"] for request in peer.requests} == {"Test/1"}


@pytest.mark.parametrize("status", [401, 403])
def test_an_unknown_key_is_refused(peer, status, fails):
    peer.put_in_the_way(answer({"error": "Invalid authorization"}, status), path="/connect")
    error = fails(transport_to(peer.url).open, 2)
    assert isinstance(error, CarrierClosed)
    assert (error.refused, error.status) == (True, status)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (HTML, Cause.CAPTIVE_PORTAL),
        (redirect("http://portal.invalid/"), Cause.CAPTIVE_PORTAL),
        (Answer(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html"), Cause.SERVER),
        (answer({"error": "Connection failed"}, 500), Cause.SERVER),
        (Answer(status=404, body=b"404 page not found", content_type="text/plain"), Cause.SERVER),
        (Answer(body=b"pong", content_type="text/plain"), Cause.PROTOCOL),
        (answer(["Connected"]), Cause.PROTOCOL),
        (answer({"error": "Connected, or not"}), Cause.PROTOCOL),
        (DROP, Cause.DROPPED),
    ],
)
def test_an_answer_that_is_no_connection_tells_what_stands_there(peer, said, cause, fails):
    peer.put_in_the_way(said, path="/connect")
    error = fails(transport_to(peer.url).open, 2)
    assert isinstance(error, CarrierFailed)
    assert error.cause is cause


def test_a_redirect_is_never_followed(peer, transport, fails):
    with Listener() as elsewhere:
        peer.put_in_the_way(redirect(f"{elsewhere.url}/get_messages"), path="/get_messages")
        fails(transport.receive, 2)
        assert elsewhere.requests == []


def test_a_port_where_nothing_listens(fails):
    assert fails(transport_to(f"http://127.0.0.1:{free_port()}").open, 2).cause is Cause.PORT_CLOSED


def test_opening_takes_no_longer_than_it_may(peer, fails):
    peer.put_in_the_way(Answer(delay=5), path="/disconnect")
    peer.put_in_the_way(Answer(delay=5), path="/connect")
    began = time.monotonic()
    assert fails(transport_to(peer.url).open, 0.6).cause is Cause.NO_ANSWER
    assert time.monotonic() - began < 1


def test_passwords_for_other_programs_are_not_sent(peer, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    transport = transport_to(peer.url)
    transport.open(2)
    transport.abandon()
    assert not any("authorization" in request.headers for request in peer.requests)


# ------------------------------------------------------------------------------------------------- affinity


def test_the_replicas_cookie_goes_back_and_no_other_does(peer):
    peer.cookies["Set-Cookie"] += ", tracker=1; Path=/"
    transport = transport_to(peer.url)
    transport.open(2)
    transport.send("hello")
    assert peer.asked("/send_message")[0].headers["cookie"] == f"{COOKIE}=replica-7"
    transport.abandon()


# ------------------------------------------------------------------------------------------------- frames


def test_text_goes_as_it_is_and_bytes_as_base64(peer, transport):
    transport.send('{"msg_type": "shake"}')
    transport.send(b"\x00\xff+/")
    texts, sealed = (parse_qs(request.body.decode()) for request in peer.asked("/send_message"))
    assert texts == {"message": ['{"msg_type": "shake"}']}
    assert sealed == {"message": [base64.b64encode(b"\x00\xff+/").decode()], "binary": ["1"]}


def test_the_negotiation_comes_before_what_was_sealed_behind_it(peer, transport):
    peer.says(b"sealed early", "hello", "shake")
    assert [transport.receive(2), transport.receive(2)] == ["hello", "shake"]
    transport.send(b"sealed")
    assert transport.receive(2) == b"sealed early"


def test_a_hub_that_starts_anew_is_heard_after_the_handshake_too(peer, transport):
    transport.send(b"sealed")
    peer.says("hello again")
    assert transport.receive(10) == "hello again"


def test_a_chunk_that_is_not_the_last_is_taken(peer, transport):
    peer.put_in_the_way(answer({"status": "buffered"}), path="/send_message")
    transport.send(b"half")


@pytest.mark.parametrize("items", [["not base64!"], [7], "text", {"0": "x"}])
def test_what_is_no_list_of_frames_breaks_the_protocol(peer, transport, items, fails):
    transport.send(b"sealed")
    peer.put_in_the_way(answer({"status": "messages retrieved", "b64_messages": items}), path="/get_binary")
    assert fails(transport.receive, 2).cause is Cause.PROTOCOL


def test_polls_are_close_after_traffic_and_rare_without(peer, transport):
    transport.send(b"sealed")
    began = time.monotonic()
    assert transport.receive(1.0) is None
    quick = len(peer.asked("/get_binary_messages"))
    assert 5 <= quick <= 12
    assert time.monotonic() - began < 1.3


def test_what_is_sent_is_asked_about_at_once(peer, transport):
    assert transport.receive(0) is None
    transport.send(b"question")
    peer.says(b"answer")
    began = time.monotonic()
    assert transport.receive(2) == b"answer"
    assert time.monotonic() - began < 0.09


def test_being_woken_ends_the_wait_between_polls(peer, transport, wake):
    transport.receive(0)
    began = time.monotonic()
    assert transport.receive(5, wake) is None
    assert time.monotonic() - began < 0.5


# ------------------------------------------------------------------------------------------------- its end


@pytest.mark.parametrize("path", ["/get_messages", "/send_message"])
@pytest.mark.parametrize(
    ("status", "body"),
    [(409, NOT_CONNECTED), (200, NOT_CONNECTED), (409, {"error": "No Noise session; reconnect and handshake"})],
)
def test_a_session_the_hub_does_not_have_is_gone(peer, transport, fails, *, path, status, body):
    peer.put_in_the_way(answer(body, status), path=path)
    error = fails(transport.send, "x") if path == "/send_message" else fails(transport.receive, 2)
    assert isinstance(error, CarrierClosed)
    assert (error.gone, error.refused, error.status, error.reason) == (True, False, status, body["error"])


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_revoked_meanwhile_is_refused(peer, transport, status, fails):
    peer.put_in_the_way(answer({"error": "Invalid authorization"}, status), path="/get_messages")
    assert fails(transport.receive, 2).refused


def test_a_key_in_an_answer_is_not_passed_on(peer, transport, fails):
    peer.put_in_the_way(answer({"error": f"no such key {KEY}"}, 403), path="/send_message")
    fails(transport.send, "x")


@pytest.mark.parametrize("said", [DROP, HTML, Answer(status=503, body=b"", content_type="text/plain")])
def test_an_answer_lost_on_the_way_ends_the_session(peer, transport, said, fails):
    peer.put_in_the_way(said, path="/get_messages")
    assert isinstance(fails(transport.receive, 2), CarrierFailed)


def test_a_send_that_is_not_answered_ends_in_time(peer, transport, fails):
    peer.put_in_the_way(Answer(delay=5), path="/send_message")
    began = time.monotonic()
    assert fails(transport.send, b"sealed", timeout=0.3).cause is Cause.NO_ANSWER
    assert time.monotonic() - began < 1


def test_closing_says_so_once_and_raises_nothing(peer, transport, fails):
    transport.close(2)
    transport.close(2)
    assert len(peer.asked("/disconnect")) == 2  # before the connection, and now
    fails(transport.send, "x")
    fails(transport.receive, 0)


def test_closing_what_does_not_answer_ends_in_time(peer, transport):
    peer.put_in_the_way(Answer(delay=5), path="/disconnect")
    began = time.monotonic()
    transport.close(0.3)
    assert time.monotonic() - began < 1


def test_abandoning_says_nothing(peer, transport):
    transport.abandon()
    transport.abandon()
    assert len(peer.asked("/disconnect")) == 1
