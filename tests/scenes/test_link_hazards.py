"""What goes wrong on MQTT alone, each by its number in the wire reference (transports.md section 3, "Hazards")."""

from __future__ import annotations

import json
import queue
import time

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.hub.identity import ThalovantIdentity
from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from tests.peers.linked import LinkedDevice
from tests.peers.rig.devices import PREFIX
from tests.peers.rig.ports import HOST
from tests.peers.waiting import eventually


@pytest.fixture(scope="module")
def hub(start_hub):
    return start_hub(devices=30)


class Intruder:
    """Somebody else at the broker, who may say anything on a device's topics."""

    def __init__(self, hub, key, *, will=False):
        self.topic = f"{PREFIX}/{key}"
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set("hub", hub.broker.hub_password)
        if will:
            self.client.will_set(f"{self.topic}/status", "offline", qos=1, retain=True)
        self.client.on_message = lambda _c, _d, message: self.heard.put((message.topic, bytes(message.payload)))
        self.client.connect(HOST, hub.broker.hub_port)
        self.client.loop_start()

    def say(self, topic, payload, **options):
        self.client.publish(f"{self.topic}/{topic}", payload, qos=1, **options).wait_for_publish(5)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def die(self):
        """End as a device whose plug was pulled: the broker says its will."""
        raw = self.client.socket()
        self.client.loop_stop()
        if raw is not None:
            raw.close()


class Scene:
    """One device, and an intruder on its topics."""

    def __init__(self, hub, number, folder):
        self.hub, self.number, self.folder = hub, number, folder
        self.key = hub.devices[number - 1].access_key
        self.intruder = Intruder(hub, self.key)

    def linked(self, **options):
        identity = ThalovantIdentity.from_file(self.hub.identity(self.number))
        return LinkedDevice(identity, self.folder, protocols=["mqtt"], **options)

    def half_finished(self):
        """Somebody says HELLO and no more. The hub's own offline after a goodbye may drop that at first (M3)."""
        said = -1.0

        def begun():
            nonlocal said
            if time.monotonic() - said > 1:
                said = time.monotonic()
                self.intruder.say("in", HELLO)
            return self.hub.clients(self.number)

        eventually(begun)


@pytest.fixture
def scene(hub, unused, tmp_path):
    scene = Scene(hub, next(unused), tmp_path)
    yield scene
    scene.intruder.close()


HELLO = json.dumps({"msg_type": "hello", "payload": {"session": {"session_id": "x"}, "site_id": "s"}})


@pytest.mark.slow
def test_m2_a_negotiation_somebody_left_half_finished(scene):
    with scene.linked() as linked:
        linked.wait_up()  # so that no key has to be derived below
    scene.half_finished()
    began = time.monotonic()
    with scene.linked() as linked:
        linked.wait_up()
        took = time.monotonic() - began
        assert linked.scan("M2") < 3
    print(f"M2: up after {took:.2f} s")
    assert took < 6


def test_m2_found_by_a_device_that_was_sure_of_its_goodbye(scene):
    scene.intruder.say("in", HELLO)
    eventually(lambda: scene.hub.clients(scene.number))
    with scene.linked(previous=Previous.GOODBYE) as linked:
        linked.wait_up(timeout=12)


def test_m3_a_hub_that_held_a_session_and_forgets_it_while_the_next_begins(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.intruder.say("status", "offline", retain=True)
        linked.link.hurry()
        eventually(lambda: linked.snapshot.drops == 1)
        assert linked.scan("M3") < 8


def test_m4_the_late_will_of_an_older_connection(scene):
    late = Intruder(scene.hub, scene.key, will=True)
    with scene.linked() as linked:
        linked.wait_up()
        late.die()
        eventually(lambda: linked.snapshot.drops == 1)
        assert linked.scan("M4") < 8


def test_m5_a_frame_the_hub_cannot_read(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.intruder.say("in", b"\x00" * 40)
        eventually(lambda: linked.snapshot.drops == 1)
        assert linked.scan("M5") < 8


def test_m7_a_session_the_hub_lost_meets_a_hello_in_the_clear(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.intruder.say("out", HELLO)
        eventually(lambda: linked.snapshot.drops == 1)
        assert linked.scan("M7") < 8


def test_m9_a_frame_of_the_hub_that_does_not_decrypt(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.intruder.say("out", b"\x01" * 40)
        eventually(lambda: linked.snapshot.drops == 1)
        assert linked.scan("M9") < 8


def test_m10_a_hub_with_another_key_needs_a_person(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.hub.change_key()
        linked.link.hurry()
        linked.link.probe_soon()
        linked.wait_state("attention", Cause.HUB_KEY_CHANGED, timeout=45)


@pytest.mark.slow
def test_m10_another_password_on_the_hub_is_named(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.hub.set_password("another-Horse-Battery-91x", device=scene.number)
        linked.link.hurry()
        linked.link.probe_soon()
        linked.wait_state("attention", Cause.WRONG_PASSWORD, timeout=60)


@pytest.mark.slow
def test_m11_a_device_that_lost_its_key_needs_a_person(scene):
    with scene.linked() as linked:
        linked.wait_up()
    for key in linked.keyring.folder.glob("*_noise.key"):
        key.unlink()
    with scene.linked() as linked:
        linked.wait_state("attention", Cause.CLIENT_KEY_REJECTED, timeout=60)


@pytest.mark.slow
def test_m12_a_key_the_hub_does_not_know_is_silence(scene):
    scene.hub.forget(scene.number)
    with scene.linked() as linked:
        linked.wait_cause(Cause.HUB_SILENT, timeout=30)


def test_m13_what_the_hubs_presence_says_is_nothing_to_go_by(scene):
    presence = Intruder(scene.hub, "master")
    presence.say("status", "offline", retain=True)
    with scene.linked() as linked:
        linked.wait_up()
        assert linked.scan("M13") < 3
    presence.close()


def test_m14_a_live_device_is_online_to_a_hub_that_asks_again(scene):
    with scene.linked() as linked:
        linked.wait_up()
        scene.intruder.client.subscribe(f"{scene.intruder.topic}/status", 1)
        assert scene.intruder.heard.get(timeout=5)[1] == b"online"
    assert scene.intruder.heard.get(timeout=5)[1] == b"offline"


def test_m16_somebody_elses_words_in_the_clear_before_the_handshake_ends(scene):
    broadcast = json.dumps({"msg_type": "broadcast", "payload": {}})
    with scene.linked() as linked:
        for _ in range(20):
            scene.intruder.say("out", broadcast)
            time.sleep(0.1)
        linked.wait_up(timeout=20)
        assert linked.scan("M16") < 8
