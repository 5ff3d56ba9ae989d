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

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
INDENTED = [line.strip() for line in README.splitlines() if line.startswith("    ") and line.strip()]


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_configuration_shown_is_one(text):
    assert config.parse(text, source=ROOT / "agent.toml").scanners


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
