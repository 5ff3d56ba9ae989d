"""The HTTPS carrier against a listener that answers as the real one does, and worse."""

from __future__ import annotations

import time
from typing import Any

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.https import HttpsTransport
from tests.hub.transports.carriers import KEY, woken
from tests.peers.http_peer import DROP, HTML, Answer, answer
from tests.peers.responder import HubSide
from tests.peers.responder_servers import HttpHub

COOKIE = {"Set-Cookie": "hivemind_http_replica=replica-2; HttpOnly; Path=/; SameSite=Lax"}


def hear_all(carrier):
    while True:
        carrier.receive(5)


@pytest.fixture
def listener():
    with HttpHub(HubSide()) as server:
        yield server


@pytest.fixture
def carrier(listener):
    opened = HttpsTransport(listener.url, KEY, user_agent="Tests/1")
    opened.open(4)
    yield opened
    opened.abandon()


def test_what_a_crashed_client_left_is_ended_before_a_new_connection(listener, carrier):
    assert [request.path for request in listener.requests] == ["/disconnect", "/connect"]


def test_hello_and_offer_are_polled_and_the_sealed_queue_alone_once_a_sealed_frame_left(listener, carrier):
    assert [carrier.receive(5)[:1], carrier.receive(5)[:1]] == ["{", "{"]
    listener.put_in_the_way(answer({"status": "message sent"}), path="/send_message")
    carrier.send(b"sealed")
    listener.requests.clear()
    listener._sealed.append("c2VhbGVk")
    assert carrier.receive(5) == b"sealed"
    assert {request.path for request in listener.requests} == {"/get_binary_messages"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/get_messages", answer({"error": "Client is not connected"})),
        ("/get_binary_messages", answer({"error": "Client is not connected"})),
        ("/get_messages", answer({"error": "Client is not connected"}, 409)),
    ],
)
def test_a_hub_that_forgot_the_session_says_so_with_a_success(listener, carrier, path, said):
    listener.put_in_the_way(said, path=path)
    with pytest.raises(CarrierClosed) as caught:
        hear_all(carrier)
    assert caught.value.gone


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer({"error": "No Noise session; reconnect and handshake"}, 409), "gone"),
        (answer({"error": "Client is not connected"}, 409), "gone"),
        (answer({"error": "Invalid authorization"}, 403), "refused"),
        (answer({"error": "Malformed binary frame"}, 400), Cause.PROTOCOL),
        (answer({"error": "Message sending failed"}, 500), Cause.SERVER),
        (answer(["no", "object"]), Cause.PROTOCOL),
        (Answer(body=b"not json"), Cause.PROTOCOL),
        (HTML, Cause.CAPTIVE_PORTAL),
        (DROP, Cause.DROPPED),
    ],
    ids=["no session", "not connected", "refused", "malformed", "failed", "list", "no json", "portal", "dropped"],
)
def test_each_answer_to_a_frame_has_its_meaning(listener, carrier, said, kind):
    listener.put_in_the_way(said, path="/send_message")
    with pytest.raises((CarrierClosed, CarrierFailed)) as caught:
        carrier.send(b"frame")
    error: Any = caught.value
    assert getattr(error, kind) if isinstance(error, CarrierClosed) else error.cause is kind
    assert error.__cause__ is None
    assert "authorization=" not in str(error)


def test_a_chunk_that_is_not_the_last_is_buffered_there(listener, carrier):
    listener.put_in_the_way(answer({"status": "buffered"}), path="/send_message")
    carrier.send(b"chunk")


def test_an_answer_that_never_comes_ends_the_session(listener, carrier):
    listener.put_in_the_way(Answer(body=b"{}", delay=5), path="/send_message")
    began = time.monotonic()
    with pytest.raises(CarrierFailed) as caught:
        carrier.send(b"frame", timeout=0.3)
    assert (caught.value.cause, time.monotonic() - began < 1) == (Cause.NO_ANSWER, True)


def test_a_frame_that_is_no_base64_is_the_hubs_mistake(listener, carrier):
    listener._sealed.append("*")
    with pytest.raises(CarrierFailed) as caught:
        hear_all(carrier)
    assert caught.value.cause is Cause.PROTOCOL


def test_the_replicas_cookie_goes_back_and_no_other_also_on_the_next_connection(listener):
    affinity: dict[str, str] = {}
    listener.put_in_the_way(answer({"status": "Connected"}, headers=COOKIE), path="/connect", processed=True)
    listener.put_in_the_way(
        answer({"status": "messages retrieved", "messages": []}, headers={"Set-Cookie": "tracking=1"}),
        path="/get_messages",
    )
    first = HttpsTransport(listener.url, KEY, user_agent="Tests/1", affinity=affinity)
    first.open(4)
    first.receive(5)
    first.abandon()
    second = HttpsTransport(listener.url, KEY, user_agent="Tests/1", affinity=affinity)
    second.open(4)
    second.close()
    cookies = [request.headers.get("cookie") for request in listener.requests]
    assert cookies == [None, None, *["hivemind_http_replica=replica-2"] * (len(cookies) - 2)]


def test_polls_are_frequent_after_traffic_and_rare_in_silence(listener, carrier):
    while carrier.receive(0.3):
        pass
    carrier._quick_until = 0.0
    carrier.receive(0.2)
    listener.requests.clear()
    carrier.receive(2.2)
    assert 2 <= len(listener.requests) <= 6


def test_waiting_ends_when_woken(carrier):
    while carrier.receive(0.2):
        pass
    with woken() as wake:
        began = time.monotonic()
        assert carrier.receive(10, wake) is None
        assert time.monotonic() - began < 1


def test_closing_disconnects_and_may_be_repeated(listener, carrier):
    carrier.close()
    carrier.close()
    assert [request.path for request in listener.requests][-1] == "/disconnect"
    with pytest.raises(CarrierFailed):
        carrier.receive(0)


def test_closing_takes_no_longer_than_it_may(listener, carrier):
    listener.put_in_the_way(Answer(body=b"{}", delay=5), path="/disconnect")
    began = time.monotonic()
    carrier.close(0.3)
    assert time.monotonic() - began < 1
