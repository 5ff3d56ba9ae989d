"""The three carriers against a real hub and broker: the start of the negotiation, and what breaks it."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.https import HttpsTransport
from agent.hub.transports.mqtt import MqttTransport
from agent.hub.transports.wss import WssTransport
from tests.hub.transports.conftest import KEY
from tests.peers.waiting import eventually

CARRIERS = ["mqtt", "wss", "https"]
each_carrier = pytest.mark.parametrize("carrier", CARRIERS)
HELLO = json.dumps(
    {"msg_type": "hello", "payload": {"session": {"session_id": "transports"}, "site_id": "site-1"}, "metadata": {}}
)


@pytest.fixture
def carriers(hub):
    """Make transports for the hub's device; abandoned at the end."""
    made: list[Any] = []
    identity = json.loads(hub.identity().read_text())
    broker = identity["mqtt"]

    def make(carrier, *, key=identity["access_key"], password=broker["password"], previous=Previous.LOST):
        endpoint = identity["data_plane_endpoints"][carrier]
        match carrier:
            case "wss":
                transport: Any = WssTransport(endpoint, key, user_agent="Test/1")
            case "https":
                transport = HttpsTransport(endpoint, key, user_agent="Test/1")
            case _:
                transport = MqttTransport(
                    host="localhost",
                    port=urlsplit(endpoint).port,
                    tls=True,
                    username=broker["username"],
                    password=password,
                    topic_base=f"hivemind/{key}",
                    qos=1,
                    client_id="transports",
                    previous=previous,
                )
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.abandon()


@pytest.fixture
def onlooker(hub):
    """Another client with the hub's account, that hears the device's status: (payload, retained)."""
    heard: queue.SimpleQueue[tuple[bytes | bytearray, bool]] = queue.SimpleQueue()
    ready = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("hub", hub.broker.hub_password)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.put((message.payload, message.retain))
    client.connect("127.0.0.1", hub.broker.hub_port)
    client.loop_start()
    client.subscribe(f"hivemind/{hub.devices[0].access_key}/status", 1)
    assert ready.wait(5)
    yield client, heard
    client.disconnect()
    client.loop_stop()


def greeting(transport):
    """What the hub says first: the types of its HELLO and of its offer."""
    if transport.speaks_first:
        transport.send(HELLO)
    return [json.loads(transport.receive(5))["msg_type"] for _ in range(2)]


@each_carrier
def test_the_hub_says_hello_and_makes_its_offer(carrier, carriers):
    transport = carriers(carrier)
    transport.open(4)
    assert greeting(transport) == ["hello", "shake"]
    assert transport.receive(0) is None


@each_carrier
def test_whatever_the_last_connection_left_behind_the_next_one_is_greeted(carrier, carriers):
    for _ in range(3):
        transport = carriers(carrier)
        transport.open(4)
        assert greeting(transport) == ["hello", "shake"]
        transport.abandon()


def test_after_a_goodbye_the_hub_holds_nothing(carriers, hub):
    transport = carriers("mqtt")
    transport.open(4)
    greeting(transport)
    transport.close(2)
    eventually(lambda: not hub.clients(1), timeout=5, what="the hub forgetting the device")


def test_an_unknown_key_is_refused_over_wss_and_https(carriers, fails):
    transport = carriers("wss", key=KEY)
    transport.open(4)
    closed = fails(transport.receive, 5)
    assert (closed.code, closed.reason) == (1008, "invalid api key")
    refused = fails(carriers("https", key=KEY).open, 4)
    assert (refused.refused, refused.status) == (True, 403)


def test_a_wrong_broker_password_is_told_by_the_broker(carriers, fails):
    error = fails(carriers("mqtt", password="guessed").open, 4)
    assert isinstance(error, CarrierFailed)
    assert error.cause is Cause.BROKER_REFUSED


def test_a_frame_the_hub_cannot_read_ends_the_session(carriers, fails):
    transport = carriers("wss")
    transport.open(4)
    greeting(transport)
    transport.send(b"sealed by nobody")
    assert fails(transport.receive, 5).code == 1008
    transport = carriers("https")
    transport.open(4)
    greeting(transport)
    assert fails(transport.send, b"sealed by nobody").gone


@each_carrier
def test_being_woken_does_not_wait_for_the_hub(carrier, carriers):
    transport = carriers(carrier)
    transport.open(4)
    greeting(transport)
    wake = os.eventfd(0)
    threading.Timer(0.1, os.eventfd_write, (wake, 1)).start()
    began = time.monotonic()
    while transport.receive(5, wake) is not None:
        pass
    assert time.monotonic() - began < 2
    os.close(wake)


def test_a_hub_that_dies_takes_its_websockets_and_http_sessions_along(hub, carriers, fails):
    wss, https = carriers("wss"), carriers("https")
    wss.open(4)
    https.open(4)
    greeting(wss)
    hub.core.kill()
    assert isinstance(fails(wss.receive, 5), CarrierClosed)
    assert fails(https.receive, 5).cause in {Cause.PORT_CLOSED, Cause.DROPPED}
    assert fails(carriers("wss").open, 4).cause is Cause.PORT_CLOSED
    hub.core.start()
    assert greeting_of_new(carriers, "https") == ["hello", "shake"]


def test_a_frozen_hub_is_given_up_in_time(hub, carriers, fails):
    hub.core.pause()
    for carrier in ("wss", "https"):
        began = time.monotonic()
        assert fails(carriers(carrier).open, 0.5).cause is Cause.NO_ANSWER
        assert time.monotonic() - began < 2


def test_a_frozen_broker_is_given_up_in_time_and_a_dead_one_at_once(hub, carriers, fails):
    transport = carriers("mqtt")
    transport.open(4)
    hub.broker.pause()
    assert fails(carriers("mqtt").open, 0.5).cause is Cause.NO_ANSWER
    began = time.monotonic()
    transport.close(0.3)
    assert time.monotonic() - began < 1
    hub.broker.resume()
    transport = carriers("mqtt")
    transport.open(4)
    hub.broker.kill()
    fails(transport.receive, 5)
    assert fails(carriers("mqtt").open, 4).cause is Cause.PORT_CLOSED


def test_the_status_says_online_offline_and_what_the_will_says(carriers, onlooker):
    _, heard = onlooker
    transport = carriers("mqtt", previous=Previous.GOODBYE)
    transport.open(4)
    transport.announce()
    assert next_status(heard) == b"online"
    transport.close(2)
    assert next_status(heard) == b"offline"
    transport = carriers("mqtt", previous=Previous.GOODBYE)
    transport.open(4)
    transport.announce()
    assert next_status(heard) == b"online"
    transport.abandon()
    assert next_status(heard) == b"offline"


def test_an_offline_of_somebody_else_ends_the_session_and_ours_does_not(carriers, onlooker, hub, fails):
    client, _ = onlooker
    transport = carriers("mqtt")
    transport.open(4)
    assert greeting(transport) == ["hello", "shake"]
    transport.announce()
    assert transport.receive(0.3) is None
    client.publish(f"hivemind/{hub.devices[0].access_key}/status", "offline", qos=1)
    assert fails(transport.receive, 5).gone


def next_status(heard):
    """The next word that is said now, not kept from before."""
    while True:
        payload, retained = heard.get(timeout=5)
        if not retained:
            return payload


def greeting_of_new(carriers, carrier):
    transport = carriers(carrier)
    transport.open(4)
    return greeting(transport)
