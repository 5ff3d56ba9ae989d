"""MQTT against a broker that refuses, falls silent or stops reading."""

from __future__ import annotations

import threading
import time

import pytest

from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.mqtt import MqttTransport
from tests.hub.transports.conftest import KEY, PASSWORD
from tests.peers.http_peer import free_port
from tests.peers.mqtt_peer import MqttPeer

BASE = f"hivemind/{KEY}"
IN, OUT, STATUS = f"{BASE}/in", f"{BASE}/out", f"{BASE}/status"


def transport_to(port, **more):
    options = {
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "username": KEY,
        "password": PASSWORD,
        "topic_base": BASE,
        "qos": 1,
        "client_id": "device-1",
        "previous": Previous.GOODBYE,
    }
    return MqttTransport(**{**options, **more})


@pytest.fixture
def open_to():
    """Open a transport to a peer; abandoned at the end."""
    opened = []

    def open_it(peer, **more):
        transport = transport_to(peer.port, **more)
        opened.append(transport)
        transport.open(2)
        return transport

    yield open_it
    for transport in opened:
        transport.abandon()


# ------------------------------------------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (2, Cause.BROKER_REFUSED),
        (3, Cause.SERVER),
        (4, Cause.BROKER_REFUSED),
        (5, Cause.BROKER_REFUSED),
    ],
)
def test_a_refusal_of_the_broker_is_told_from_a_broker_that_cannot(code, cause, fails):
    with MqttPeer(connack=code) as broker:
        error = fails(transport_to(broker.port).open, 2)
    assert isinstance(error, CarrierFailed)
    assert error.cause is cause


def test_a_device_that_may_not_hear_its_hub_is_refused(fails):
    with MqttPeer(suback=(0x80, 1)) as broker:
        assert fails(transport_to(broker.port).open, 2).cause is Cause.BROKER_REFUSED


def test_hearing_the_status_is_not_needed(open_to):
    with MqttPeer(suback=(1, 0x80)) as broker:
        transport = open_to(broker, previous=Previous.LOST)
        broker.publish(OUT, b"{}")
        assert transport.receive(2) == b"{}"


@pytest.mark.parametrize("silence", [{"connack": None}, {"suback": None}])
def test_a_broker_that_falls_silent_is_given_up_in_time(silence, fails):
    with MqttPeer(**silence) as broker:
        began = time.monotonic()
        assert fails(transport_to(broker.port).open, 0.3).cause is Cause.NO_ANSWER
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_port_where_nobody_speaks_is_given_up_in_time(tls, silent_port, fails):
    began = time.monotonic()
    assert fails(transport_to(silent_port, tls=tls).open, 0.3).cause is Cause.NO_ANSWER
    assert time.monotonic() - began < 2


def test_a_port_where_nothing_listens(fails):
    assert fails(transport_to(free_port()).open, 2).cause is Cause.PORT_CLOSED


def test_a_broker_that_hangs_up_while_we_say_hello(fails):
    with MqttPeer(connack=None) as broker:
        threading.Timer(0.1, broker.drop).start()
        assert fails(transport_to(broker.port).open, 2).cause is Cause.DROPPED


def test_previous_the_hub_is_made_to_forget_first_and_what_it_said_before_is_dropped(open_to):
    with MqttPeer(echoes=True) as broker:
        opened = threading.Event()

        def older_session():
            assert broker.published() == (STATUS, b"offline", 1, True)
            broker.publish(OUT, b"of an older session")
            broker.publish(STATUS, b"offline")
            opened.set()

        threading.Thread(target=older_session).start()
        transport = open_to(broker, previous=Previous.LOST)
        assert opened.wait(2)
        broker.publish(OUT, b"of this one")
        assert transport.receive(2) == b"of this one"


def test_a_new_device_that_may_not_hear_the_status_pauses(open_to):
    with MqttPeer(suback=(1, 0x80)) as broker:
        began = time.monotonic()
        open_to(broker, previous=Previous.NONE)
        assert time.monotonic() - began >= 1.0


def test_without_doubt_nothing_is_published_and_nothing_waited_for(open_to):
    with MqttPeer() as broker:
        began = time.monotonic()
        transport = open_to(broker)
        assert time.monotonic() - began < 0.4
        transport.send("hello")
        assert broker.published() == (IN, b"hello", 1, False)


# ------------------------------------------------------------------------------------------------- frames


def test_frames_leave_in_order_without_waiting_for_the_broker(open_to):
    with MqttPeer(acknowledges=False) as broker:
        transport = open_to(broker)
        frames = [b"%d" % number for number in range(50)]
        for frame in frames:
            transport.send(frame)
        assert [broker.published()[1] for _ in frames] == frames


@pytest.mark.parametrize("qos", [0, 1])
def test_frames_go_out_at_the_quality_the_identity_says(qos, open_to):
    with MqttPeer() as broker:
        transport = open_to(broker, qos=qos)
        transport.send(b"sealed")
        assert broker.published() == (IN, b"sealed", qos, False)


def test_what_comes_is_bytes_in_order_and_other_topics_are_not_the_hubs(open_to):
    with MqttPeer() as broker:
        transport = open_to(broker)
        broker.publish("somebody/else", b"not ours")
        broker.publish(OUT, b'{"msg_type": "hello"}')
        broker.publish(OUT, bytes(65_519))
        assert transport.receive(2) == b'{"msg_type": "hello"}'
        assert transport.receive(2) == bytes(65_519)
        assert transport.receive(0) is None


def test_being_woken_ends_the_wait_at_once(open_to, wake):
    with MqttPeer() as broker:
        transport = open_to(broker)
        began = time.monotonic()
        assert transport.receive(5, wake) is None
        assert time.monotonic() - began < 1


def test_a_broker_that_takes_nothing_is_given_up_in_time_even_while_it_talks(open_to, fails):
    with MqttPeer(reads=False) as broker:
        transport = open_to(broker)
        talking = threading.Event()

        def talk():
            try:
                while not talking.wait(0.005):
                    broker.publish(OUT, b"and another thing")
            except OSError:
                pass

        talker = threading.Thread(target=talk)
        talker.start()

        def flood():
            for _ in range(2000):
                transport.send(bytes(65_519), timeout=0.3)

        began = time.monotonic()
        assert fails(flood).cause is Cause.NO_ANSWER
        assert time.monotonic() - began < 10
        talking.set()
        talker.join(2)
        assert fails(transport.send, b"behind half a frame")


def test_a_hub_that_floods_is_heard_to_the_end(open_to):
    with MqttPeer() as broker:
        transport = open_to(broker)
        numbers = range(6000)

        def flood():
            for number in numbers:
                broker.publish(OUT, b"%d" % number)

        flooding = threading.Thread(target=flood)
        flooding.start()
        assert [int(transport.receive(2)) for _ in numbers] == list(numbers)
        flooding.join(2)


# ------------------------------------------------------------------------------------------------- its end


def test_an_offline_that_is_not_ours_means_the_hub_forgot_us(open_to, fails):
    with MqttPeer() as broker:
        transport = open_to(broker)
        broker.publish(OUT, b"said before")
        broker.publish(STATUS, b"offline")
        assert transport.receive(2) == b"said before"
        error = fails(transport.receive, 2)
        assert isinstance(error, CarrierClosed)
        assert error.gone


def test_a_retained_offline_and_the_echo_of_ours_mean_nothing(open_to):
    with MqttPeer(echoes=True) as broker:
        transport = open_to(broker, previous=Previous.LOST)
        broker.publish(STATUS, b"offline", retain=True)
        transport.announce()
        broker.publish(OUT, b"still here")
        assert transport.receive(2) == b"still here"


def test_an_echo_that_comes_late_is_still_ours(open_to):
    with MqttPeer() as broker:
        transport = open_to(broker, previous=Previous.LOST)
        broker.publish(STATUS, b"offline")
        broker.publish(OUT, b"still here")
        assert transport.receive(2) == b"still here"


def test_announcing_says_online_and_keeps_it_there(open_to):
    with MqttPeer(echoes=True) as broker:
        transport = open_to(broker)
        transport.announce()
        assert broker.published() == (STATUS, b"online", 1, True)
        assert transport.receive(0.05) is None


def test_a_broker_that_hangs_up_ends_it(open_to, fails):
    with MqttPeer() as broker:
        transport = open_to(broker)
        broker.drop()
        fails(transport.receive, 2)
        fails(transport.send, b"too late")


@pytest.mark.parametrize("nonsense", [b"\xf0\x00", b"\x30\x01\x00", b"\x30\xff\xff\xff\xff\xff"])
def test_what_is_no_mqtt_ends_it(open_to, nonsense, fails):
    with MqttPeer() as broker:
        transport = open_to(broker)
        broker.send_raw(nonsense)
        fails(transport.receive, 2)


def test_a_topic_that_is_no_text_is_nobodys(open_to):
    with MqttPeer() as broker:
        transport = open_to(broker)
        broker.send_raw(b"\x30\x05\x00\x02\xff\xfex")
        broker.publish(OUT, b"still here")
        assert transport.receive(2) == b"still here"


def test_closing_leaves_offline_behind_and_says_goodbye(open_to):
    with MqttPeer() as broker:
        transport = open_to(broker)
        transport.close(2)
        assert broker.published() == (STATUS, b"offline", 1, True)
        assert broker.said_goodbye.wait(2)
        transport.close(2)


def test_closing_to_a_broker_that_acknowledges_nothing_ends_in_time(open_to):
    with MqttPeer(acknowledges=False) as broker:
        transport = open_to(broker)
        began = time.monotonic()
        transport.close(0.3)
        assert time.monotonic() - began < 1


def test_closing_what_was_never_open_does_nothing():
    transport = transport_to(1)
    transport.close(1)
    transport.abandon()


def test_abandoning_leaves_the_will_to_speak(open_to, fails):
    with MqttPeer() as broker:
        transport = open_to(broker)
        transport.abandon()
        transport.abandon()
        assert not broker.said_goodbye.is_set()
        fails(transport.send, b"x")
        fails(transport.receive, 0)
