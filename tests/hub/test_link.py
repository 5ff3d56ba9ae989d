"""The link against hubs of ours, which do at once what real ones do once a year."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.hub import messages, offered_keys
from agent.hub.link_events import LinkDown, LinkTrouble
from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.keeping import PulseTerms, Terms
from agent.hub.protocol.wire import envelope
from agent.hub.surroundings import Change
from tests.peers.linked import LinkedDevice
from tests.peers.proxy import TcpProxy
from tests.peers.responder import OTHER_KEY, HubSide
from tests.peers.responder_servers import HttpHub, MqttHub, WebsocketHub, make_identity
from tests.peers.rig.ports import free_port
from tests.peers.waiting import eventually

QUICK = PulseTerms(idle=0.5, doubt=0.3, dead=0.5)


class World:
    """Changes when told to."""

    def __init__(self):
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK)
        self._changes: set[Change] = set()

    @property
    def descriptors(self):
        return (self._descriptor,)

    def change(self, change):
        self._changes.add(change)
        os.eventfd_write(self._descriptor, 1)

    def changes(self):
        changes, self._changes = self._changes, set()
        if changes:
            os.eventfd_read(self._descriptor)
        return changes

    def close(self):
        os.close(self._descriptor)


def handled(message):
    context = message["payload"]["context"]
    return [envelope("bus", {"type": "ovos.utterance.handled", "data": {}, "context": context})]


def device(identity, folder, *protocols, **options):
    return LinkedDevice(identity, folder, protocols=protocols or ("wss",), **options)


def test_a_scan_is_answered_and_the_end_is_a_goodbye(tmp_path):
    goodbyes: list[bool] = []
    said = goodbyes.append
    with WebsocketHub(HubSide(answer=handled)) as hub, device(hub.identity(), tmp_path, said_goodbye=said) as linked:
        linked.wait_up("wss")
        assert linked.scan("INV-1") < 2
        assert linked.stop() < 2
    assert goodbyes == [False, True]
    assert linked.snapshot.state == "offline"


def test_a_message_for_a_session_that_ended_is_not_sent(tmp_path):
    with WebsocketHub(HubSide(answer=handled)) as hub, device(hub.identity(), tmp_path) as linked:
        linked.wait_up()
        linked.link.send(messages.code("OLD"), 0)
        linked.scan("NEW")
        rows: list[Any] = [row for row in hub.connections[0].received if row["msg_type"] == "bus"]  # type: ignore[index]
        assert [row["payload"]["data"]["utterances"] for row in rows] == [["NEW"]]


def test_an_unanswered_probe_is_degraded_a_second_one_the_end_and_a_new_session_follows(tmp_path):
    side = HubSide()
    with WebsocketHub(side) as hub, device(hub.identity(), tmp_path, pulse_terms=QUICK) as linked:
        linked.wait_up()
        side.answers_probes = False
        linked.wait_state("degraded", timeout=5)
        eventually(lambda: linked.snapshot.state == "offline", timeout=5)
        side.answers_probes = True
        linked.link.hurry()
        linked.wait_up()
        assert [event.cause for event in linked.events if isinstance(event, LinkDown)] == [Cause.HUB_SILENT]


def test_a_half_open_connection_is_found_and_replaced(tmp_path):
    with WebsocketHub(HubSide(answer=handled)) as hub, TcpProxy(hub.port) as network:
        identity = make_identity(hub.hub, {"wss": f"ws://127.0.0.1:{network.port}"})
        with device(identity, tmp_path, pulse_terms=QUICK) as linked:
            linked.wait_up()
            network.vanish()
            eventually(lambda: linked.snapshot.drops == 1, timeout=5)
            network.heal()
            linked.scan("AFTER", timeout=20)


def test_a_person_who_acts_as_a_flapping_link_is_lost_is_not_held_back_by_its_ladder(tmp_path):
    patient = Terms(first=500.0, ceiling=500.0, floor=0.1)
    with WebsocketHub(HubSide(answer=handled)) as hub, device(hub.identity(), tmp_path, terms=patient) as linked:
        linked.wait_up()
        for number in range(4):
            linked.link.hurry()
            hub.drop()
            assert linked.scan(f"FLAP-{number}", timeout=20) < 10
        assert linked.snapshot.drops == 4


def test_a_changed_network_is_a_reason_to_ask_whether_the_hub_is_there(tmp_path):
    world, side = World(), HubSide()
    pulse = PulseTerms(idle=1000, doubt=0.2, dead=0.3)
    with WebsocketHub(side) as hub, device(hub.identity(), tmp_path, surroundings=world, pulse_terms=pulse) as linked:
        linked.wait_up()
        side.answers_probes = False
        time.sleep(0.7)
        assert linked.snapshot.drops == 0
        world.change(Change.NETWORK)
        eventually(lambda: linked.snapshot.drops == 1, timeout=5)


@pytest.mark.parametrize("change", [Change.NETWORK, Change.CLOCK])
def test_a_network_that_is_back_ends_the_wait_and_a_clock_only_where_it_was_the_cause(change, tmp_path):
    world, port = World(), free_port()
    identity = make_identity(HubSide(), {"wss": f"ws://127.0.0.1:{port}"})
    patient = Terms(first=500.0, ceiling=500.0)
    with device(identity, tmp_path, surroundings=world, terms=patient) as linked:
        linked.wait_cause(Cause.PORT_CLOSED)
        with TcpProxy(free_port(), port=port) as counter:
            world.change(change)
            if change is Change.NETWORK:
                eventually(lambda: counter.accepted == 1, timeout=5)
            time.sleep(0.5)
            assert counter.accepted == (change is Change.NETWORK)


def test_a_clock_that_was_not_set_is_the_cause_and_setting_it_ends_the_wait(tmp_path, monkeypatch):
    import datetime

    from tests.peers.certificates import make_certificates
    from tests.peers.listeners import talking_listener

    day = datetime.timedelta(days=1)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificates(tmp_path, begins=day, ends=2 * day)))
    world = World()
    patient = Terms(first=500.0, ceiling=500.0)
    with talking_listener(certificates=tmp_path) as port:
        identity = make_identity(HubSide(), {"wss": f"wss://localhost:{port}"})
        with device(identity, tmp_path, surroundings=world, terms=patient) as linked:
            linked.wait_cause(Cause.CLOCK)
            before = linked.beats
            world.change(Change.CLOCK)
            eventually(lambda: linked.beats > before + 1, timeout=5)
            assert linked.causes == [Cause.CLOCK], "told once, however often it fails"


def test_a_hub_with_another_key_waits_for_a_person_and_is_dialled_once_the_key_is_accepted(tmp_path):
    side = HubSide(answer=handled)
    with WebsocketHub(side) as hub, device(hub.identity(), tmp_path) as linked:
        linked.wait_up()
        side.static_private = OTHER_KEY
        hub.drop()
        linked.link.hurry()
        linked.wait_state("attention", Cause.HUB_KEY_CHANGED)
        seen = len(side.patterns_seen)
        (offered,) = offered_keys.waiting(linked.keyring)
        assert offered.offered == side.key
        assert offered.pinned != side.key
        assert offered_keys.accept(linked.keyring, "0000-0000") == []
        assert len(side.patterns_seen) == seen, "dialled although nobody had decided"
        (accepted,) = offered_keys.accept(linked.keyring, offered_keys.fingerprint(side.key).upper())
        assert accepted.offered == side.key
        linked.wait_up(timeout=30)
        assert offered_keys.waiting(linked.keyring) == []


def test_a_hub_that_knows_another_key_of_ours_waits_for_a_person_and_is_asked_again_when_one_acts(tmp_path):
    side = HubSide(client_pin=bytes(32), pins=True)
    with WebsocketHub(side) as hub, device(hub.identity(), tmp_path) as linked:
        linked.wait_state("attention", Cause.CLIENT_KEY_REJECTED)
        seen = len(side.patterns_seen)
        side.client_pin = None
        time.sleep(1.2)
        assert len(side.patterns_seen) == seen
        linked.link.hurry()
        linked.wait_up()


def test_a_new_device_that_is_refused_awaits_admission_and_is_admitted(tmp_path):
    side = HubSide()
    with WebsocketHub(side, upgrade_status=403) as hub, device(hub.identity(), tmp_path) as linked:
        linked.wait_state("awaiting admission", Cause.NOT_ADMITTED)
        hub._upgrade_status = 101
        linked.link.hurry()
        linked.wait_up()


def test_one_that_stays_refused_needs_a_person_and_asks_on(tmp_path):
    terms = Terms(first=0.1, ceiling=0.2, floor=0.05, refusal_grace=0.5)
    with WebsocketHub(HubSide(), upgrade_status=403) as hub, device(hub.identity(), tmp_path, terms=terms) as linked:
        linked.wait_state("attention", Cause.UNKNOWN_KEY)
        hub._upgrade_status = 101
        linked.wait_up()


def test_a_wrong_password_is_named(tmp_path):
    with WebsocketHub(HubSide()) as hub:
        identity = hub.identity(password="another-Horse-Battery-91x")
        with device(identity, tmp_path) as linked:
            linked.wait_state("attention", Cause.WRONG_PASSWORD)


def test_an_identity_without_a_protocol_of_the_configuration_says_so_and_stays_alive(tmp_path):
    with device(make_identity(HubSide(), {"wss": "ws://127.0.0.1:1"}), tmp_path, "mqtt") as linked:
        linked.wait_state("attention", Cause.NO_PROTOCOL)


def test_a_better_protocol_is_taken_without_a_gap_when_it_works(tmp_path):
    side = HubSide(answer=handled)
    terms = Terms(offer_first=0.3)
    port = free_port()
    with HttpHub(side) as poll, WebsocketHub(side) as hub:
        identity = make_identity(side, {"https": poll.url, "wss": f"ws://127.0.0.1:{port}"})
        with device(identity, tmp_path, "wss", "https", terms=terms) as linked:
            linked.wait_up("https")
            linked.scan("ONE")
            with TcpProxy(hub.port, port=port):
                linked.wait_up("wss", timeout=15)
                linked.scan("TWO")
                assert not [event for event in linked.events if isinstance(event, LinkDown)]


def test_a_session_ended_by_a_clean_stop_is_opened_without_a_pause_and_after_a_crash_with_one(tmp_path):
    marks: list[bool] = []
    with MqttHub(HubSide(answer=handled), tmp_path) as hub:
        times = {}
        for name, previous in (("crashed", Previous.LOST), ("clean", Previous.GOODBYE)):
            began = time.monotonic()
            with device(hub.identity(), tmp_path, "mqtt", previous=previous, said_goodbye=marks.append) as linked:
                linked.wait_up()
                times[name] = time.monotonic() - began
            time.sleep(0.5)  # no process is back before the hub has heard its own offline
        assert times["crashed"] >= 1.0
        assert times["clean"] < times["crashed"]
    assert marks == [False, True] * 2


def test_ordinary_running_and_an_ordinary_reconnect_are_no_warning(tmp_path, caplog):
    with WebsocketHub(HubSide(answer=handled)) as hub, device(hub.identity(), tmp_path) as linked:
        linked.wait_up()
        linked.scan("ONE")
        hub.drop()
        linked.scan("TWO")
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_an_outage_is_one_warning_however_many_attempts_it_takes(tmp_path, caplog):
    identity = make_identity(HubSide(), {"wss": f"ws://127.0.0.1:{free_port()}"})
    terms = Terms(first=0.05, ceiling=0.05, floor=0.01)
    with device(identity, tmp_path, terms=terms) as linked:
        linked.wait_cause(Cause.PORT_CLOSED)
        eventually(lambda: linked.beats > 20)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert [event for event in linked.events if isinstance(event, LinkTrouble)] == [LinkTrouble(Cause.PORT_CLOSED)]


FROZEN = """
import sys, time
from pathlib import Path
from agent.hub.identity import ThalovantIdentity
from tests.peers.linked import LinkedDevice
identity = ThalovantIdentity.from_file(sys.argv[1])
with LinkedDevice(identity, Path(sys.argv[2]), protocols=["wss"]) as linked:
    linked.wait_up()
    print("up", flush=True)
    while not linked.snapshot.drops:
        time.sleep(0.05)
    print("noticed", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_process_that_was_frozen_asks_whether_the_hub_is_there(tmp_path):
    import json

    side = HubSide()
    with WebsocketHub(side) as hub:
        identity = tmp_path / "identity.json"
        members = {"access_key": "5f" * 16, "password": side.password, "site_id": "s", "default_master": "https://l"}
        url = f"ws://127.0.0.1:{hub.port}"
        identity.write_text(json.dumps({**members, "data_plane_endpoints": {"wss": url}}))
        identity.chmod(0o600)
        root = Path(__file__).parents[2]
        with subprocess.Popen(
            [sys.executable, "-c", FROZEN, str(identity), str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "up\n"
                process.send_signal(signal.SIGSTOP)
                side.answers_probes = False
                time.sleep(60)  # more than the longest round and what counts as asleep together
                process.send_signal(signal.SIGCONT)
                began = time.monotonic()
                assert process.stdout.readline() == "noticed\n"
                assert time.monotonic() - began < 30
            finally:
                process.kill()
