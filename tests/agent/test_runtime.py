"""The whole agent in this process: real store, scanner, control socket and display; pins and hub are stand-ins."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import (
    ButtonConfig,
    CommandsConfig,
    Config,
    ControlConfig,
    HubConfig,
    IdentityConfig,
    MetricsConfig,
    ScannerConfig,
)
from agent.control_socket import ControlError, ask_agent
from agent.display_config import DisplayConfig
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid
from agent.hub.protocol.causes import Cause
from agent.journal import Redactor
from agent.remote_commands import EVENT_COMMAND, EVENT_RESPONSE
from agent.runtime import Runtime
from agent.state_folder import StateFolder, StateFolderError
from agent.watchdog import Notifier
from hardware.recording import Record
from tests.agent.stages import HubInside, poke
from tests.peers.pins import Pins
from tests.peers.rig.ports import accepts, free_port
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

IDENTITY = {"access_key": "K3Y-of-it", "password": "S3CRET-of-it", "site_id": "shop", "default_master": "wss://hub"}


class Kiosk:
    """One agent and everything around it."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        self.scanner = PtyScanner(folder / "port")
        self.pins = Pins()
        self.links = []
        self.notified = []
        self.redactor = Redactor()
        self.silent = False
        self.config = Config(
            identity=IdentityConfig(file=folder / "identity.json", state=self.state),
            control=ControlConfig(socket=folder / "control.sock"),
            scanners=(ScannerConfig(name="counter", port=self.scanner.port, repeat_seconds=0),),
            buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
            displays=(DisplayConfig(name="screen", target="-"),),
        )

    def provision(self, **changes):
        new = self.folder / "new"
        new.write_text(json.dumps({**IDENTITY, **changes}))
        new.chmod(0o600)
        new.replace(self.config.identity.file)

    @contextmanager
    def running(self, **more):
        self.runtime = runtime = Runtime(
            self.config,
            redactor=self.redactor,
            notifier=Notifier(self._notify),
            environ={"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())},
            make_link=self._make_link,
            pin_factory=self.pins,
            **more,
        )
        running = threading.Thread(target=runtime.run)
        running.start()
        try:
            eventually(self._answers, what="the control socket")
            yield self
        finally:
            runtime.stop()
            eventually(lambda: self._ended(running), what="the end")

    def ask(self, command, timeout=10.0, **arguments):
        return ask_agent(self.config.control.socket, {"command": command, **arguments}, timeout)

    def up(self):
        """The link, once it is up."""
        eventually(lambda: self.ask("status")["link"]["state"] == "up", what="the link")
        return self.links[-1]

    def settled(self):
        return eventually(lambda: self.ask("status")["outbox"]["waiting"] == 0, what="an empty outbox")

    def counted(self, name, count=1):
        eventually(lambda: self.ask("status")["counts"].get(name, 0) >= count, what=f"{count} {name}")

    def sent(self):
        """What the hub was sent, but for the reports."""
        messages = [message for link in self.links for message, _ in link.sent]
        return [message for message in messages if message.type != "thalovant.client.status"]

    def reports(self):
        messages = [message for link in self.links for message, _ in link.sent]
        return [message.data for message in messages if message.type == "thalovant.client.status"]

    def _make_link(self, config, state, identity, emit, spawn):
        self.links.append(HubInside(emit, silent=self.silent))
        return self.links[-1]

    def _notify(self, message):
        self.notified.append(message)
        return True

    def _ended(self, running):
        poke(self.config.control.socket)
        running.join(0.02)
        return not running.is_alive()

    def _answers(self):
        try:
            return self.ask("status")
        except ControlError:
            return None


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp())  # pytest's own are too long for a socket's address
    yield path
    shutil.rmtree(path)


@pytest.fixture
def kiosk(folder):
    kiosk = Kiosk(folder)
    yield kiosk
    kiosk.scanner.close()
    kiosk.pins.reset()


def test_a_scan_and_a_press_reach_the_hub_and_their_answers_the_display(kiosk, capfd):
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        kiosk.scanner.types(b"INV-1\r")
        kiosk.counted("done")
        kiosk.pins.push(17)
        kiosk.counted("done", 2)
        kiosk.settled()
        assert [message.data["utterances"] for message in kiosk.sent()] == [["INV-1"], ["/help"]]
    shown = capfd.readouterr().out
    assert "You sent INV-1." in shown
    assert "You sent /help." in shown
    assert shown.splitlines()[-1] == "Out of service"


def test_a_recording_takes_the_place_of_the_inputs(kiosk):
    kiosk.provision()
    lines = [
        Record(5.0, "bytes", b"INV-1\rINV-".hex(), "counter"),
        Record(5.0, "edge", "1", "help"),
        Record(5.1, "bytes", b"2\r".hex(), "counter"),
        Record(5.1, "bytes", b"NOT-HERE\r".hex(), "elsewhere"),
        Record(5.2, "edge", "0", "help"),
    ]
    with kiosk.running(recording=lines):
        kiosk.counted("done", 3)
        kiosk.scanner.types(b"NOT-READ\r")
        kiosk.settled()
        assert [message.data["utterances"] for message in kiosk.sent()] == [["INV-1"], ["/help"], ["INV-2"]]
        assert "there are no pins" in kiosk.ask("pin", pin=17, level="low")["error"]


def test_it_is_ready_before_there_is_an_identity_and_takes_it_up_when_it_comes(kiosk):
    with kiosk.running():
        assert kiosk.notified[0].startswith("READY=1")
        status = kiosk.ask("status")
        assert status["state"] == "attention"
        assert "provision" in status["identity"]["trouble"]
        kiosk.scanner.types(b"EARLY\r")
        kiosk.counted("scans")
        assert kiosk.ask("status")["outbox"]["waiting"] == 1
        kiosk.provision()
        kiosk.settled()
        assert [message.data["utterances"] for message in kiosk.sent()] == [["EARLY"]]


def test_systemd_hears_how_it_is_and_that_it_stops(kiosk):
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        eventually(lambda: "STATUS=up over mqtt" in kiosk.notified, what="the status")
        assert "WATCHDOG=1" in kiosk.notified
    assert any(message.startswith("STOPPING=1") for message in kiosk.notified)


def test_what_was_not_answered_is_sent_again_after_the_next_start_under_its_id(kiosk):
    kiosk.provision()
    kiosk.silent = True
    with kiosk.running():
        kiosk.up()
        kiosk.scanner.types(b"INV-1\r")
        eventually(kiosk.sent, what="the first sending")
    kiosk.silent = False
    with kiosk.running():
        kiosk.settled()
    first, second = kiosk.sent()
    assert first.request_id == second.request_id


def test_a_lost_session_is_replaced_and_what_was_in_flight_sent_again(kiosk):
    kiosk.provision()
    kiosk.silent = True
    with kiosk.running():
        link = kiosk.up()
        kiosk.scanner.types(b"INV-1\r")
        eventually(kiosk.sent, what="the first sending")
        link.down()
        assert kiosk.ask("status")["link"]["cause"] == Cause.DROPPED
        link.silent = False
        link.up()
        kiosk.settled()
        assert len({message.request_id for message in kiosk.sent()}) == 1


def test_it_reports_itself_when_it_comes_up_and_when_it_leaves(kiosk):
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        eventually(kiosk.reports, what="the first report")
    states = [report["state"] for report in kiosk.reports()]
    assert (states[0], states[-1]) == ("ready", "stopping")
    assert kiosk.reports()[0]["inputs"][0]["name"] == "counter"
    assert "S3CRET" not in json.dumps(kiosk.reports())


def test_a_person_at_the_command_line_gets_the_hubs_answer(kiosk):
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        answer = kiosk.ask("ask", text="what time is it")
        assert (answer["ok"], answer["outcome"], answer["text"]) == (True, "done", "You sent what time is it.")
        answer = kiosk.ask("send-code", text="INV-2", kind="invoice", wait=0)
        assert (answer["ok"], answer["outcome"]) == (True, "kept")
        kiosk.counted("done", 2)
        assert kiosk.sent()[-1].data["input"]["kind"] == "invoice"


def test_one_who_waits_is_answered_when_the_agent_stops(kiosk):
    answers = []
    with kiosk.running():
        asking = threading.Thread(target=lambda: answers.append(kiosk.ask("ask", text="hello", wait=60)))
        asking.start()
        kiosk.counted("requests")
    asking.join(10)
    assert answers[0]["outcome"] == "kept"


def test_a_dead_letter_is_sent_again_when_a_person_says_so(kiosk):
    kiosk.provision()
    kiosk.silent = True
    kiosk.config = replace(kiosk.config, hub=HubConfig(answer_seconds=1.0))
    with kiosk.running():
        link = kiosk.up()
        kiosk.scanner.types(b"INV-1\r")
        eventually(lambda: kiosk.ask("status")["outbox"]["dead"] == 1, what="a dead letter")
        (letter,) = kiosk.ask("outbox")["letters"]
        assert (letter["outcome"], letter["title"]) == ("unknown", "INV-1")
        link.silent = False
        assert kiosk.ask("outbox", action="retry", request_id=letter["request_id"]) == {"ok": True, "changed": 1}
        kiosk.counted("done")
        assert kiosk.ask("outbox")["letters"] == []


def test_a_second_agent_in_the_same_folder_is_refused_before_it_begins_anything(kiosk):
    with kiosk.running():
        second = Runtime(kiosk.config, pin_factory=Pins(), notifier=Notifier(lambda message: True), environ={})
        with pytest.raises(StateFolderError, match="another agent uses"):
            second.run()
        assert kiosk.ask("status")["ok"]
    other = StateFolder(kiosk.state)
    other.claim()
    other.release()


def test_a_folder_that_cannot_be_written_is_told_on_the_display_and_mended_by_itself(kiosk, capfd):
    kiosk.state.write_text("in the way")
    with kiosk.running():
        kiosk.scanner.types(b"INV-1\r")
        kiosk.counted("not_stored")
        status = kiosk.ask("status")
        assert status["state"] == "attention"
        assert "cannot be opened" in status["outbox"]["trouble"]
        assert "NOT accepted" in capfd.readouterr().out
        kiosk.state.unlink()
        eventually(lambda: not kiosk.ask("status")["outbox"]["trouble"], what="the recovery")
        kiosk.scanner.types(b"INV-2\r")
        eventually(lambda: kiosk.ask("status")["outbox"]["waiting"] == 1, what="the scan")


def test_the_identitys_secrets_are_hidden_from_the_journal(kiosk):
    kiosk.provision(mqtt={"endpoint": "mqtts://b", "username": "us3r-name", "password": "br0ker-pass"})
    with kiosk.running():
        kiosk.up()
    text = "K3Y-of-it S3CRET-of-it us3r-name br0ker-pass"
    assert kiosk.redactor.clean(text) == " ".join(["<redacted>"] * 4)


def test_nothing_is_logged_as_an_error_in_a_whole_life(kiosk, caplog):
    kiosk.provision()
    with caplog.at_level(logging.INFO), kiosk.running():
        kiosk.up()
        kiosk.scanner.types(b"INV-1\r")
        kiosk.settled()
        kiosk.scanner.unplug()
        eventually(lambda: kiosk.ask("status")["inputs"][0]["trouble"], what="the lost scanner")
        assert kiosk.ask("status")["state"] == "degraded"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "worker failed" not in caplog.text
    assert "did not stop in time" not in caplog.text


def said(kind, data):
    return HubSaid(ThalovantEvent(name=kind, data=data))


def responses(kiosk):
    return [message.data for message in kiosk.sent() if message.type == EVENT_RESPONSE]


def test_commands_of_the_hub_are_nobodys_business_unless_enabled(kiosk):
    kiosk.provision()
    with kiosk.running():
        kiosk.up()._emit(said(EVENT_COMMAND, {"id": "c-1", "command": "restart"}))
        kiosk.ask("status")
        assert (responses(kiosk), kiosk.runtime.wants_another) == ([], False)


def test_a_command_that_ends_the_agent_is_answered_by_the_one_that_follows(kiosk):
    kiosk.config = replace(kiosk.config, commands=CommandsConfig(enabled=True))
    kiosk.provision()
    with kiosk.running():
        kiosk.up()._emit(said(EVENT_COMMAND, {"id": "c-1", "command": "restart"}))
        eventually(lambda: kiosk.runtime.wants_another, what="the end")
    assert responses(kiosk) == []
    with kiosk.running():
        kiosk.up()
        expected = {"id": "c-1", "command": "restart", "ok": True, "error": ""}
        eventually(lambda: responses(kiosk) == [expected], what="the response")


def test_what_the_hub_sets_is_told_and_is_there_after_a_restart_while_commands_are_enabled(kiosk):
    enabled, disabled = (replace(kiosk.config, commands=CommandsConfig(enabled=on)) for on in (True, False))
    kiosk.config = enabled
    kiosk.provision()
    with kiosk.running():
        for number, command, value in (("c-1", "quiet", ["22:00-06:00"]), ("c-2", "volume", 70)):
            kiosk.up()._emit(said(EVENT_COMMAND, {"id": number, "command": command, "value": value}))
        eventually(lambda: len(responses(kiosk)) == 2, what="the responses")
        assert responses(kiosk)[0] == {"id": "c-1", "command": "quiet", "ok": True, "error": ""}
        assert "this device does not speak" in responses(kiosk)[1]["error"]
        assert kiosk.ask("status")["configuration"]["from_hub"] == {"quiet": ["22:00-06:00"]}
    for kiosk.config, told in ((enabled, {"quiet": ["22:00-06:00"]}), (disabled, {})):
        with kiosk.running():
            assert kiosk.ask("status")["configuration"]["from_hub"] == told


def test_metrics_can_be_asked_for_on_loopback(kiosk):
    port = free_port()
    kiosk.config = replace(kiosk.config, metrics=MetricsConfig(port=port))
    with kiosk.running():
        eventually(lambda: accepts(port), what="the port")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert "thalovant_outbox_messages 0\n" in answer.read().decode()
    assert not accepts(port)


def test_metrics_are_written_where_the_configuration_says(kiosk):
    path = kiosk.folder / "agent.prom"
    kiosk.config = replace(kiosk.config, metrics=MetricsConfig(textfile=str(path)))
    with kiosk.running():
        eventually(path.exists, what="the metrics")
    assert "thalovant_outbox_messages 0\n" in path.read_text()
