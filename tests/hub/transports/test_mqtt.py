"""The MQTT carrier against a real broker, with another client in the hub's place."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from tests.hub.transports.carriers import KEY, transport, woken
from tests.peers.rig.broker import Broker
from tests.peers.rig.devices import PREFIX, Device
from tests.peers.rig.ports import HOST, free_port
from tests.peers.waiting import eventually

TOPIC = f"{PREFIX}/{KEY}"


class FarSide:
    """A broker, and a client that hears and says what a hub would."""

    def __init__(self, folder):
        device = Device(
            name="device-1", site_id="s", access_key=KEY, password="unused here", mqtt_password="of the broker"
        )
        self.starter = ThreadPoolExecutor(1)
        self.broker = Broker(folder, [device], port=free_port(), tls=False, starter=self.starter)
        self.heard: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        self.answers_offline: float | None = None
        """Seconds after which somebody's `offline` is answered with one, once."""

    def __enter__(self):
        self.broker.start()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("hub", self.broker.hub_password)
        ready: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.client.on_subscribe = lambda *_: ready.put(None)
        self.client.on_message = self._heard
        self.client.connect(HOST, self.broker.hub_port)
        self.client.loop_start()
        self.client.subscribe([(f"{PREFIX}/+/in", 1), (f"{PREFIX}/+/status", 1)])
        ready.get(timeout=5)
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()
        self.broker.stop()
        self.starter.shutdown()

    def say(self, payload, topic="out", **options):
        self.client.publish(f"{TOPIC}/{topic}", payload, **options)

    def next(self):
        topic, payload, _ = self.heard.get(timeout=5)
        return topic.rpartition("/")[2], payload

    def opened(self, *, previous=Previous.GOODBYE, **options):
        carrier = transport("mqtt", self.broker.port, previous=previous, **options)
        carrier.open(4)
        return carrier

    def _heard(self, _client, _data, message):
        self.heard.put((message.topic, bytes(message.payload), message.retain))
        if self.answers_offline is not None and (message.topic, message.payload) == (f"{TOPIC}/status", b"offline"):
            time.sleep(self.answers_offline)
            self.answers_offline = None
            self.say("offline", "status", qos=1, retain=True)


@pytest.fixture(scope="module")
def far_side(tmp_path_factory):
    with FarSide(tmp_path_factory.mktemp("broker")) as far_side:
        yield far_side


@pytest.fixture(autouse=True)
def _fresh(request):
    if "far_side" in request.fixturenames:
        side = request.getfixturevalue("far_side")
        side.say(b"", "status", qos=1, retain=True)
        eventually(lambda: side.next() == ("status", b""))


def test_frames_go_out_whole_and_in_order_and_come_in(far_side):
    carrier = far_side.opened()
    frames = [bytes((number,)) * 1000 for number in range(60)]  # more than paho keeps in flight at once
    for frame in frames:
        carrier.send(frame)
    far_side.say(b"answer")
    assert carrier.receive(5) == b"answer"
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline and far_side.heard.qsize() < 60:
        carrier.receive(0.02)
    assert [far_side.next() for _ in frames] == [("in", frame) for frame in frames]
    carrier.close()


def test_a_device_previous_says_offline_first_and_waits_a_second_where_nobody_answers_it(far_side):
    began = time.monotonic()
    carrier = far_side.opened(previous=Previous.LOST)
    assert 1.0 <= time.monotonic() - began < 2.0
    assert far_side.next() == ("status", b"offline")
    carrier.send("{}")
    assert carrier.receive(0.3) is None, "its own offline came back and was taken for another's"
    carrier.close()


@pytest.mark.parametrize(("after", "lasts"), [(0.0, 1.0), (0.9, 1.3)])
def test_the_hubs_own_offline_is_let_pass_and_some_quiet_after_it(far_side, after, lasts):
    far_side.answers_offline = after
    began = time.monotonic()
    carrier = far_side.opened(previous=Previous.LOST)
    assert lasts <= time.monotonic() - began < lasts + 1.0
    assert carrier.receive(0.2) is None, "it was taken for the end of the new session"
    carrier.close()


def test_a_device_that_said_goodbye_does_not_pause(far_side):
    began = time.monotonic()
    carrier = far_side.opened(previous=Previous.GOODBYE)
    assert time.monotonic() - began < 0.5
    assert far_side.heard.empty()
    carrier.close()


@pytest.mark.parametrize("kept", [None, "offline"])
def test_a_new_device_does_not_pause_where_the_broker_keeps_no_session_of_its_key(far_side, kept):
    if kept:
        far_side.say(kept, "status", qos=1, retain=True)
        assert far_side.next() == ("status", b"offline")
    began = time.monotonic()
    carrier = far_side.opened(previous=Previous.NONE)
    assert time.monotonic() - began < 0.9
    assert far_side.next() == ("status", b"offline")
    carrier.send("{}")
    assert carrier.receive(0.3) is None, "its own offline was taken for another's"
    carrier.close()


def test_a_new_device_pauses_where_somebody_of_its_key_is_online(far_side):
    far_side.say("online", "status", qos=1, retain=True)
    assert far_side.next() == ("status", b"online")
    began = time.monotonic()
    carrier = far_side.opened(previous=Previous.NONE)
    assert time.monotonic() - began >= 1.0
    carrier.close()


def test_somebody_elses_offline_ends_the_session_and_a_retained_old_one_does_not(far_side):
    far_side.say("offline", "status", qos=1, retain=True)
    assert far_side.next() == ("status", b"offline")
    carrier = far_side.opened()
    carrier.announce()
    assert carrier.receive(0.2) is None
    far_side.say("offline", "status", qos=1, retain=True)
    with pytest.raises(CarrierClosed) as caught:
        carrier.receive(5)
    assert caught.value.gone


def test_each_own_offline_is_its_own_however_late_it_comes_back(far_side):
    carrier = far_side.opened(previous=Previous.LOST)
    far_side.next()
    far_side.say("offline", "status", qos=1, retain=True)
    with pytest.raises(CarrierClosed):
        carrier.receive(5)


def test_what_was_heard_before_the_end_is_handed_out_first(far_side):
    carrier = far_side.opened()
    far_side.say(b"first")
    far_side.say("offline", "status", qos=1)
    heard = carrier.receive(5)
    assert heard == b"first"
    with pytest.raises(CarrierClosed):
        carrier.receive(5)


def test_a_goodbye_leaves_offline_behind_and_no_second_one_by_will(far_side):
    carrier = far_side.opened()
    carrier.announce()
    eventually(lambda: far_side.next() == ("status", b"online"))  # an earlier carrier's will may come before it
    carrier.close()
    carrier.close()
    assert far_side.next() == ("status", b"offline")
    assert far_side.heard.empty()


def test_one_abandoned_leaves_offline_behind_by_its_will(far_side):
    carrier = far_side.opened()
    carrier.abandon()
    carrier.abandon()
    assert far_side.next() == ("status", b"offline")


def test_a_newer_connection_of_the_same_device_ends_the_older_one(far_side):
    older = far_side.opened()
    newer = far_side.opened()
    with pytest.raises((CarrierFailed, CarrierClosed)):
        older.receive(5)
    newer.close()


def test_waiting_ends_when_woken_and_at_the_deadline(far_side):
    carrier = far_side.opened()
    with woken() as wake:
        began = time.monotonic()
        assert carrier.receive(10, wake) is None
        assert time.monotonic() - began < 1
    began = time.monotonic()
    assert carrier.receive(0.3) is None
    assert 0.3 <= time.monotonic() - began < 1
    assert carrier.receive(0) is None
    carrier.close()


def test_a_wrong_broker_password_is_a_refusal(far_side):
    with pytest.raises(CarrierFailed) as caught:
        transport("mqtt", far_side.broker.port, password="another").open(4)
    assert caught.value.cause is Cause.BROKER_REFUSED


def test_a_killed_broker_is_noticed_at_once(tmp_path):
    with FarSide(tmp_path) as far_side:
        carrier = far_side.opened()
        far_side.broker.kill()
        began = time.monotonic()
        with pytest.raises(CarrierFailed) as caught:
            carrier.receive(10)
        assert (caught.value.cause, time.monotonic() - began < 2) == (Cause.DROPPED, True)
        with pytest.raises((CarrierFailed, CarrierClosed)):
            carrier.send(b"more")
        carrier.close()


def flood(carrier):
    for _ in range(1000):
        carrier.send(bytes(65_000), timeout=0.3)


def test_a_frozen_broker_holds_nobody_longer_than_they_wait(tmp_path):
    with FarSide(tmp_path) as far_side:
        carrier = far_side.opened()
        far_side.broker.pause()
        began = time.monotonic()
        with pytest.raises(CarrierFailed) as caught:
            flood(carrier)
        assert (caught.value.cause, time.monotonic() - began < 5) == (Cause.NO_ANSWER, True)
        with pytest.raises(CarrierFailed) as caught:
            transport("mqtt", far_side.broker.port).open(0.5)
        assert caught.value.cause is Cause.NO_ANSWER
        began = time.monotonic()
        carrier.close(0.5)
        assert time.monotonic() - began < 1
        far_side.broker.resume()
        far_side.opened().close()
