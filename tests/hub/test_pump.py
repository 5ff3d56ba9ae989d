"""The client's thread, with a hub of ours that can fall silent, go away and come back."""

from __future__ import annotations

import queue
import time

import pytest

from agent.hub.dialling import Caller, dial
from agent.hub.errors import ThalovantConnectionError, ThalovantHubKeyChangedError, ThalovantTimeoutError
from agent.hub.keyring import Keyring
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.keeping import PulseTerms
from agent.hub.pump import NotConnectedError, Pump
from tests.peers.responder import OTHER_KEY, HubSide
from tests.peers.responder_servers import WebsocketHub
from tests.peers.waiting import eventually


def message(name):
    return {"msg_type": "bus", "payload": {"type": name, "data": {}, "context": {}}}


HELLO = message("hello")


@pytest.fixture
def server():
    with WebsocketHub(HubSide()) as made:
        yield made


@pytest.fixture
def lost():
    """Why links were lost."""
    return queue.Queue()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """One folder for all: deriving the PSK takes as long as everything else together."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def pump(server, lost, keys):
    """A pump whose link is up; its probes are quick, and so is its redialling."""
    caller = Caller(
        identity=server.identity(), keyring=Keyring(keys), user_agent="Pump/1", session_id="s", client_id="c"
    )
    made = Pump(
        lambda stopped, wake: dial(caller, "wss", stopped=stopped, wake=wake),
        heard=lambda message: None,
        lost=lost.put,
        wants_link=lambda: True,
        pulse_terms=PulseTerms(idle=0.05, doubt=0.1, dead=0.2),
        chance=lambda: 0.0,
    )
    try:
        made.connect(soon())
        yield made
    finally:
        made.close(soon())


def soon(seconds=5.0):
    return time.monotonic() + seconds


def probes(server):
    return [frame for frame in server.connections[-1].received if frame["msg_type"] == "rendezvous"]


def test_an_idle_link_is_probed_again_and_again(server, pump):
    eventually(lambda: len(probes(server)) >= 5)
    assert pump.up
    assert len(server.connections) == 1


def test_a_hub_that_answers_no_more_is_given_up_and_dialled_again(server, pump, lost):
    server.hub.answers_probes = False
    error = lost.get(timeout=5)
    assert error.cause is Cause.HUB_SILENT
    server.hub.answers_probes = True
    eventually(lambda: pump.up)
    assert len(server.connections) == 2


def test_a_hub_with_another_key_is_not_dialled_again_by_itself(server, pump, lost):
    server.hub.static_private = OTHER_KEY
    server.drop()
    lost.get(timeout=5)
    eventually(lambda: "another key" in (pump.info.last_error or ""), timeout=5)
    seen = len(server.connections)
    with pytest.raises(ThalovantHubKeyChangedError):
        pump.connect(soon())
    assert len(server.connections) == seen + 2  # KK, then XX: that was the caller's own try, and the only one


def test_what_was_not_handed_over_for_want_of_a_link_says_so(server, pump, lost):
    pump.send(HELLO, soon())
    server.drop()
    lost.get(timeout=5)
    with pytest.raises(NotConnectedError):
        pump.send(HELLO, soon())


def test_a_message_that_came_too_late_to_be_sent_is_not_sent(server, pump):
    with pytest.raises(ThalovantTimeoutError, match="could not be sent in time"):
        pump.send(HELLO, time.monotonic() - 1)
    pump.send(message("second"), soon())
    sent = eventually(
        lambda: [frame for frame in server.connections[-1].received if frame["msg_type"] == "bus"],
    )
    assert [frame["payload"]["type"] for frame in sent] == ["second"]


def test_a_probe_tells_whether_the_hub_is_there(server, pump, lost):
    assert pump.probe(soon())
    server.hub.answers_probes = False
    assert not pump.probe(soon(0.1))
    lost.get(timeout=5)
    assert not pump.probe(soon())


def test_a_closed_pump_takes_nothing_more(pump):
    pump.close(soon())
    assert not pump.usable
    with pytest.raises(NotConnectedError):
        pump.send(HELLO, soon())
    with pytest.raises(ThalovantConnectionError, match="was closed"):
        pump.connect(soon())
