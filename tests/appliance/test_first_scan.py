"""From a fresh image to the first answered scan, by the commands of README.md, each of them run as it stands there."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.appliance.conftest import ROOT
from tests.peers.hub import utterance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_README = (ROOT / "README.md").read_text()
_SECTION = re.search(r"^## Installing on a Raspberry Pi\n(.*?)^## ", _README, re.MULTILINE | re.DOTALL)
# The machine has no GitHub and no PyPI: the checkout lies beside, and pip is told of a folder. Root needs no sudo.
_AS_ON_A_PI = """
set -e
sudo() { "$@"; }
git() { cp -r /srv/checkout thalovant-agent; }
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/srv/wheels HOME=/root
cd
"""


def test_the_commands_of_the_readme_lead_to_an_answered_scan(fresh, tmp_path):
    assert _SECTION is not None
    commands = [line.strip() for line in _SECTION[1].splitlines() if line.startswith("    ")]
    assert 0 < len(commands) <= 6
    fresh.sh("rm /etc/thalovant-agent/agent.toml; mkdir -p /boot/firmware", check=True)
    fresh.put("/root/identity.json", fresh.identity.read_bytes(), 0o600)
    for folder in ("agent", "hardware", "config", "systemd", "scripts"):
        fresh.copy_in(ROOT / folder, f"/srv/checkout/{folder}")
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        fresh.put(f"/srv/checkout/{file}", (ROOT / file).read_bytes())
    for command in commands:
        line = command.replace("<this repository>", "https://example.invalid/thalovant-agent.git")
        done = fresh.sh(f"bash -c {shlex.quote(_AS_ON_A_PI + _folder(commands, command) + line)}", timeout=400)
        assert done.code == 0, f"{command}\n{done.out[-800:]}{done.err[-1500:]}\n{fresh.journal()[-1500:]}"
    code = shlex.split(commands[-1])[2]
    fresh.hub.wait_for(utterance(code), timeout=5)
    fresh.wait_stored(0)


def _folder(commands: list[str], command: str) -> str:
    """One shell has all of them on a Pi; here each has its own, in the folder the first one went to."""
    return "" if command == commands[0] else "cd thalovant-agent\n"
