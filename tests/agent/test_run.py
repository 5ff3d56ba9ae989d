"""`thalovant-agent run` as a process of its own, with no identity: what a device is before it has a hub."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from agent.control_socket import ControlError
from tests.peers.agent import CONTROL_SOCKET, AgentProcess
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

CONFIG = """\
[identity]
file = "identity.json"
state = "state"
[control]
socket = "{socket}"
[[display]]
target = "-"
[[scanner]]
name = "counter"
port = "scanner"
repeat_seconds = 0
[[button]]
name = "help"
pin = 17
payload = "/help"
title = "Help"
"""


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp())  # pytest's own are too long for a socket's address
    yield path
    shutil.rmtree(path)


@pytest.fixture
def scanner(folder):
    with PtyScanner(folder / "scanner") as scanner:
        yield scanner


@pytest.fixture
def make_agent(folder, scanner):
    """Makes an agent at the scanner, not started yet."""
    made = []

    def make(**environment):
        config = CONFIG.format(socket=CONTROL_SOCKET).replace('"scanner"', f'"{scanner.port}"')
        made.append(AgentProcess(folder, config, environment=environment))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def hear(manager, words):
    """Wait until systemd is told this; what it is told before does not matter."""
    while words not in manager.recv(4096):
        pass


def waiting(agent):
    return agent.ask("status")["outbox"]["waiting"]


def test_scans_and_presses_are_kept_shown_and_survive_the_plug(make_agent, scanner):
    agent = make_agent()
    agent.start()
    scanner.types(b"INV-1\r")
    eventually(lambda: "INV-1: kept, will be sent" in agent.shown(), what="the scan on the display")
    agent.press(17)
    eventually(lambda: waiting(agent) == 2, what="a scan and a press in the store")
    agent.kill()
    scanner.reader_killed()
    agent.start()
    assert waiting(agent) == 2


def test_what_was_recorded_at_the_counter_is_read_again_at_a_desk(make_agent, scanner, folder):
    agent, recording = make_agent(), folder / "counter.rec"
    command = [sys.executable, "-m", "agent"]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    record = [*command, "record", str(recording), "--config", str(agent.config)]
    with subprocess.Popen(record, env=environment, stderr=subprocess.PIPE, text=True) as recorder:
        assert recorder.stderr
        while "counter: found" not in (line := recorder.stderr.readline()):
            assert line, "the recorder has ended"
        scanner.types(b"INV-1\rINV")
        eventually(lambda: b"INV".hex() in recording.read_text(), what="the first bytes in the recording")
        scanner.types(b"-2\r\xff\r")
        eventually(lambda: b"\xff\r".hex() in recording.read_text(), what="the last bytes in the recording")
        recorder.send_signal(signal.SIGINT)
        assert recorder.wait(10) == 0
    agent.replay(recording)
    agent.start()
    scanner.types(b"NOT-READ\r")
    eventually(lambda: agent.ask("status")["counts"].get("scans_refused") == 1, what="the end of the recording")
    assert agent.ask("status")["counts"]["scans"] == waiting(agent) == 2
    # The newest screen wins, so that of the two scans may never have been drawn.
    eventually(lambda: "unknown characters" in "".join(agent.shown()), what="the last thing recorded on the display")
    assert "NOT-READ" not in "".join(agent.shown())


def test_it_stops_within_five_seconds_with_code_0(make_agent):
    agent = make_agent()
    agent.start()
    began = time.monotonic()
    assert agent.terminate(timeout=10) == 0
    assert time.monotonic() - began < 5
    assert "Out of service" in agent.shown()


def test_ctrl_c_is_the_same(make_agent):
    agent = make_agent()
    agent.start()
    assert agent._signalled(signal.SIGINT, 10) == 0
    assert "Traceback" not in agent.log.read_text()


def test_systemd_hears_that_it_is_ready_while_nothing_of_the_hub_is_loaded(make_agent, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(10)
        agent = make_agent(NOTIFY_SOCKET=str(folder / "notify"))
        agent.start()
        while not manager.recv(4096).startswith(b"READY=1"):
            pass  # what the descriptor store is told comes before
        hear(manager, b"STATUS=no identity: there is no")
        loaded = Path(f"/proc/{agent.pid}/maps").read_text()
        assert "_ssl." not in loaded
        assert "cryptography" not in loaded
        assert agent.terminate() == 0
        hear(manager, b"STOPPING=1")


def test_a_second_one_is_refused_in_one_sentence(make_agent, folder):
    agent = make_agent()
    agent.start()
    done = subprocess.run(
        [sys.executable, "-m", "agent", "run", "--config", str(agent.config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"another agent uses {folder}/state")
    assert done.stderr.count("\n") == 1
    assert agent.ask("status")["ok"]


def test_sighup_takes_a_changed_configuration_up_in_the_same_process(folder, make_agent):
    (folder / "state").mkdir()
    agent = make_agent(STATE_DIRECTORY=str(folder / "state"))
    agent.start()
    eventually(lambda: answers(agent), what="an answer")
    pid = agent.pid
    agent.config.write_text(agent.config.read_text().replace('"help"', '"bell"'))
    os.kill(agent.pid, signal.SIGHUP)
    eventually(lambda: "bell" in [one["name"] for one in answers(agent)], what="the other button's name")
    assert agent.pid == pid


def test_sighup_with_a_broken_configuration_changes_nothing(folder, make_agent):
    agent = make_agent()
    agent.start()
    eventually(lambda: answers(agent), what="an answer")
    whole = agent.config.read_text()
    agent.config.write_text(whole + "nonsense = 1\n")
    uptime = agent.ask("status")["uptime_seconds"]
    os.kill(agent.pid, signal.SIGHUP)
    eventually(lambda: "going on as before" in (folder / "agent.log").read_text(), what="a word in the journal")
    assert agent.ask("status")["uptime_seconds"] >= uptime


def answers(agent):
    try:
        return agent.ask("status")["inputs"]
    except ControlError:
        return []
