"""The agent against tests/limits.toml: counts, which a slow or busy machine cannot change."""

from __future__ import annotations

import shutil
import time
import tomllib
from pathlib import Path

import pytest

from scripts.benches import wear
from scripts.benches.bed import READY, UP, Bed, Device
from scripts.benches.process import usage

LIMITS = tomllib.loads(Path(__file__).with_name("limits.toml").read_text())
HUB_LIBRARIES = ("paho", "websocket", "requests", "nacl", "cryptography", "ssl", "agent.hub.dialling")
WATCHED_SECONDS = 10.0


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    with Bed(tmp_path_factory.mktemp("bed"), devices=5) as bed:
        yield bed


def imported(lines):
    """The modules in the output of -X importtime."""
    return [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")][1:]


def test_inputs_are_read_before_any_hub_library_is_imported(tmp_path):
    device = Device(tmp_path / "device", identity=None)
    with device.start(options=("-X", "importtime")) as agent:
        agent.wait(READY)
        lines = list(agent.heard)
    device.close()
    until_ready = imported(lines[: next(number for number, line in enumerate(lines) if READY in line)])
    assert not [name for name in until_ready if name.startswith(HUB_LIBRARIES)]
    assert len(until_ready) <= LIMITS["start"]["imports_until_ready"], sorted(until_ready)


@pytest.mark.parametrize("protocol", ["wss", "mqtt"])
def test_a_device_that_is_up_has_loaded_only_what_it_uses(bed, protocol):
    with bed.device(protocol).start(options=("-X", "importtime")) as agent:
        agent.wait(UP)
        agent.end()
        names = imported(agent.heard)
    other = {"wss": "paho", "mqtt": "websocket"}[protocol]
    # Cryptography and argon2 belong to a first contact or to one cipher, the rest to other commands and protocols.
    unused = ("cryptography", "requests", "asyncio", "argparse", "http.client", "email", "importlib.metadata", other)
    assert not [name for name in names if name.startswith(unused)]
    assert len(names) <= LIMITS["start"]["imports_until_up"], sorted(names)


def test_an_idle_device_sleeps(bed):
    with bed.device("mqtt").start() as agent:
        agent.wait(UP)
        time.sleep(3.0)  # what the start leaves behind; the sleep is what is measured here
        before = usage(agent.pid)
        time.sleep(WATCHED_SECONDS)
        after = usage(agent.pid)
    assert after.threads <= LIMITS["start"]["threads"]
    # Each beat may fall into a short watch once, so that one a minute looks like four.
    wakeups = after.wakeups - before.wakeups
    assert wakeups <= LIMITS["idle"]["wakeups_per_minute"]
    assert after.written - before.written <= LIMITS["idle"]["bytes_written"]


def test_a_scan_costs_the_card_no_more_than_it_may(bed):
    assert wear.written_per_scan(bed.device("wss"), 20) / 1024 <= LIMITS["scan"]["kib_written"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_scan_is_flushed_no_more_often_than_it_must(bed):
    flushes = wear.flushes_per_scan(bed.device("wss"), 15)
    assert flushes is not None
    assert 1.0 <= flushes <= LIMITS["scan"]["flushes"]


def test_a_long_run_leaves_nothing_behind_in_memory(tmp_path):
    limits = LIMITS["long_run"]
    grown = wear.grown(tmp_path / "long", scans=limits["scans"], reconnects=limits["reconnects"])
    assert grown <= limits["growth_mib"]
