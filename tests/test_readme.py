"""The front door is true: its settings are settings, its commands are commands, its code runs, its links lead there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from agent import config
from agent.cli import command_line
from agent.light_config import ALL_SIGNALS
from agent.words import Word, Words
from hardware.patterns import COLOURS, PATTERNS, PITCHES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
INDENTED = [line.strip() for line in README.splitlines() if line.startswith("    ") and line.strip()]


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_configuration_shown_is_one(text):
    assert config.parse(text, source=ROOT / "agent.toml") != config.Config()


@pytest.mark.parametrize("line", [line for line in INDENTED if line.startswith("thalovant-agent ")])
def test_a_command_shown_is_one(line):
    words = shlex.split(line.partition("#")[0])[1:]
    assert command_line().parse_args(words).run


@pytest.mark.parametrize("line", [line for line in INDENTED if line.startswith(("./scripts/", "git clone"))])
def test_a_script_shown_is_there(line):
    for word in re.findall(r"\./scripts/[\w-]+", line):
        assert os.access(ROOT / word, os.X_OK)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_a_link_leads_somewhere(target):
    assert target.startswith("https://") or (ROOT / target).exists()


def table(head):
    text = README[README.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in text]


def test_each_gesture_shown_is_one_that_is_played():
    sheet = (ROOT / "hardware" / "wiring" / "buttons-and-lights.md").read_text()
    played = {tuple(cell.strip() for cell in line.strip("|").split("|"))[1:] for line in sheet.splitlines()}
    shown = table("| a person |")
    assert set(shown) <= played
    told = {word for *_, gestures in shown for word in re.findall("[a-z]+", gestures)}
    assert told >= {"press", "release", "click", "double", "triple", "long", "repeat", "chord", "clockwise"}


NAMED = {"green": (0, 1, 0), "yellow": (1, 1, 0), "red": (1, 0, 0), "blue": (0, 0, 1)}
SCREEN = {
    "accepted": Word.SENT,
    "done": Word.DONE,
    "unanswered": Word.UNANSWERED,
    "refused": Word.REFUSED,
    "again": Word.CHECK_DIGIT,
    "offline": Word.NO_LINK,
    "attention": Word.NOT_SAVED,
}


def shown_pattern(pattern, *, lasts):
    (on,) = {on for on, _ in pattern}  # no pattern of ours is uneven in what is on
    text = f"{len(pattern)} × {on:g} s" if len(pattern) > 1 else f"{on:g} s"
    return f"{text} in every {sum(map(sum, pattern)):g} s, while it lasts" if lasts else text


def test_each_pattern_shown_is_the_one_that_is_played():
    shown = {signal.split(":")[0]: looks for signal, *looks in table("| signal |")}
    assert tuple(shown) == ALL_SIGNALS
    for signal, (light, colour, beeper, tone, screen) in shown.items():
        lasts = signal in {"offline", "attention"}
        assert light == shown_pattern(PATTERNS["light"][signal], lasts=lasts)
        assert COLOURS[signal] == NAMED[colour]
        # A beeper only beeps: what lasts is for the lights.
        assert beeper == ("" if lasts else shown_pattern(PATTERNS["beeper"][signal], lasts=False))
        assert tone == ("" if lasts else {1.0: "high", 0.5: "low"}[PITCHES[signal]])
        assert screen == Words("en").say(SCREEN[signal], reason="why")


def test_the_library_example_runs(hub, tmp_path):
    (text,) = blocks("python")
    identity = tmp_path / "identity.json"
    identity.write_bytes(hub.identity().read_bytes())
    identity.chmod(0o600)
    ran = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, **hub.environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "What is in aisle 3?" in ran.stdout
    hub.wait_for(lambda row: row["data"].get("utterances") == ["INV-2026-001"])
