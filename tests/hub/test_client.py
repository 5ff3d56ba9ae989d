"""The client against the real hub, over each of its carriers."""

from __future__ import annotations

import json
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from agent.hub.client import ThalovantClient
from agent.hub.context import build_client_context
from agent.hub.errors import (
    ThalovantConnectionError,
    ThalovantHubRefusedError,
    ThalovantPolicyDeniedError,
    ThalovantRuntimeError,
    ThalovantTimeoutError,
    ThalovantUnansweredError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.events import EVENT_POLICY_DENIED, EVENT_SPEAK, EVENT_UTTERANCE_HANDLED
from agent.hub.identity import ThalovantIdentity
from agent.hub.protocol.causes import Cause
from agent.hub.reach import choose
from tests.peers.hub import STATUS_TYPE, utterance
from tests.peers.rig.answers import speak
from tests.peers.rig.ports import free_port
from tests.peers.waiting import eventually

PROTOCOLS = ("wss", "https", "mqtt")


@pytest.fixture(scope="module")
def hub(start_hub):
    """A hub with a second device, for clients that live for one test: two sessions of one device break each other."""
    return start_hub(devices=2)


@pytest.fixture(scope="module", params=PROTOCOLS)
def client(request, hub):
    """One client over each carrier, for everything that leaves it as it was."""
    with ThalovantClient.from_identity_file(hub.identity(), protocol=request.param) as made:
        yield made


@pytest.fixture
def wss(hub):
    with ThalovantClient.from_identity_file(hub.identity(2), protocol="wss") as made:
        yield made


def identity_with(hub, **changes):
    return ThalovantIdentity.from_mapping({**json.loads(hub.identity(2).read_text()), **changes})


# -- asking


def test_an_ask_returns_what_the_hub_said_and_its_hints_travel_in_the_context(client, hub):
    text, hints = f"what is up over {client.protocol}?", {"stt_lang": "de-de", "location": {"city": "Ulm"}}
    reply = client.ask(f"  {text} ", pipeline=["one", " "], request_id=f"my-{client.protocol}", **hints)
    assert reply.text == f"echo: {text}"
    assert reply.ok
    assert reply.claimed
    assert reply.session_id == client.session_id
    assert reply.request_id == f"my-{client.protocol}"
    assert [item.text for item in reply.display_items()] == [reply.text]
    context = hub.wait_for(utterance(text))["context"]
    assert {key: context[key] for key in hints} == hints
    assert context["session"]["pipeline"] == ["one"]
    assert context["request_id"] == context["thalovant_request_id"] == reply.request_id


def test_asks_of_many_threads_each_get_their_own_answer(client):
    def ask(number):
        # The released hub seals on one thread and publishes on another: under load it breaks its own MQTT session.
        for _ in range(3):
            with suppress(ThalovantConnectionError):
                return client.ask(f"number {number}").text
        return client.ask(f"number {number}").text

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(16)))
    assert replies == [f"echo: number {number}" for number in range(16)]


def test_a_denied_ask_ends_at_once_and_says_what_is_allowed(client, hub):
    hub.allow("speak")
    with pytest.raises(ThalovantPolicyDeniedError) as denied:
        client.ask("may I?", timeout=10)
    assert denied.value.denied_type == "recognizer_loop:utterance"
    assert denied.value.code == "acl_disallowed_type"
    assert denied.value.allowed == ("speak",)


def test_an_ask_the_hub_cannot_answer_says_so(wss, hub):
    hub.responder(messages=[("ovos.intent.unmatched", {"utterance": "gibberish"})])
    with pytest.raises(ThalovantUnansweredError) as unanswered:
        wss.ask("gibberish", timeout=0.5)
    assert unanswered.value.said == "gibberish"


def test_a_mute_hub_costs_the_timeout_and_no_more(client, hub):
    hub.responder(reply=False)
    began = time.monotonic()
    with pytest.raises(ThalovantTimeoutError, match="did not answer in time"):
        client.ask("anybody?", timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 1.2
    assert client.healthcheck().ok


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_over_at_once(hub, timeout):
    unused = ThalovantClient.from_identity_file(hub.identity(2))
    with pytest.raises(ThalovantTimeoutError):
        unused.ask("x", timeout=timeout)
    assert unused.connection_info().phase == "idle"


@pytest.mark.parametrize("call", ["ask", "query", "send_utterance", "send_action", "send_code", "emit"])
def test_nothing_is_never_sent(hub, call):
    unused = ThalovantClient.from_identity_file(hub.identity(2))
    with pytest.raises(ValueError, match="must be a text that is not empty"):
        getattr(unused, call)(" \n")
    assert unused.connection_info().phase == "idle"


def test_a_large_question_gets_a_large_answer(client):
    text = "x" * 150_000
    assert client.ask(text).text == f"echo: {text}"


def test_two_requests_at_once_cannot_have_one_id(wss, hub):
    hub.responder(delay=0.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(wss.ask, "first", request_id="same")
        hub.wait_for(utterance("first"))
        with pytest.raises(ThalovantRuntimeError, match="in flight already"):
            wss.ask("second", request_id="same")
        assert first.result(5).text == "echo: first"
    assert not hub.received(utterance("second"))


# -- conversations


def test_a_turn_starts_from_what_the_turn_before_left(client, hub):
    with client.conversation(lang="de-de") as turns:
        turns.ask(f"remember {client.protocol}", context={"session": {"active_skills": [["colours", 1.0]]}})
        turns.ask(f"go on {client.protocol}")
    first, second = (hub.wait_for(utterance(f"{text} {client.protocol}")) for text in ("remember", "go on"))
    sessions = [row["context"]["session"] for row in (first, second)]
    assert sessions[1]["active_skills"] == sessions[0]["active_skills"] != []
    assert second["data"]["lang"] == sessions[1]["lang"] == "de-de"
    assert sessions[0]["session_id"] == sessions[1]["session_id"]


def test_every_call_of_a_conversation_names_its_session_and_keeps_its_context(client, hub):
    seen: queue.Queue = queue.Queue()
    turns = client.conversation(session_id=f"talk-{client.protocol}", lang="fr-fr", context={"channel": "kiosk"})
    with turns.on(EVENT_SPEAK, seen.put), turns.listen(EVENT_SPEAK, timeout=10, max_events=1) as events:
        turns.send_utterance(f"talk over {client.protocol}")
        assert seen.get(timeout=10).text == f"echo: talk over {client.protocol}"
        assert [event.text for event in events] == [f"echo: talk over {client.protocol}"]
    turns.send_code(f"TALK-{client.protocol}", kind="invoice")
    turns.send_action(f"press-{client.protocol}", title="Press", context={"channel": "button"})
    turns.emit(STATUS_TYPE, {"talk": client.protocol})
    rows = [
        hub.wait_for(utterance(f"talk over {client.protocol}")),
        hub.wait_for(utterance(f"TALK-{client.protocol}")),
        hub.wait_for(utterance(f"press-{client.protocol}")),
        hub.wait_for(lambda row: row["data"] == {"talk": client.protocol}),
    ]
    assert {row["context"]["session"]["session_id"].rpartition(":")[2] for row in rows} == {turns.session_id}
    assert [row["context"]["channel"] for row in rows] == ["kiosk", "kiosk", "button", "kiosk"]
    assert {row["context"]["session"]["lang"] for row in rows} == {"fr-fr"}


# -- telling


def test_a_scan_reaches_the_hub_as_the_wire_reference_shows_it(client, hub):
    value = f"INV-2026-{client.protocol}"
    request_id = client.send_code(value, kind="invoice", session_id="scan-session")
    row = hub.wait_for(utterance(value))
    scanned = {"kind": "invoice", "label": None, "value": value, "exact": True}
    assert row["type"] == "recognizer_loop:utterance"
    assert row["data"] == {"utterances": [value], "lang": "en-us", "input": scanned}
    assert row["context"]["input"] == scanned
    assert row["context"]["request_id"] == row["context"]["thalovant_request_id"] == request_id
    assert row["context"]["session"]["request_id"] == request_id
    assert row["context"]["session"]["site_id"] == "site-1"
    assert row["context"]["platform"].startswith("ThalovantAgent/")


def test_an_action_reaches_the_hub_with_its_title(client, hub):
    payload = f"/approve {client.protocol}"
    client.send_action(payload, title="Approve", context=build_client_context(user_id="u-1"))
    row = hub.wait_for(utterance(payload))
    assert row["context"]["input"] == {"kind": "action", "title": "Approve", "payload": payload}
    assert row["context"]["user"] == {"id": "u-1"}
    assert "input" not in row["data"]


def test_an_event_reaches_the_hub_as_it_was_given(client, hub):
    client.emit(STATUS_TYPE, {"over": client.protocol}, {"source": "kiosk"})
    row = hub.wait_for(lambda row: row["data"] == {"over": client.protocol})
    assert row["type"] == STATUS_TYPE
    assert "request_id" not in row["context"]


def test_the_identitys_metadata_is_under_the_callers(wss, hub):
    known = identity_with(hub, metadata={"shop": "Ulm", "floor": 1})
    with ThalovantClient(known, protocol="wss", noise_state_dir=hub.identity(2).parent / "hivemind") as client:
        client.emit(STATUS_TYPE, {"with": "metadata"}, {"metadata": {"floor": 2}})
    assert hub.wait_for(lambda row: row["data"] == {"with": "metadata"})["context"]["metadata"] == {
        "shop": "Ulm",
        "floor": 2,
    }


def test_a_denied_event_is_told_by_an_event(client):
    with client.listen(EVENT_POLICY_DENIED, timeout=10, max_events=1) as denials:
        client.emit("a.type.nobody.allowed")
        assert [denial.data["denied_type"] for denial in denials] == ["a.type.nobody.allowed"]


def test_what_json_cannot_say_is_the_callers_error_and_the_link_lives(wss):
    with pytest.raises(TypeError):
        wss.emit(STATUS_TYPE, {"a": object()})
    assert wss.connection_info().phase == "ready"
    assert wss.ask("still there?").text == "echo: still there?"


def test_an_answer_goes_back_the_way_the_event_came(client, hub):
    with client.listen(EVENT_SPEAK, timeout=10, max_events=1) as events:
        hub.emit(EVENT_SPEAK, {"utterance": "ready?"}, device=1, context={"thread": client.protocol})
        [event] = events
    client.reply(event, STATUS_TYPE, {"answer": client.protocol})
    row = hub.wait_for(lambda row: row["data"] == {"answer": client.protocol})
    assert row["context"]["thread"] == client.protocol


# -- listening


def test_handlers_hear_what_the_hub_says_and_may_ask(client, hub):
    answers: queue.Queue = queue.Queue()

    def handler(event):
        answers.put(client.ask(f"about {event.text}").text)

    with client.on(EVENT_SPEAK, handler, predicate=lambda event: not event.text.startswith("echo")):
        hub.speak("doors close", device=1)
        assert answers.get(timeout=10) == "echo: about doors close"


def test_an_event_is_told_from_the_clients_side(client, hub):
    with client.listen(EVENT_SPEAK, timeout=10, max_events=1) as events:
        hub.speak("hello", device=1)
        [event] = events
    assert "destination" not in event.context
    assert event.context["source"] == event.raw["context"]["destination"]


def test_a_filter_keeps_strangers_out(client, hub):
    with client.listen(EVENT_SPEAK, timeout=10, max_events=1, request_id="wanted") as events:
        hub.emit(EVENT_SPEAK, {"utterance": "other"}, device=1, context={"request_id": "other"})
        hub.emit(EVENT_SPEAK, {"utterance": "mine"}, device=1, context={"request_id": "wanted"})
        assert [event.text for event in events] == ["mine"]


def test_one_event_is_waited_for(client):
    timer = threading.Timer(0.05, client.send_utterance, ["handled?"])
    timer.start()
    assert client.wait_for_event(EVENT_UTTERANCE_HANDLED, timeout=10).name == EVENT_UTTERANCE_HANDLED
    timer.join()
    with pytest.raises(ThalovantTimeoutError, match="no never came within"):
        client.wait_for_event("never", timeout=0.05)


def test_frames_between_hubs_are_heard_as_they_are(client):
    frames: queue.Queue = queue.Queue()
    with client.on_hive("rendezvous", frames.put):
        assert client.healthcheck().ok
        assert frames.get(timeout=5)["msg_type"] == "rendezvous"
    with pytest.raises(ValueError, match="cannot be listened to"):
        client.on_hive("query", print)


def test_frames_between_hubs_that_are_granted_are_sent_and_the_link_lives(client):
    client.propagate("thalovant.test", {"a": 1})
    client.escalate("thalovant.test", {"a": 1})
    assert client.healthcheck().ok


# -- the link


def test_health_and_connection_can_be_printed_and_logged(client):
    health = client.healthcheck()
    assert health.ok
    assert str(health).startswith(f"ok: ready over {client.protocol}, connected in ")
    info = client.connection_info()
    assert info.phase == "ready"
    assert info.handshake_ms is not None
    assert 0 < info.handshake_ms < (info.connect_ms or 0)
    assert (info.socket_open_ms is not None) is (client.protocol == "wss")
    assert json.loads(json.dumps(health.as_dict()))["connection"]["protocol"] == client.protocol


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_closed_client_has_said_goodbye_and_stays_closed_until_it_is_connected(hub, protocol):
    threads = set(threading.enumerate())
    client = ThalovantClient.from_identity_file(hub.identity(2), protocol=protocol)
    client.on(EVENT_SPEAK, print)
    client.ask("hello")
    client.close()
    client.close()
    eventually(lambda: not hub.clients(2), what="the hub to have let go")
    assert client.connection_info().phase == "closed"
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ThalovantConnectionError, match="was closed"):
        client.ask("hello?")
    client.connect()
    assert client.ask("hello again").ok
    client.close()


def test_closing_ends_whoever_waits(hub):
    hub.responder(reply=False)
    client = ThalovantClient.from_identity_file(hub.identity(2), protocol="wss")
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(client.ask, "never answered", timeout=30)
        hub.wait_for(utterance("never answered"))
        listening = pool.submit(list, client.listen(EVENT_SPEAK))
        client.close()
        for waiting in (asking, listening):
            with pytest.raises(ThalovantConnectionError, match="was closed"):
                waiting.result(5)


def test_a_hub_that_dies_ends_the_ask_and_the_next_one_finds_it_again(hub):
    hub.responder(reply=False)
    text = "unlucky"
    with (
        closing(ThalovantClient.from_identity_file(hub.identity(2), protocol="https")) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        asking = pool.submit(client.ask, text, timeout=30)
        hub.wait_for(utterance(text))
        stream = client.listen(EVENT_SPEAK)
        hub.core.kill()
        with pytest.raises(ThalovantConnectionError):
            asking.result(15)
        with pytest.raises(ThalovantConnectionError):
            next(stream)
        assert client.connection_info().phase == "error"
        with pytest.raises(ThalovantConnectionError) as failed:
            client.ask("nobody there")
        assert failed.value.cause is Cause.PORT_CLOSED
        hub.responder()
        hub.core.start()
        assert client.ask("lucky").ok
    assert len(hub.received(utterance(text))) == 1


def test_a_hub_that_forgot_an_mqtt_client_is_noticed_and_found_again(hub):
    with ThalovantClient.from_identity_file(hub.identity(2), protocol="mqtt") as client:
        hub.core.restart()
        assert not client.healthcheck().ok
        assert client.ask("found again").ok
        assert client.healthcheck().ok


def test_a_broadcast_that_is_not_granted_costs_the_link_and_no_more(wss):
    with wss.listen(EVENT_SPEAK, timeout=10) as events:
        wss.broadcast("thalovant.test")
        with pytest.raises(ThalovantConnectionError):
            next(events)
    assert wss.ask("forgiven?").ok


# -- not getting there


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_password_is_refused_by_name(hub, protocol, tmp_path):
    client = ThalovantClient(identity_with(hub, password="not this one"), protocol=protocol, noise_state_dir=tmp_path)
    with pytest.raises(ThalovantHubRefusedError) as refused:
        client.connect()
    assert refused.value.cause is Cause.WRONG_PASSWORD
    assert client.connection_info().phase == "error"


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_key_the_hub_does_not_know_is_refused_by_name(hub, protocol, tmp_path):
    client = ThalovantClient(identity_with(hub, access_key="0" * 32), protocol=protocol, noise_state_dir=tmp_path)
    with pytest.raises(ThalovantHubRefusedError) as refused:
        client.ask("hello")
    assert refused.value.cause is Cause.UNKNOWN_KEY
    assert "0" * 32 not in str(refused.value) + repr(client)


def test_an_attempt_the_caller_cannot_wait_for_is_the_next_callers(hub):
    client = ThalovantClient.from_identity_file(hub.identity(2), protocol="wss")
    with pytest.raises(ThalovantTimeoutError, match="could not be reached in time"):
        client.connect(timeout=0.001)
    assert client.ask("there now?").ok
    client.close()


def test_a_stranger_to_the_protocol_is_refused_at_once(hub):
    with pytest.raises(ThalovantUnsupportedProtocolError, match="no protocol 'ftp'"):
        ThalovantClient.from_identity_file(hub.identity(2), protocol="ftp")
    without_broker = identity_with(hub, mqtt=None)
    with pytest.raises(ThalovantUnsupportedProtocolError, match="no MQTT credentials"):
        ThalovantClient(without_broker, protocol="mqtt").connect()


@pytest.mark.parametrize("useragent", ["", " ", "Kiosk:1"])
def test_a_user_agent_the_hub_could_not_read_is_refused(hub, useragent):
    with pytest.raises(ValueError, match="without a colon"):
        ThalovantClient.from_identity_file(hub.identity(2), useragent=useragent)


# -- choosing the protocol


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({}, ["wss", "https", "mqtt"]),
        ({"protocols": None}, ["wss", "https", "mqtt"]),
        ({"protocols": {"wss": False, "https": True, "mqtt": True}}, ["https", "mqtt", "wss"]),
        ({"protocols": {"wss": False, "https": False, "mqtt": True}}, ["mqtt", "wss", "https"]),
        ({"protocols": {"wss": False, "https": False}}, ["mqtt", "wss", "https"]),
        ({"protocols": {"wss": True, "https": True}, "mqtt": None}, ["wss", "https"]),
        ({"protocols": None, "mqtt": None, "data_plane_endpoints": {"https": "https://h"}}, ["wss", "https"]),
    ],
)
def test_wss_comes_first_then_https_then_mqtt_as_far_as_they_are_there(hub, changes, order):
    assert choose(identity_with(hub, **changes)) == order


def test_a_protocol_that_does_not_work_gives_way_to_the_next_unless_it_was_asked_for(hub):
    endpoints = json.loads(hub.identity(2).read_text())["data_plane_endpoints"]
    dead = {**endpoints, "wss": f"wss://localhost:{free_port()}"}
    identity, keys = identity_with(hub, data_plane_endpoints=dead), hub.identity(2).parent / "hivemind"
    with ThalovantClient(identity, noise_state_dir=keys) as client:
        assert client.protocol == "https"
        assert client.ask("by another way").ok
    with pytest.raises(ThalovantConnectionError) as failed:
        ThalovantClient(identity, protocol="wss", noise_state_dir=keys).connect()
    assert failed.value.cause is Cause.PORT_CLOSED


# -- where identities come from


def test_a_client_is_made_of_a_profile_and_of_the_environment(hub, tmp_path, monkeypatch):
    identity = json.loads(hub.identity(2).read_text())
    config = tmp_path / "config.toml"
    config.touch(mode=0o600)
    config.write_text(
        "[profiles.shop.identity]\n"
        + "".join(f'{key} = "{identity[key]}"\n' for key in ("access_key", "password", "site_id", "default_master"))
    )
    from_config = ThalovantClient.from_config(config, profile="shop", protocol="wss")
    for name in ("ACCESS_KEY", "PASSWORD", "SITE_ID", "DEFAULT_MASTER"):
        monkeypatch.setenv(f"THALOVANT_{name}", identity[name.lower()])
    from_env = ThalovantClient.from_env(protocol="wss")
    assert from_config.identity == from_env.identity
    assert from_config.protocol == "wss"


def test_rich_answers_arrive_whole(wss, hub):
    table = {"columns": ["a"], "rows": [[1]]}
    hub.responder(messages=[speak("Here", rich_media_data={"table": table}), speak("you are")])
    reply = wss.ask("a table please")
    assert reply.text == "Here you are"
    assert [item.kind for item in reply.display_items()] == ["text", "table", "text"]
