"""One attempt to reach a hub, where the carriers' own tests and the conformance vectors leave off."""

from __future__ import annotations

import os
import threading
import time

import pytest

from agent.hub.dialling import Caller, Limits, dial
from agent.hub.errors import ThalovantConnectionError, ThalovantUnsupportedProtocolError
from agent.hub.keyring import Keyring
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.noise import KK, XX
from tests.peers.listeners import silent_listener
from tests.peers.responder import HubSide
from tests.peers.responder_servers import MqttHub, WebsocketHub, make_identity


def caller(identity, folder):
    return Caller(
        identity=identity, keyring=Keyring(folder / "keys"), user_agent="Tests/1", session_id="s", client_id="device"
    )


def cause_of_failure(*arguments, **options):
    with pytest.raises(ThalovantConnectionError) as caught:
        dial(*arguments, **options)
    return caught.value.cause


def test_a_first_contact_is_under_xx_and_the_next_under_kk(tmp_path):
    side = HubSide()
    with WebsocketHub(side) as hub:
        for _ in range(2):
            connection = dial(caller(hub.identity(), tmp_path), "wss")
            assert connection.hub_key == side.key
            connection.close()
    assert side.patterns_seen == [XX, KK]


def test_a_hub_that_takes_the_handshake_and_answers_no_probe_is_silent(tmp_path):
    with WebsocketHub(HubSide(answers_probes=False)) as hub:
        limits = Limits(answer=0.3)
        assert cause_of_failure(caller(hub.identity(), tmp_path), "wss", limits=limits) is Cause.HUB_SILENT


def test_a_listener_that_never_says_a_word_is_given_up_in_time(tmp_path):
    with silent_listener() as port:
        identity = make_identity(HubSide(), {"wss": f"ws://127.0.0.1:{port}"})
        began = time.monotonic()
        assert cause_of_failure(caller(identity, tmp_path), "wss", limits=Limits(connect=0.3)) is Cause.NO_ANSWER
        assert time.monotonic() - began < 2


def test_a_protocol_the_identity_does_not_have_is_no_attempt(tmp_path):
    with pytest.raises(ThalovantUnsupportedProtocolError):
        dial(caller(make_identity(HubSide(), {"wss": "ws://127.0.0.1:1"}), tmp_path), "mqtt")


def test_an_attempt_ends_when_told_to_in_the_middle_of_its_wait(tmp_path):
    with MqttHub(HubSide(), tmp_path) as hub:
        hub._client.unsubscribe("hivemind/+/in")  # nobody answers
        stop, wake = threading.Event(), os.eventfd(0)
        limits = Limits(hello=30.0)

        def stop_soon():
            time.sleep(1.5)
            stop.set()
            os.eventfd_write(wake, 1)

        thread = threading.Thread(target=stop_soon)
        thread.start()
        began = time.monotonic()
        with pytest.raises(ThalovantConnectionError, match="stopped"):
            dial(caller(hub.identity(), tmp_path), "mqtt", limits=limits, stopped=stop.is_set, wake=wake)
        assert time.monotonic() - began < 5
        thread.join()
        os.close(wake)


def test_an_offline_in_the_middle_of_the_negotiation_starts_it_anew(tmp_path):
    """The hub's own, late: it tells nothing of this device's key."""
    side = HubSide()
    with MqttHub(side, tmp_path) as hub:
        greet, once = side.connect, [True]

        def connect(**options):
            if once.pop() if once else False:
                hub._client.publish(f"{hub._topic}/status", "offline", qos=1)
            return greet(**options)

        side.connect = connect  # type: ignore[method-assign]
        connection = dial(caller(hub.identity(), tmp_path), "mqtt", limits=Limits(hello=1.0))
        connection.close()
