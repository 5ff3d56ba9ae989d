"""The archive for whoever helps from afar: it has what helps, and no secret, wherever one was put."""

from __future__ import annotations

import json
import tarfile
import urllib.parse

import pytest

from agent.cli import main
from agent.field_report import COMMANDS, write_report

KEY, PASSWORD = "SECRET-access-key-0001", 'SECRET-pass "word" / 0002'
USER, MQTT_PASSWORD, PREFIX = "SECRET-user-0003", "SECRET-mqtt-0004", "SECRET-prefix-0005"
IDENTITY = {
    "access_key": KEY,
    "password": PASSWORD,
    "site_id": "shop",
    "default_master": "wss://hub.invalid",
    "default_port": 443,
    "mqtt": {
        "endpoint": "mqtts://hub.invalid:8883",
        "username": USER,
        "password": MQTT_PASSWORD,
        "topic_prefix": PREFIX,
        "qos": 1,
        "tls": True,
    },
    "protocols": {"mqtt": {"enabled": True}},
}
LEAK = "\n".join(
    [
        f"connecting with {KEY}",
        f"wss://hub.invalid/?authorization={urllib.parse.quote(KEY)}",
        f"mqtt://{USER}:{MQTT_PASSWORD}@hub.invalid",
        f"Authorization: Bearer {PASSWORD}",
        f"topic {PREFIX}/in {PASSWORD}",
    ]
)


@pytest.fixture
def device(tmp_path):
    identity = tmp_path / "identity.json"
    identity.write_text(json.dumps(IDENTITY))
    identity.chmod(0o600)
    config = tmp_path / "agent.toml"
    config.write_text(
        '[identity]\nfile = "identity.json"\nstate = "."\n[control]\nsocket = "none.sock"\n'
        f"# left here: {KEY} {LEAK!r}\n"
    )
    return config


def texts(path):
    with tarfile.open(path) as archive:
        files = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_no_secret_is_in_it_wherever_it_was_put(device, tmp_path):
    write_report(tmp_path / "report.tar.gz", config=device, run=lambda _: LEAK)
    for name, text in texts(tmp_path / "report.tar.gz").items():
        assert "SECRET" not in text, name


def test_what_helps_is_in_it(device, tmp_path):
    target = tmp_path / "report.tar.gz"
    names = write_report(target, config=device, run=lambda command: f"output of {command[0]}")
    found = texts(target)
    assert (
        set(names)
        == set(found)
        >= {*COMMANDS, "agent.toml", "status.json", "doctor.json", "versions.json", "identity.json"}
    )
    assert json.loads(found["identity.json"])["site_id"] == "shop"
    assert json.loads(found["versions.json"])["python"]
    assert "output of journalctl" in found["journal.txt"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_broken_configuration_and_no_identity_are_told_in_it(device, tmp_path):
    device.write_text("nonsense = 1\n")
    write_report(tmp_path / "report.tar.gz", config=device, run=lambda _: "")
    assert "nonsense" in texts(tmp_path / "report.tar.gz")["agent.toml"]


def test_the_command_writes_where_it_is_told(device, tmp_path, capsys):
    target = tmp_path / "here.tar.gz"
    assert main(["report", "--config", str(device), "--out", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(target)
    assert "SECRET" not in "".join(texts(target).values())


def test_a_place_that_cannot_be_written_is_one_sentence(device, tmp_path, capsys):
    assert main(["report", "--config", str(device), "--out", str(tmp_path / "no" / "where.tar.gz")]) == 1
    assert "cannot be written" in capsys.readouterr().err
