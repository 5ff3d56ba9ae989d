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
UNITS = sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in {".service", ".path"})
OPTIONAL = sorted((SYSTEMD / "optional").iterdir())
SETTING = re.compile(r"^([A-Za-z]+)=(.*)$", re.MULTILINE)

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
needs_sysusers = pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="there is no systemd here")


def settings(name: str) -> list[str]:
    return [value for key, value in SETTING.findall(UNIT.read_text()) if key == name]


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def install(tmp_path):
    """Lays a unit out with drop-ins, and with a program that is there in the place of the one that will be."""
    program = tmp_path / "thalovant-agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    def lay_out(name, *drop_ins):
        text = (SYSTEMD / name).read_text()
        for place in ("/opt/thalovant-agent/bin/thalovant-agent", "/usr/bin/cage"):
            text = text.replace(place, str(program))
        unit = tmp_path / name
        unit.write_text(text)
        folder = tmp_path / f"{name}.d"
        folder.mkdir()
        for drop_in in drop_ins:
            shutil.copy(drop_in, folder)
        return unit

    return lay_out


def exposure(unit):
    """The score of `systemd-analyze security`, from 0 (nothing is open) to 10."""
    done = analyze("security", "--offline=true", "--no-pager", unit)
    assert done.returncode == 0, done.stderr
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stdout[-600:]
    return float(found[1])


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(install, name):
    done = analyze("verify", "--man=no", "--recursive-errors=no", install(name))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("drop_in", OPTIONAL, ids=lambda path: path.name)
def test_systemd_understands_every_line_of_a_drop_in(install, drop_in):
    done = analyze("verify", "--man=no", "--recursive-errors=no", install("thalovant-agent.service", drop_in))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("name", "most"),
    # Root is 0.4 of it in the last two; sealing and a TPM need it.
    [("thalovant-agent.service", 1.3), ("thalovant-identity.service", 1.1), ("thalovant-provision.service", 1.4)],
)
def test_little_is_left_open(install, name, most):
    assert exposure(install(name)) <= most


@needs_systemd
def test_with_everything_switched_on_little_more_is_open(install):
    assert {path.name for path in OPTIONAL} >= {"sound.conf", "i2c.conf", "netlink.conf"}
    assert exposure(install("thalovant-agent.service", *OPTIONAL)) <= 1.5


def test_each_drop_in_says_how_it_is_switched_on():
    for drop_in in OPTIONAL:
        assert (
            f"install -D -m 644 {drop_in.name} -t /etc/systemd/system/thalovant-agent.service.d" in drop_in.read_text()
        )


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
    wanted = {settings("Group")[0], *settings("SupplementaryGroups")[0].split()}
    for drop_in in OPTIONAL:
        wanted |= {
            name
            for key, value in SETTING.findall(drop_in.read_text())
            if key == "SupplementaryGroups"
            for name in value.split()
        }
    assert wanted <= groups


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
