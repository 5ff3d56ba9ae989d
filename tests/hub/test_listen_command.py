"""`thalovant-agent listen` writes down what the hub says, beside whatever else the identity is used for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.peers.rig.core import ROOT


@pytest.fixture
def listening(hub, tmp_path):
    """Start the command; ended with the test."""
    started = []

    def start(*options):
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "agent", "listen", "--identity", str(hub.identity()), *options],
                cwd=tmp_path,
                env={**os.environ, **hub.environment(), "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        hub.wait_connected(carrier="wss", timeout=20)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_what_the_hub_says_is_written_line_by_line(hub, listening):
    process = listening("--count", "2", "--seconds", "20")
    hub.speak("One.")
    hub.speak("<speak>Two.</speak>")
    assert process.communicate(timeout=20) == ("One.\nTwo.\n", "")
    assert process.returncode == 0


def test_a_program_gets_the_whole_event(hub, listening):
    process = listening("--count", "1", "--json", "shop.closes")
    hub.emit("shop.closes", {"minutes": 10})
    written, _ = process.communicate(timeout=20)
    assert json.loads(written)["data"] == {"minutes": 10}


def test_nothing_said_is_told_by_the_exit_code(listening):
    process = listening("--seconds", "0.5")
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 1
