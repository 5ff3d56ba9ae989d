"""Commands of the hub: stored before they are run, run once, and answered, if need be by the agent that follows."""

from __future__ import annotations

import json

import pytest

from agent.config import ConfigError
from agent.remote_commands import EVENT_RESPONSE, FILE, RemoteCommands
from hardware.facts import DeviceError


class Device:
    def __init__(self, folder):
        self.folder = folder
        self.did, self.sent = [], []
        self.refusal: Exception | None = None
        self.start()

    def start(self):
        """A new agent in the old folder."""
        self.commands = RemoteCommands(
            self.folder,
            restart=lambda: self._do("restart"),
            reload=lambda: self._do("reload"),
            identify=lambda: self._do("identify"),
            volume=lambda value: self._do("volume", value),
            quiet=lambda value: self._do("quiet", value),
            send=lambda kind, data: self.sent.append((kind, dict(data))),
        )

    def _do(self, name, *value):
        self.on_disk = json.loads((self.folder / FILE).read_text())
        if self.refusal is not None:
            raise self.refusal
        self.did.append((name, *value) if value else name)


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def response(number, command, ok=True, error=""):
    return (EVENT_RESPONSE, {"id": number, "command": command, "ok": ok, "error": error})


def test_it_is_on_the_disk_before_it_is_run_and_answered_after(device):
    device.commands.take({"id": "c-1", "command": "identify"})
    assert (device.did, device.on_disk["done"]) == (["identify"], ["c-1"])
    assert device.sent == [response("c-1", "identify")]


def test_one_that_ends_the_agent_is_answered_by_the_next_once(device):
    device.commands.take({"id": "c-1", "command": "restart"})
    assert (device.did, device.sent) == (["restart"], [])
    device.start()
    device.commands.link_up()
    device.commands.link_up()
    device.start()
    device.commands.link_up()
    assert device.sent == [response("c-1", "restart")]


def test_one_that_comes_twice_is_run_once_also_after_the_restart(device):
    device.commands.take({"id": "c-1", "command": "restart"})
    device.start()
    device.commands.take({"id": "c-1", "command": "restart"})
    assert device.did == ["restart"]


def test_a_refused_one_is_answered_with_the_reason(device):
    device.refusal = ConfigError("device.langauge: unknown key")
    device.commands.take({"id": "c-1", "command": "reload"})
    device.start()
    device.commands.link_up()
    assert device.sent == [response("c-1", "reload", ok=False, error="device.langauge: unknown key")]


@pytest.mark.parametrize("command", ["rm -rf /", "", None, 7, ["restart"], {"command": "restart"}])
def test_text_from_the_network_runs_nothing(device, command):
    device.commands.take({"id": "c-1", "command": command})
    assert device.did == []
    assert device.sent[0][1]["ok"] is False


def test_what_was_set_is_on_the_disk_before_and_is_set_again_after_a_restart(device):
    device.commands.take({"id": "c-1", "command": "volume", "value": 70})
    assert device.on_disk["settings"] == {"volume": 70}
    device.commands.take({"id": "c-2", "command": "quiet", "value": ["22:00-06:00", "13:00-14:00"]})
    assert device.sent == [response("c-1", "volume"), response("c-2", "quiet")]
    device.commands.take({"id": "c-3", "command": "identify"})
    device.did.clear()
    device.start()
    device.commands.restore()
    assert device.did == [("volume", 70), ("quiet", ["22:00-06:00", "13:00-14:00"])]


def test_what_was_set_goes_with_null(device):
    device.commands.take({"id": "c-1", "command": "volume", "value": 70})
    device.commands.take({"id": "c-2", "command": "volume", "value": None})
    assert device.did == [("volume", 70), ("volume", None)]
    assert device.commands.settings == {}
    device.start()
    assert device.commands.settings == {}


def test_a_setting_the_device_refuses_is_not_kept(device):
    device.commands.take({"id": "c-1", "command": "volume", "value": 70})
    device.refusal = DeviceError("this device does not speak")
    device.commands.take({"id": "c-2", "command": "volume", "value": 20})
    assert device.sent[-1] == response("c-2", "volume", ok=False, error="this device does not speak")
    assert device.commands.settings == {"volume": 70}
    device.start()
    assert device.commands.settings == {"volume": 70}
    device.commands.restore()  # as after its speech was taken from the configuration: told in the journal alone


@pytest.mark.parametrize(
    ("command", "value"),
    [
        *(("volume", value) for value in (-1, 201, "70", True, [70], float("nan"), "70; reboot")),
        *(("quiet", value) for value in ("22:00-06:00", ["22-06"], [7], ["22:00-06:00"] * 17, {"a": 1}, ["$(reboot)"])),
    ],
)
def test_a_value_that_a_configuration_could_not_have_sets_nothing(device, command, value):
    device.commands.take({"id": "c-1", "command": command, "value": value})
    assert device.did == []
    assert device.sent[0][1]["ok"] is False
    assert command in device.sent[0][1]["error"]
    assert not (device.folder / FILE).exists()


@pytest.mark.parametrize("number", [None, "", 7, "x" * 65, ["c-1"]])
def test_one_without_an_id_is_ignored(device, number):
    device.commands.take({"id": number, "command": "restart"})
    assert (device.did, device.sent) == ([], [])


def test_a_disk_that_takes_nothing_lets_nothing_run(device, tmp_path):
    (tmp_path / FILE).mkdir()
    device.start()
    device.commands.take({"id": "c-1", "command": "restart"})
    assert device.did == []
    assert device.sent == [response("c-1", "restart", ok=False, error="the disk does not take it")]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"done": 7, "owed": [], "settings": 7}', '{"settings": {"volume": "loud", "quiet": 7}}']
)
def test_a_damaged_file_is_forgotten(device, tmp_path, damage):
    (tmp_path / FILE).write_text(damage)
    device.start()
    device.commands.link_up()
    device.commands.restore()
    device.commands.take({"id": "c-1", "command": "identify"})
    assert device.sent == [response("c-1", "identify")]
    assert device.did == ["identify"]
