"""What a client makes of frames no bench hub sends at will, with a hub of ours behind a real WebSocket."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from agent.hub.client import ThalovantClient
from agent.hub.errors import ThalovantConnectionError, ThalovantRuntimeError, ThalovantUnansweredError
from agent.hub.events import EVENT_SPEAK
from tests.peers.responder import HubSide
from tests.peers.responder_servers import WebsocketHub
from tests.peers.waiting import eventually


@pytest.fixture
def server():
    with WebsocketHub(HubSide()) as made:
        yield made


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """One folder for all: deriving the PSK takes as long as everything else together."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def client(server, keys):
    with ThalovantClient(server.identity(), noise_state_dir=keys) as made:
        yield made


def bus(name, **data):
    return {"msg_type": "bus", "payload": {"type": name, "data": data, "context": {}}}


def received(server, msg_type):
    """The frames of one type that came over the latest connection, the first of them waited for."""
    eventually(lambda: [one for one in server.connections[-1].received if one["msg_type"] == msg_type])
    return [one for one in server.connections[-1].received if one["msg_type"] == msg_type]


def say(server, *envelopes):
    for envelope in envelopes:
        server.say(server.connections[-1].say(envelope))


def answered(server, query_id, *messages):
    received(server, "query")
    say(server, *({"msg_type": "query", "metadata": {"query_id": query_id}, "payload": one} for one in messages))


def test_a_query_collects_its_own_frames_until_it_is_complete(server, client):
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.query, "who is there?", query_id="q", timeout=10, session_id="s")
        [sent] = received(server, "query")
        answered(server, "other", bus(EVENT_SPEAK, utterance="not for us"), bus("hive.query.complete"))
        answered(server, "q", bus(EVENT_SPEAK, utterance="me"), bus(EVENT_SPEAK, utterance="and me"))
        answered(server, "q", bus("hive.query.complete"))
        reply = asking.result(10)
    assert sent["metadata"] == {"query_id": "q"}
    assert sent["payload"]["msg_type"] == "bus"
    assert sent["payload"]["payload"]["type"] == "recognizer_loop:utterance"
    assert sent["payload"]["payload"]["data"] == {"utterances": ["who is there?"], "lang": "en-us"}
    assert reply.text == "me and me"
    assert reply.session_id == "s"
    assert reply.ok


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (bus("hive.query.complete"), ThalovantUnansweredError),
        (bus("hive.query.timeout", error="no_answer"), ThalovantRuntimeError),
    ],
)
def test_a_query_nobody_answers_says_so(server, client, message, error):
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.query, "anybody?", query_id="q", timeout=10)
        answered(server, "q", message)
        with pytest.raises(error):
            asking.result(10)


def test_binary_frames_are_handed_out_with_what_they_say_of_themselves(server, client):
    heard: queue.Queue = queue.Queue()
    sound = bytes(range(256)) * 400  # more than one transport message holds
    with client.on_binary(heard.put):
        said = {"utterance": "Ding.", "lang": "en-us", "file_name": "ding.wav"}
        server.say(server.connections[-1].say_binary(sound, kind=6, metadata=said))
        binary = heard.get(timeout=5)
    assert (binary.kind, binary.data) == ("tts_audio", sound)
    assert (binary.utterance, binary.lang, binary.file_name) == ("Ding.", "en-us", "ding.wav")


@pytest.mark.parametrize("kind", ["propagate", "escalate", "broadcast"])
def test_what_goes_to_the_hive_is_an_envelope_in_an_envelope(server, client, kind):
    getattr(client, kind)("thalovant.test", {"a": 1}, {"channel": "x"})
    [frame] = received(server, kind)
    assert frame["payload"]["msg_type"] == "bus"
    message = frame["payload"]["payload"]
    assert (message["type"], message["data"]) == ("thalovant.test", {"a": 1})
    assert message["context"]["channel"] == "x"
    assert message["context"]["destination"] == "HiveMind"


def test_a_broadcast_is_heard_as_a_frame_and_where_it_is_aimed_at_this_site_as_an_event(server, client):
    frames: queue.Queue = queue.Queue()
    aimed = {
        "msg_type": "broadcast",
        "payload": {**bus(EVENT_SPEAK, utterance="fire drill"), "target_site_id": "site-1"},
    }
    elsewhere = {"msg_type": "broadcast", "payload": {**bus(EVENT_SPEAK, utterance="no"), "target_site_id": "site-2"}}
    with client.on_hive("broadcast", frames.put), client.listen(EVENT_SPEAK, timeout=5, max_events=1) as events:
        say(server, elsewhere, aimed)
        assert [event.text for event in events] == ["fire drill"]
        assert [frames.get(timeout=5)["payload"]["target_site_id"] for _ in range(2)] == ["site-2", "site-1"]


def test_a_message_is_never_sent_again_over_the_next_connection(server, client):
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.ask, "once", timeout=10)
        received(server, "bus")
        server.drop()
        with pytest.raises(ThalovantConnectionError):
            asking.result(10)
    client.emit("the.next", {})
    assert [frame["payload"]["type"] for frame in received(server, "bus")] == ["the.next"]
    assert len(server.connections) == 2


def test_a_hub_that_goes_on_talking_while_it_is_asked_is_heard_in_order(server, client):
    with client.listen(EVENT_SPEAK, timeout=10, max_events=300, max_buffered_events=300) as events:
        say(server, *(bus(EVENT_SPEAK, utterance=str(number)) for number in range(300)))
        assert [event.text for event in events] == [str(number) for number in range(300)]


def test_a_message_the_hub_cannot_have_meant_costs_nothing(server, client):
    say(server, {"msg_type": "bus", "payload": {"type": 3}}, {"msg_type": "news", "payload": {}}, bus("x"))
    say(server, {"msg_type": "query", "payload": "?"}, {"msg_type": "intercom", "payload": {}})
    assert client.healthcheck().ok


def test_handlers_outlive_a_link_that_is_lost_since_it_is_dialled_again_for_them(server, client):
    heard: queue.Queue = queue.Queue()
    client.on(EVENT_SPEAK, heard.put)
    server.drop()
    eventually(lambda: len(server.connections) == 2 and client.connection_info().phase == "ready")
    say(server, bus(EVENT_SPEAK, utterance="back"))
    assert heard.get(timeout=5).text == "back"


def test_a_client_nobody_listens_to_stays_down_until_it_is_used(server, client):
    server.drop()
    eventually(lambda: client.connection_info().phase == "error")
    assert "ended" in str(client.connection_info())
    client.emit("used", {})
    assert len(server.connections) == 2


def test_closing_twice_at_once_is_as_good_as_once(server, keys):
    client = ThalovantClient(server.identity(), noise_state_dir=keys)
    client.connect()
    with closing(client), ThreadPoolExecutor(2) as pool:
        for closed in [pool.submit(client.close), pool.submit(client.close)]:
            closed.result(5)
    assert client.connection_info().phase == "closed"
