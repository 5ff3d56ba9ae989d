from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.cli import main
from agent.commands.status_lines import duration
from agent.identity_source import load_identity
from agent.outbox import OutboxCounts
from agent.status import Card, Part, Status
from tests.agent.stages import control_server

IDENTITY = {"access_key": "K3Y-of-it", "password": "S3CRET-of-it", "site_id": "shop", "default_master": "wss://hub"}
CONFIG = """\
[identity]
file = "identity.json"
state = "state"
[control]
socket = "control.sock"
[[scanner]]
name = "counter"
port = "/dev/scanner/at-*"
kind = "invoice"
[[button]]
name = "help"
pin = 17
payload = "/help"
"""
STATUS = Status(
    now=100.0,
    version="1.2",
    uptime_seconds=90_061.0,
    boot_id="boot",
    site_id="shop",
    identity_trouble="",
    store_trouble="",
    link=None,
    outbox=OutboxCounts(2, 900, 1),
    card=Card(flushes=2, written_bytes=8192, survives_power_cut=True),
    inputs=[Part(kind="scanner", name="counter", trouble="unplugged")],
    outputs=[Part(kind="display", name="screen")],
    counts={"scans": 7},
).as_dict()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory() as name:  # pytest's own are too long for a socket's address
        (Path(name) / "agent.toml").write_text(CONFIG)
        yield Path(name)


@pytest.fixture
def run(folder, capsys):
    """Carries out one command line; its exit code, what it wrote, and what it complained of."""

    def run(*arguments):
        code = main([*arguments, "--config", str(folder / "agent.toml")])
        written = capsys.readouterr()
        return code, written.out, written.err

    return run


@contextmanager
def agent(folder, answer):
    """An agent that gives one answer to everything; what it was asked."""
    asked = []

    def handle(request, reply):
        asked.append(request)
        reply(answer)

    with control_server(folder / "control.sock", handle):
        yield asked


def test_check_says_what_is_in_a_right_configuration(run, folder):
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert f"{folder}/agent.toml is right" in out
    assert 'scanner "counter" at /dev/scanner/at-*, sends invoice' in out
    assert 'button "help" at GPIO17, sends /help' in out
    code, out, _ = run("check", "--json")
    assert json.loads(out)["ok"] is True


def test_check_tells_of_rules_gestures_chords_and_knobs(run, folder):
    (folder / "agent.toml").write_text(
        CONFIG
        + 'gestures = { long = "/staff" }\n[[button]]\nname = "next"\npin = 22\ngestures = { click = "/next" }\n'
        + '[[chord]]\nname = "both"\nbuttons = ["help", "next"]\npayload = "/both"\n'
        + '[[knob]]\nname = "volume"\na = 5\nb = 6\nclockwise = "/up"\ncounterclockwise = "/down"\n'
        + '[[rule]]\nscanner = "counter"\nsymbologies = ["qr"]\nidentifiers = ["01"]\nkind = "article"\n'
        + '[[scanner]]\nname = "wedge"\ndevice = "0c2e:0b61"\n'
        + '[[scanner]]\nname = "gate"\nport = "/dev/serial0"\nprofile = "gm65"\n'
        + '[[button]]\nname = "read"\npin = 16\ntrigger = "gate"\n'
        + '[[button]]\nname = "both of it"\npin = 26\ntrigger = "gate"\npayload = "/wake"\n'
        + '[[light]]\nname = "lamp"\nkind = "rgb"\npins = [13, 24, 25]\nsignals = ["done"]\n'
    )
    code, out, err = run("check")
    assert (code, err) == (0, "")
    for line in (
        'rule 1 for codes with qr, (01) of "counter"',
        'button "help" at GPIO17, sends /staff on long, /help',
        'button "next" at GPIO22, sends /next on click',
        'chord "both" of help and next, sends /both',
        'knob "volume" at GPIO5 and GPIO6, sends /up and /down',
        'scanner "wedge" at 0c2e:0b61, sends code',
        'button "read" at GPIO16, has "gate" read',
        'button "both of it" at GPIO26, sends /wake, has "gate" read',
        'rgb "lamp" at GPIO13 and GPIO24 and GPIO25, shows done',
    ):
        assert line in out


@pytest.mark.parametrize("command", [["run"], ["check"], ["status"], ["provision", "-"]])
def test_every_problem_of_a_configuration_is_a_line_of_its_own(run, folder, command):
    (folder / "agent.toml").write_text('[device]\nlangage = "x"\n[hub]\nin_flight = 0\n')
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("device.langage: unknown key")
    assert second.startswith("hub.in_flight: expected 1 to 32")


def test_check_lists_the_problems_for_programs_too(run, folder):
    (folder / "agent.toml").write_text("[hub]\nin_flight = 0\n")
    code, out, _ = run("check", "--json")
    assert code == 2
    assert json.loads(out)["problems"] == ["hub.in_flight: expected 1 to 32, got 0"]


@pytest.mark.parametrize("command", [["status"], ["send-code", "A"], ["send-action", "A"], ["ask", "A"], ["outbox"]])
def test_without_an_agent_one_sentence_says_how_to_start_it(run, command):
    code, out, err = run(*command)
    assert (code, out) == (1, "")
    assert "systemctl start thalovant-agent" in err
    assert err.count("\n") == 1


def test_status_for_a_person(run, folder):
    with agent(folder, {"ok": True, **STATUS}):
        code, out, _ = run("status")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "offline, version 1.2, running for 1 d 1 h"
    assert "outbox    2 waiting (900 bytes), 1 dead letters" in lines
    assert "card      2 flushes, 8192 bytes written" in lines
    assert "scanner   counter: unplugged" in lines
    assert "display   screen: works" in lines
    assert "counted   scans 7" in lines


def test_status_tells_what_waits_what_the_board_is_and_what_the_hub_did(run, folder):
    board = {
        "model": "Raspberry Pi 4 Model B",
        "temperature_celsius": 61.5,
        "throttling": {"now": ["under-voltage"], "since_boot": ["under-voltage"]},
        "memory": {"total_bytes": 1 << 30, "available_bytes": 512 << 20},
        "disk": {"total_bytes": 8 << 30, "free_bytes": 2 << 30},
        "card": None,
        "clock": "unconfirmed",
    }
    told = {
        **STATUS,
        "board": board,
        "outbox": {**STATUS["outbox"], "oldest_seconds": 3700.0},
        "configuration": {"trouble": "", "from_hub": {"volume": 70, "quiet": []}},
        "report": {"trouble": "the hub does not let this device report its status"},
    }
    with agent(folder, {"ok": True, **told}):
        lines = run("status")[1].splitlines()
    assert "outbox    2 waiting (900 bytes), the oldest for 1 h 1 min, 1 dead letters" in lines
    at = lines.index(
        "board     Raspberry Pi 4 Model B, 61.5 °C, 512 MiB of memory free, 2048 MiB of disk free, clock unconfirmed"
    )
    assert lines[at + 1] == "          held back now: under-voltage"
    assert "set by the hub: volume 70 %, quiet never" in lines
    assert "          the hub does not let this device report its status" in lines


def test_status_of_an_agent_of_another_version_is_no_traceback(run, folder):
    with agent(folder, {"ok": True, "state": "ready"}):
        code, out, err = run("status")
    assert (code, out) == (1, "")
    assert "systemctl restart thalovant-agent" in err


def at_a_terminal(folder, command, **environ):
    """What a person sees who runs the command at a terminal."""
    near, far = os.openpty()
    words = [sys.executable, "-m", "agent", command, "--config", str(folder / "agent.toml")]
    told = {**os.environ, "TERM": "xterm", **environ}
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=far, stderr=far, env=told) as process:
        os.close(far)
        seen = b""
        with contextlib.suppress(OSError):  # how the near end of a terminal says that the far one is closed
            while data := os.read(near, 4096):
                seen += data
        process.wait(30)
    os.close(near)
    return seen.decode()


@pytest.mark.parametrize(
    ("command", "coloured"), [("status", "\033[1;31moffline\033[0m, "), ("doctor", "\033[32mok\033[0m     conf")]
)
def test_there_is_colour_at_a_terminal_and_nowhere_else(run, folder, command, coloured):
    with agent(folder, {"ok": True, **STATUS}):
        assert coloured in at_a_terminal(folder, command, NO_COLOR="")
        for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert "\033" not in at_a_terminal(folder, command, **environ)
        assert "\033" not in run(command)[1]


def test_status_for_a_program(run, folder):
    with agent(folder, {"ok": True, **STATUS}) as asked:
        code, out, _ = run("status", "--json")
    assert code == 0
    assert json.loads(out) == {"ok": True, **STATUS}
    assert asked == [{"command": "status"}]


DONE = {"ok": True, "outcome": "done", "request_id": "r", "text": "You are welcome.", "reason": ""}


def test_a_code_is_sent_with_what_is_said_about_it(run, folder):
    with agent(folder, DONE) as asked:
        code, out, _ = run("send-code", " INV-1 ", "--kind", "invoice", "--label", "Invoice", "--wait", "3")
    assert (code, out) == (0, "You are welcome.\n")
    assert asked == [
        {
            "command": "send-code",
            "text": " INV-1 ",
            "kind": "invoice",
            "label": "Invoice",
            "language": "",
            "session": "",
            "wait": 3.0,
        }
    ]


def test_an_action_and_a_question_are_sent(run, folder):
    with agent(folder, DONE) as asked:
        assert run("send-action", "/help", "--title", "Help", "--session", "till")[0] == 0
        assert run("ask", "what time is it", "--language", "de-de")[0] == 0
    assert [(one["command"], one["text"]) for one in asked] == [("send-action", "/help"), ("ask", "what time is it")]
    assert (asked[0]["title"], asked[0]["session"], asked[1]["language"]) == ("Help", "till", "de-de")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"ok": False, "outcome": "refused", "reason": "not for you", "text": ""}, "refused: not for you\n"),
        ({"ok": False, "outcome": "unanswered", "reason": "", "text": ""}, "unanswered\n"),
        ({"ok": False, "error": "not accepted: the disk is full"}, "not accepted: the disk is full\n"),
    ],
)
def test_an_outcome_that_is_not_the_wished_one_is_a_failure_with_its_reason(run, folder, answer, words):
    with agent(folder, answer):
        assert run("ask", "hello") == (1, "", words)
        code, out, err = run("ask", "hello", "--json")
    assert (code, json.loads(out), err) == (1, answer, "")


def test_what_is_only_kept_says_so(run, folder):
    with agent(folder, {"ok": True, "outcome": "kept", "request_id": "r"}):
        assert run("send-code", "INV-1", "--wait", "0") == (0, "kept\n", "")


@pytest.mark.parametrize("seconds", ["-1", "601", "soon", "nan"])
def test_a_wait_that_makes_no_sense_is_refused(run, seconds, capsys):
    with pytest.raises(SystemExit) as ended:
        run("ask", "hello", "--wait", seconds)
    assert ended.value.code == 2
    assert "--wait" in capsys.readouterr().err


def test_dead_letters_are_listed_sent_again_and_dropped(run, folder):
    letter = {
        "request_id": "r-1",
        "kind": "code",
        "origin": "counter",
        "title": "INV-1",
        "outcome": "refused",
        "reason": "no",
        "age_seconds": 3700.0,
    }
    with agent(folder, {"ok": True, "waiting": 2, "bytes": 900, "dead": 1, "letters": [letter]}):
        code, out, _ = run("outbox")
    assert code == 0
    assert out.splitlines() == [
        "2 waiting (900 bytes), 1 dead letters",
        "r-1  code from counter, 1 h 1 min old, refused: no  INV-1",
    ]
    with agent(folder, {"ok": True, "changed": 1}) as asked:
        assert run("outbox", "retry", "r-1") == (0, "1 will be sent again\n", "")
        assert run("outbox", "drop", "all") == (0, "1 dropped\n", "")
        assert run("outbox", "retry", "--all")[0] == 0
    assert [(one["action"], one["request_id"]) for one in asked] == [
        ("retry", "r-1"),
        ("drop", "all"),
        ("retry", "all"),
    ]


def test_an_identity_is_taken_over_and_the_original_erased(run, folder):
    brought = folder / "brought.json"
    brought.write_text(json.dumps(IDENTITY))
    code, out, err = run("provision", str(brought))
    assert (code, err) == (0, "")
    assert f"{folder}/identity.json holds the identity of shop" in out
    assert not brought.exists()
    assert load_identity(folder / "identity.json").site_id == "shop"


def test_an_identity_comes_through_a_pipe(run, folder, monkeypatch):
    reading, writing = os.pipe()
    os.write(writing, json.dumps(IDENTITY).encode())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        code, out, _ = run("provision", "-", "--json")
    assert code == 0
    assert json.loads(out) == {"ok": True, "site_id": "shop", "file": f"{folder}/identity.json"}


def test_an_identity_that_is_none_is_refused_in_one_sentence(run, folder):
    brought = folder / "brought.json"
    brought.write_text(json.dumps({**IDENTITY, "site_id": ""}))
    code, out, err = run("provision", str(brought))
    assert (code, out) == (1, "")
    assert "the identity has no site_id" in err
    assert "S3CRET" not in err
    assert err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_traceback(folder):
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "agent", "check", "--config", str(folder / "agent.toml")],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_command_that_asks_the_agent_starts_quickly(folder):
    """What the command line loads is a matter of its modules, which a slow machine cannot hide."""
    code = "import sys; from agent.cli import main; main(sys.argv[1:]); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--config", str(folder / "agent.toml")],
        capture_output=True,
        text=True,
        check=True,
    )
    for heavy in ("gpiozero", "paho", "requests", "cryptography", "serial", "websocket", "sqlite3"):
        assert f"'{heavy}'" not in done.stderr, heavy


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7260, "2 h 1 min"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_time_is_told_as_a_person_does(seconds, words):
    assert duration(seconds) == words
