"""The unit as systemd reads it, where there is a systemd to read it with."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.config import Config

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "thalovant-agent.service"
SETTING = re.compile(r"^([A-Za-z]+)=(.*)$", re.MULTILINE)

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
needs_sysusers = pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="there is no systemd here")


def settings(name: str) -> list[str]:
    return [value for key, value in SETTING.findall(UNIT.read_text()) if key == name]


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(params=["thalovant-agent.service", "thalovant-provision.service"])
def installed(tmp_path, request):
    """A unit, with a program that is there in the place of the one that will be."""
    program = tmp_path / "thalovant-agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / request.param
    unit.write_text(
        (SYSTEMD / request.param).read_text().replace("/opt/thalovant-agent/bin/thalovant-agent", str(program))
    )
    return unit


@needs_systemd
def test_systemd_understands_every_line(installed):
    done = analyze("verify", "--man=no", "--recursive-errors=no", installed)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("installed", ["thalovant-agent.service"], indirect=True)
def test_little_is_left_open(installed):
    done = analyze("security", "--offline=true", "--threshold=13", "--no-pager", installed)
    assert done.returncode == 0, done.stdout[-600:]


@needs_sysusers
def test_the_user_and_every_group_of_the_unit_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    rules = SYSTEMD / "sysusers.d" / "thalovant-agent.conf"
    done = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(rules)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    users = (tmp_path / "etc/passwd").read_text()
    groups = {line.partition(":")[0] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert f"{settings('User')[0]}:" in users
    assert {settings("Group")[0], *settings("SupplementaryGroups")[0].split()} <= groups


def test_it_starts_without_a_network_and_without_a_clock_and_never_gives_up():
    text = UNIT.read_text()
    wanted = [line for line in text.splitlines() if line.startswith(("After=", "Wants=", "Requires=", "BindsTo="))]
    assert not [line for line in wanted if "online" in line or "time-sync" in line]
    assert settings("Restart") == ["always"]
    assert settings("StartLimitIntervalSec") == ["0"]


def test_the_directories_are_those_of_the_configuration():
    config = Config()
    assert config.identity.state == Path("/var/lib") / settings("StateDirectory")[0]
    assert config.identity.file.parent == Path("/etc") / settings("ConfigurationDirectory")[0]
    assert config.control.socket.parent == Path("/run") / settings("RuntimeDirectory")[0]
    assert settings("WorkingDirectory") == [f"%t/{settings('RuntimeDirectory')[0]}"]


def test_what_newer_versions_know_stands_apart():
    newer = {"RestartSteps", "RestartMaxDelaySec", "RestartMode", "MemoryZSwapWriteback"}
    assert not newer & {key for key, _ in SETTING.findall(UNIT.read_text())}
