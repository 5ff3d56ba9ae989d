from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agent.board import read_board
from agent.config import ButtonConfig, Config, LightConfig, ScannerConfig, SpeechConfig
from agent.display_config import DisplayConfig
from agent.hub.link_report import LinkSnapshot
from agent.hub.protocol.causes import Cause
from agent.outbox import OutboxCounts
from agent.refusals import Refusals
from agent.status import NOT_ALLOWED, Card, Part, Status, parts, user_agent, version, versions, written_bytes
from hardware.facts import ScanRefused
from tests.peers.schema import Schema

SCHEMA = Path(__file__).parents[2] / "agent" / "status.schema.json"
UP = LinkSnapshot(state="up", protocol="mqtt", since=40.0, drops=2, cause=None)


def status(**changes):
    values = {
        "now": 100.0,
        "version": "1.2",
        "uptime_seconds": 60.04,
        "boot_id": "boot",
        "site_id": "shop",
        "identity_trouble": "",
        "store_trouble": "",
        "link": UP,
        "outbox": OutboxCounts(0, 0, 0),
        "card": Card(flushes=2, written_bytes=8192, survives_power_cut=True),
        "inputs": [Part(kind="scanner", name="counter")],
        "outputs": [],
        "counts": {"scans": 3},
    }
    return Status(**{**values, **changes})


def link(state, cause=None):
    return LinkSnapshot(state=state, protocol="wss", since=40.0, drops=0, cause=cause)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "ready"),
        ({"link": link("degraded")}, "degraded"),
        ({"inputs": [Part(kind="scanner", name="counter", trouble="unplugged")]}, "degraded"),
        ({"card": Card(flushes=0, written_bytes=None, survives_power_cut=False)}, "degraded"),
        ({"link": None}, "offline"),
        ({"link": link("connecting")}, "offline"),
        ({"link": link("offline", Cause.DNS)}, "offline"),
        ({"link": link("awaiting admission")}, "offline"),
        ({"link": link("attention", Cause.HUB_KEY_CHANGED)}, "attention"),
        ({"link": None, "identity_trouble": "there is none"}, "attention"),
        ({"store_trouble": "the disk is full"}, "attention"),
    ],
)
def test_one_word_says_how_the_device_is(changes, state):
    assert status(**changes).state == state
    assert status(**changes).as_dict()["state"] == state


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({}, "up over mqtt"),
        ({"outbox": OutboxCounts(12, 900, 0)}, "up over mqtt; 12 waiting to be sent"),
        ({"link": link("offline", Cause.DNS)}, f"offline: {Cause.DNS.sentence}"),
        ({"link": link("connecting")}, "connecting"),
        ({"link": None}, "starting"),
        ({"link": None, "identity_trouble": "there is none"}, "no identity: there is none"),
    ],
)
def test_a_few_words_say_it_to_systemd(changes, headline):
    assert status(**changes).headline == headline


def test_it_is_plain_json():
    shown = status(link=link("offline", Cause.DNS), outbox=OutboxCounts(4, 500, 1)).as_dict(state="stopping")
    assert json.loads(json.dumps(shown)) == {
        "state": "stopping",
        "version": "1.2",
        "versions": dict(versions()),
        "uptime_seconds": 60.0,
        "boot_id": "boot",
        "identity": {"site_id": "shop", "trouble": ""},
        "configuration": {"trouble": "", "from_hub": {}},
        "report": {"trouble": ""},
        "link": {
            "state": "offline",
            "protocol": "wss",
            "seconds": 60.0,
            "drops": 0,
            "cause": "dns",
            "advice": Cause.DNS.sentence,
        },
        "outbox": {"waiting": 4, "bytes": 500, "dead": 1, "oldest_seconds": None, "trouble": ""},
        "card": {"flushes": 2, "written_bytes": 8192, "survives_power_cut": True},
        "inputs": [{"kind": "scanner", "name": "counter", "trouble": ""}],
        "outputs": [],
        "board": None,
        "counts": {"scans": 3},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"link": None},
        {"link": link("offline", Cause.DNS)},
        {"link": link("attention", Cause.HUB_KEY_CHANGED)},
        {"identity_trouble": "there is none", "store_trouble": "full", "config_trouble": "broken"},
        {"outputs": [Part(kind=kind, name=kind) for kind in ("display", "light", "speech", "page")]},
        {"oldest_seconds": 61.27, "from_hub": {"volume": 70, "quiet": ["22:00-06:00"]}, "report_trouble": NOT_ALLOWED},
    ],
)
def test_every_status_fits_its_schema(changes, tmp_path):
    schema = Schema(SCHEMA)
    assert schema.problems(status(**changes).as_dict()) == []
    assert schema.problems(status(**changes).as_dict(state="stopping", board=read_board(tmp_path, 0.0))) == []
    refusals = Refusals()
    refusals.add(ScanRefused("counter", "undecodable", b"\xff", 90.0, "not utf-8 at byte 1"))
    assert schema.problems(status(**changes).as_dict(refused=refusals.as_list(100.0))) == []


def test_the_schema_sees_what_does_not_fit():
    wrong = status().as_dict(state="fine")
    del wrong["boot_id"]
    wrong["secret"] = wrong["outbox"]["dead"] = "one"
    assert len(Schema(SCHEMA).problems(wrong)) == 4


def test_a_link_that_is_up_again_has_no_advice():
    up = LinkSnapshot(state="up", protocol="mqtt", since=40.0, drops=1, cause=Cause.DROPPED)
    assert status(link=up).as_dict()["link"]["advice"] == ""


def test_every_configured_part_is_listed_with_its_trouble():
    config = Config(
        scanners=(ScannerConfig(name="counter", port="/dev/x"),),
        buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
        displays=(DisplayConfig(name="screen"),),
        lights=(LightConfig(name="lamp", pin=27),),
        speech=SpeechConfig(enabled=True),
    )
    inputs, outputs = parts(config, {("scanner", "counter"): "unplugged", ("speech", "speech"): "no espeak-ng"})
    assert [(one.kind, one.name, one.trouble) for one in inputs] == [
        ("scanner", "counter", "unplugged"),
        ("button", "help", ""),
    ]
    assert [(one.kind, one.name, one.trouble) for one in outputs] == [
        ("display", "screen", ""),
        ("light", "lamp", ""),
        ("speech", "speech", "no espeak-ng"),
    ]


def test_the_product_token_is_one_the_hub_takes():
    assert re.fullmatch(r"ThalovantAgent/[0-9][^:\s]*", user_agent())
    assert version() in user_agent()


def test_what_the_process_wrote_is_the_kernels_count(tmp_path):
    io = tmp_path / "io"
    io.write_text("rchar: 5\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n")
    assert written_bytes(io) == 4096
    io.write_text("nonsense")
    assert written_bytes(io) is None
    assert written_bytes(tmp_path / "none") is None
