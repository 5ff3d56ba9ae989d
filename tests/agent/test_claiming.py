from __future__ import annotations

import argparse
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.commands import claiming
from agent.commands.desk import Desk
from agent.hub.errors import ThalovantError
from agent.hub.identity import ThalovantIdentity
from tests.peers.clock import FakeClock
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, Answer, problem
from tests.peers.waiting import eventually


@pytest.fixture
def plane():
    with ControlPlane() as peer:
        peer.add_hub("Kitchen", mqtt="mqtts://mqtt.thalovant.com:8883")
        yield peer


class Workshop:
    """Where identities are made: one folder, one account, and a clock that nobody has to wait for."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.clock = FakeClock()
        self.shown = io.StringIO()
        self.environ = {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "THALOVANT_API_URL": plane.url,
            "THALOVANT_API_TOKEN": plane.add_token().text,
        }

    def claim(self, *arguments: str, hub: str = "kitchen") -> int:
        parser = argparse.ArgumentParser()
        desk = Desk(environ=self.environ, errors=self.shown, clock=self.clock, sleep=self.clock.sleep)
        claiming.add(parser.add_subparsers(), desk)
        options = parser.parse_args(["claim", hub, "--out", str(self.folder / "out"), *arguments])
        code: int = options.run(options)
        return code

    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out").iterdir())

    def identity(self, name: str) -> ThalovantIdentity:
        return ThalovantIdentity.from_file(self.folder / "out" / f"{name}.json")

    def clients(self) -> list[str]:
        return sorted(client["name"] for client in self.plane.store.clients.values())


@pytest.fixture
def workshop(plane, tmp_path):
    return Workshop(plane, tmp_path)


def test_an_identity_is_made_admitted_and_kept(plane, workshop, capsys):
    assert workshop.claim("--name", "kiosk") == 0
    path = workshop.folder / "out" / "kiosk.json"
    assert capsys.readouterr().out == f"{path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert workshop.files() == ["kiosk.json"]
    identity = workshop.identity("kiosk")
    client = plane.client_named("kiosk")
    assert identity.access_key == client["spec"]["apiKey"]
    assert identity.metadata["client_id"] == client["id"]
    assert identity.mqtt is not None
    assert "1 made, admitted" in workshop.shown.getvalue()
    assert identity.access_key not in workshop.shown.getvalue()


def test_a_fleet_is_made_and_can_grow(workshop, capsys):
    assert workshop.claim("--name", "kiosk", "--count", "3") == 0
    first = workshop.identity("kiosk-001")
    assert workshop.claim("--name", "kiosk", "--count", "5", "--json") == 0
    assert workshop.clients() == [f"kiosk-00{number}" for number in range(1, 6)]
    assert workshop.files() == [f"kiosk-00{number}.json" for number in range(1, 6)]
    assert workshop.identity("kiosk-001") == first
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [each["state"] for each in told["identities"]] == ["kept", "kept", "kept", "made", "made"]
    assert told["ok"] is True
    keys = {workshop.identity(f"kiosk-00{number}").access_key for number in range(1, 6)}
    assert len(keys) == 5


def test_the_wait_tells_how_it_goes(plane, workshop):
    plane.looks_until_admitted = 20
    assert workshop.claim("--name", "kiosk", "--count", "2") == 0
    shown = workshop.shown.getvalue().splitlines()
    assert "1 of 2 identities made or kept" in shown
    assert "waiting for the hub: 0 of 2 admitted, kiosk-001 (applied), 170 s left" in shown
    assert workshop.clock() < 1000 + 180


def test_without_waiting_the_files_are_there_at_once(plane, workshop):
    assert workshop.claim("--name", "kiosk", "--wait", "0") == 0
    assert workshop.files() == ["kiosk.json"]
    assert not [line for line in plane.lines if "operations" in line]


def test_an_admission_that_takes_longer_is_waited_for_again(plane, workshop):
    plane.looks_until_admitted = 100
    assert workshop.claim("--name", "kiosk", "--wait", "30") == 1
    assert "kiosk is not admitted yet; its file is good" in workshop.shown.getvalue()
    made = workshop.identity("kiosk")
    assert workshop.files() == [".kiosk.claim", "kiosk.json"]
    assert stat.S_IMODE((workshop.folder / "out" / ".kiosk.claim").stat().st_mode) == 0o600
    assert workshop.claim("--name", "kiosk") == 0
    assert workshop.files() == ["kiosk.json"]
    assert workshop.identity("kiosk") == made
    assert plane.lines.count("POST /v1/clients") == 1


def test_a_client_the_platform_gave_up_is_made_anew_by_the_next_run(plane, workshop):
    plane.looks_until_admitted = 100
    assert workshop.claim("--name", "kiosk", "--wait", "1") == 1
    before = workshop.identity("kiosk")
    plane.end_admission("kiosk", "failed", "gitops_push_rejected")
    assert workshop.claim("--name", "kiosk") == 1
    assert "run this again to make another" in workshop.shown.getvalue()
    assert (workshop.files(), workshop.clients()) == ([], [])
    plane.looks_until_admitted = 1
    assert workshop.claim("--name", "kiosk") == 0
    assert workshop.identity("kiosk").access_key != before.access_key


# ------------------------------------------------------------------------------------- never two for one name


@pytest.mark.parametrize(
    "fault",
    [{"answer": DROP}, {"answer": DROP, "processed": True}, {"answer": Answer(status=502), "processed": True}],
    ids=["request lost", "answer lost", "answer replaced"],
)
def test_an_answer_that_was_lost_makes_no_second_client(plane, workshop, fault):
    plane.put_in_the_way(**fault, method="POST")
    assert workshop.claim("--name", "kiosk") == 1
    assert workshop.files() == [".kiosk.claim"]
    assert workshop.claim("--name", "kiosk") == 0
    assert workshop.clients() == ["kiosk"]
    assert workshop.identity("kiosk").access_key == plane.client_named("kiosk")["spec"]["apiKey"]
    assert workshop.identity("kiosk").mqtt is not None


@pytest.mark.parametrize("moment", ["POST /v1/clients", "GET /v1/operations"])
def test_a_run_that_is_killed_is_gone_on_with(plane, workshop, moment):
    path = "/v1/clients" if moment.startswith("POST") else "/v1/operations"
    plane.put_in_the_way(Answer(delay=30), method=moment.partition(" ")[0], path=path, processed=True)
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(workshop.folder / "out")],
        env={**os.environ, **workshop.environ},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: any(line.startswith(moment) for line in plane.lines), what=moment)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    assert workshop.claim("--name", "kiosk", "--count", "2") == 0
    assert workshop.clients() == ["kiosk-001", "kiosk-002"]
    assert workshop.files() == ["kiosk-001.json", "kiosk-002.json"]
    for name in workshop.clients():
        assert workshop.identity(name).access_key == plane.client_named(name)["spec"]["apiKey"]


RUN = """
import argparse, sys
from agent.commands import claiming
parser = argparse.ArgumentParser()
claiming.add(parser.add_subparsers())
options = parser.parse_args(["claim", "kitchen", "--name", "kiosk", "--count", "2", "--out", sys.argv[1]])
options.run(options)
"""


def test_programs_that_run_together_make_one_client_for_each_name(plane, workshop):
    together = threading.Barrier(3)
    codes: list[int] = []

    def work() -> None:
        mine = Workshop(plane, workshop.folder)
        together.wait(5)
        codes.append(mine.claim("--name", "kiosk", "--count", "4", "--wait", "60"))

    programs = [threading.Thread(target=work) for _ in range(3)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(20)
    assert codes == [0, 0, 0]
    assert workshop.clients() == [f"kiosk-00{number}" for number in range(1, 5)]
    for name in workshop.clients():
        assert workshop.identity(name).access_key == plane.client_named(name)["spec"]["apiKey"]


def test_a_name_that_is_taken_is_told_and_the_others_are_made(plane, workshop):
    workshop.claim("--name", "kiosk-002", "--wait", "0")
    (workshop.folder / "out" / "kiosk-002.json").unlink()
    assert workshop.claim("--name", "kiosk", "--count", "3") == 1
    assert "choose another name than 'kiosk-002'" in workshop.shown.getvalue()
    assert workshop.files() == ["kiosk-001.json", "kiosk-003.json"]


def test_two_names_that_share_a_file_do_not_share_an_identity(workshop):
    assert workshop.claim("--name", "Kasse 1") == 0
    assert workshop.files() == ["Kasse-1.json"]
    assert workshop.claim("--name", "Kasse-1") == 1
    assert "is the identity of another client" in workshop.shown.getvalue()
    assert workshop.clients() == ["Kasse 1"]


def test_an_identity_of_another_hub_is_not_taken_for_this_ones(plane, workshop):
    workshop.claim("--name", "kiosk")
    plane.add_hub("Attic")
    assert workshop.claim("--name", "kiosk", hub="attic") == 1
    assert "is the identity of another hub" in workshop.shown.getvalue()


def test_an_identity_somebody_put_there_is_left_as_it_is(workshop):
    workshop.claim("--name", "spare", "--wait", "0")
    workshop.identity("spare")
    mine = workshop.folder / "out" / "kiosk.json"
    mine.touch(mode=0o600)
    own = {"access_key": "k", "password": "p", "site_id": "s", "default_master": "wss://h"}
    mine.write_text(json.dumps(own))
    assert workshop.claim("--name", "kiosk") == 0
    assert json.loads(mine.read_text()) == own
    assert workshop.clients() == ["spare"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"request": {"idempotency_key": "k", "body": {}}}'])
def test_a_damaged_claim_is_not_thrown_away(workshop, text):
    (workshop.folder / "out").mkdir()
    claim = workshop.folder / "out" / ".kiosk.claim"
    claim.touch(mode=0o600)
    claim.write_text(text)
    assert workshop.claim("--name", "kiosk") == 1
    assert ".kiosk.claim is damaged" in workshop.shown.getvalue()
    assert claim.read_text() == text
    assert workshop.clients() == []


# -------------------------------------------------------------------------------------------------- refusals


def test_a_full_plan_ends_the_making_but_not_the_waiting(plane, workshop, capsys):
    plane.most_clients = 2
    assert workshop.claim("--name", "kiosk", "--count", "5", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [each["admitted"] for each in told["identities"]] == [True, True, None]
    assert "Free plan allows up to 2 connections" in told["troubles"][0]
    assert told["troubles"][1] == "2 more were not tried; run this again when that is mended"
    assert workshop.files() == ["kiosk-001.json", "kiosk-002.json"]
    plane.most_clients = None
    assert workshop.claim("--name", "kiosk", "--count", "5") == 0


def test_a_rate_limit_is_waited_out(plane, workshop):
    plane.put_in_the_way(problem(429, "Slowly.", {"Retry-After": "40"}), method="POST")
    assert workshop.claim("--name", "kiosk", "--wait", "0") == 0
    assert workshop.clock.slept == [40]


def test_a_rate_limit_that_does_not_end_does(plane, workshop):
    plane.put_in_the_way(problem(429, "Slowly.", {"Retry-After": "60"}), method="POST", times=10)
    assert workshop.claim("--name", "kiosk") == 1
    assert workshop.clock.slept == [60, 60, 60]
    assert workshop.files() == [".kiosk.claim"]


def test_a_request_that_was_refused_is_not_sent_again_as_it_was(plane, workshop):
    plane.put_in_the_way(problem(422, "Request validation failed"), method="POST")
    assert workshop.claim("--name", "kiosk") == 1
    assert workshop.files() == []
    assert workshop.claim("--name", "kiosk") == 0
    first, second = [request for request in plane.requests if request.method == "POST"]
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_a_network_lost_while_waiting_costs_only_the_wait(plane, workshop):
    plane.put_in_the_way(DROP, path="/v1/operations")
    assert workshop.claim("--name", "kiosk") == 1
    assert "run this again to go on waiting" in workshop.shown.getvalue()
    assert workshop.claim("--name", "kiosk") == 0


def test_a_disk_that_does_not_take_the_claim_keeps_it_from_being_made(workshop):
    (workshop.folder / "out").write_text("a file in the folder's place")
    assert workshop.claim("--name", "kiosk") == 1
    assert "cannot be written to" in workshop.shown.getvalue()
    assert workshop.clients() == []


def test_nobody_signed_in_makes_nothing(plane, workshop):
    del workshop.environ["THALOVANT_API_TOKEN"]
    with pytest.raises(ThalovantError, match="signed in: thalovant-agent login"):
        workshop.claim("--name", "kiosk")
    assert plane.requests == []


@pytest.mark.parametrize("name", ["", " ", "..", "///"])
def test_a_name_that_is_none_makes_nothing(workshop, name):
    with pytest.raises(ThalovantError, match="is no name for a file"):
        workshop.claim("--name", name)
    assert workshop.clients() == []


@pytest.mark.parametrize(
    "arguments", [("--count", "0"), ("--count", "x"), ("--wait", "-1"), ("--wait", "nan"), ("--count", "10001")]
)
def test_numbers_that_make_no_sense_are_refused(workshop, capsys, arguments: Any):
    with pytest.raises(SystemExit) as caught:
        workshop.claim("--name", "kiosk", *arguments)
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err
