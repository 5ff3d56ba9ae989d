from __future__ import annotations

import json
import os
import shutil
import tempfile
from argparse import Namespace
from pathlib import Path

import pytest

from agent.commands import checking
from agent.config import load
from agent.doctor import examine
from agent.doctor.inputs import check_scanners
from agent.doctor.machine import check_power
from agent.doctor.outputs import check_speech
from agent.hub.client import ThalovantClient
from agent.identity_source import load_identity
from agent.stamps import SystemStamps
from agent.state_folder import KEYS
from agent.status import NOT_ALLOWED
from tests.agent.stages import control_server
from tests.peers.scanner import PtyScanner

IDENTITY = {
    "access_key": "K3Y-of-it",
    "password": "S3CRET-of-it",
    "site_id": "shop",
    "default_master": "https://hub.example",
    "data_plane_endpoints": {"wss": "wss://hub.example"},
}
STATUS = {
    "ok": True,
    "version": "1.2",
    "identity": {"site_id": "shop", "trouble": ""},
    "link": {"state": "up", "protocol": "wss", "advice": ""},
    "configuration": {"trouble": "", "from_hub": {}},
    "report": {"trouble": ""},
    "outbox": {"waiting": 0, "dead": 0, "trouble": ""},
    "inputs": [],
    "outputs": [],
}


class Patient:
    """A device as the doctor finds it."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "agent.toml"
        self.identity = folder / "identity.json"
        self.state = folder / "state"
        self.state.mkdir()
        self.identity.write_text(json.dumps(IDENTITY))
        self.identity.chmod(0o600)
        self.configure()

    def configure(self, text=""):
        head = f'[identity]\nfile = "{self.identity}"\nstate = "{self.state}"\n[control]\nsocket = "control.sock"\n'
        self.path.write_text(head + text)

    def finding(self, subject):
        (found,) = [finding for finding in examine(self.path) if finding.subject == subject]
        return found


@pytest.fixture
def patient():
    folder = Path(tempfile.mkdtemp())  # pytest's own are too long for a socket's address
    yield Patient(folder)
    shutil.rmtree(folder)


@pytest.fixture
def answering(patient):
    """An agent that answers with `answer`."""
    answer = json.loads(json.dumps(STATUS))
    with control_server(patient.folder / "control.sock", lambda request, reply: reply(answer)):
        yield answer


def test_a_configuration_that_is_wrong_is_all_there_is_to_say(patient):
    patient.configure("[hub]\nin_flight = 0\n[device]\nlangage = 1\n")
    findings = examine(patient.path)
    assert [finding.state for finding in findings] == ["problem", "problem"]
    assert all(finding.advice for finding in findings)


def test_an_identity_is_told_with_the_protocols_it_can_be_used_over(patient):
    assert patient.finding("identity").text == "shop, over wss, https (not mqtt)"


def test_an_identity_that_is_not_there_says_what_to_do(patient):
    patient.identity.unlink()
    found = patient.finding("identity")
    assert (found.state, found.advice) == ("problem", "put one there with: sudo thalovant-agent provision FILE")


def test_an_identity_without_any_configured_protocol_is_a_problem(patient):
    patient.configure('[hub]\nprotocols = ["mqtt"]\n')
    assert patient.finding("identity").state == "problem"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees the files of others")
def test_an_identity_of_another_user_than_the_agent_is_a_problem(patient):
    os.chown(patient.state, 4711, 4711)
    assert patient.finding("identity").advice == f"sudo chown 4711 {patient.identity}"


def test_the_state_folder_is_looked_at(patient):
    assert patient.finding("state folder").state == "ok"
    patient.state.rmdir()
    assert patient.finding("state folder").state == "warning"


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="there is no memory to put it into")
def test_a_state_folder_in_memory_is_a_problem(patient):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        patient.state = Path(folder)
        patient.configure()
        assert "in memory" in patient.finding("state folder").text


def test_an_outbox_larger_than_the_disk_deserves_a_look(patient):
    patient.configure(f"[outbox]\nmax_bytes = {1 << 40}\n")
    assert patient.finding("state folder").state == "warning"


def test_the_pin_library_is_named(patient, monkeypatch):
    assert patient.finding("pins").state == "ok"
    patient.configure('[[button]]\nname = "help"\npin = 17\npayload = "/help"\n')
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "mock")
    before = os.getcwd()
    found = patient.finding("pins")
    assert (found.state, found.text) == ("ok", "MockFactory")
    assert os.getcwd() == before


def test_a_keyboard_scanner_that_is_not_there_is_a_problem(patient):
    patient.configure('[[scanner]]\nname = "wedge"\ndevice = "ffff:fffe"\n')
    found = patient.finding('scanner "wedge"')
    assert found.state == "problem"
    assert found.text.startswith("no keyboard with the numbers ffff:fffe is plugged in; keyboards here: ")


def test_a_scanner_is_looked_for_and_the_ports_that_are_there_are_named(patient):
    link = patient.folder / "scanner-1"
    patient.configure(f'[[scanner]]\nname = "a"\nport = "{patient.folder}/scanner-*"\n')
    found = patient.finding('scanner "a"')
    assert found.state == "problem"
    assert f"nothing is at {patient.folder}/scanner-*; " in found.text
    with PtyScanner(link):
        found = patient.finding('scanner "a"')
    assert (found.state, found.text) == ("ok", str(link))


def test_a_port_that_no_scanner_is_configured_at_deserves_a_look(patient):
    link = patient.folder / "scanner-1"
    patient.configure(f'[[scanner]]\nname = "a"\nport = "{link}"\n')
    config = load(patient.path)
    with PtyScanner(link):
        present = ["/dev/ttyAMA0", "/dev/serial/by-id/usb-Cash_1 (Cash Register)"]
        found = [finding for finding in check_scanners(config, present) if finding.state == "warning"]
    (port,) = found
    assert port.text.startswith("/dev/serial/by-id/usb-Cash_1 (Cash Register) is plugged in, and no scanner")
    assert "thalovant-agent learn scanner" in port.advice


@pytest.fixture
def board(tmp_path):
    """A file system with what a Raspberry Pi says of itself."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("bits", "told", "advice"),
    [
        ("0", ("ok", "enough, since it was started"), ""),
        ("50005", ("problem", "under-voltage, throttled now"), "supply"),
        ("50000", ("warning", "under-voltage, throttled since it was started"), "supply"),
        ("80008", ("problem", "soft temperature limit now"), "let it cool"),
    ],
)
def test_a_weak_supply_and_heat_are_told_apart(patient, board, bits, told, advice):
    root = board("sys/devices/platform/soc/soc:firmware/get_throttled", bits)
    (found,) = check_power(load(patient.path), root)
    assert (found.subject, found.state, found.text) == ("power", *told)
    assert advice in found.advice


def test_a_worn_card_and_little_memory_are_told(patient, board):
    board("sys/block/mmcblk0/device/pre_eol_info", "0x03")
    root = board("proc/meminfo", "MemTotal: 524288 kB\nMemAvailable: 40960 kB\n")
    power, memory, card = check_power(load(patient.path), root)
    assert power.state == "ok"
    assert (memory.subject, memory.state) == ("memory", "warning")
    assert memory.text == "40 MiB are free, and a first contact with the hub takes 96 MiB"
    assert (card.subject, card.state) == ("card", "problem")
    assert card.advice


def test_the_clock_is_looked_at(patient):
    found = patient.finding("clock")
    assert found.state == ("ok" if SystemStamps()().sure else "warning")
    assert (found.state == "ok") is not bool(found.advice)


@pytest.fixture
def unit(tmp_path, monkeypatch):
    """A systemd with a unit that opens these classes of devices."""
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")

    def opens(*classes, state="loaded"):
        allowed = "".join(f"DeviceAllow={name} rw\n" for name in classes)
        systemctl.write_text(f"#!/bin/sh\nprintf 'LoadState={state}\n{allowed}'\n")
        systemctl.chmod(0o755)

    return opens


def test_a_sound_card_the_service_does_not_open_is_named_with_what_opens_it(patient, board, unit):
    patient.configure('[speech]\nenabled = true\ncommand = "cat | aplay"\n')
    player = board("bin/aplay", "#!/bin/sh\n") / "bin" / "aplay"
    player.chmod(0o755)
    config = load(patient.path)
    root = board("proc/asound/cards", "--- no soundcards ---\n")
    unit("char-gpiochip")
    (found,) = check_speech(config, root)
    assert (found.state, found.text) == ("problem", "the service does not let the agent use the sound card")
    assert "optional/sound.conf -t /etc/systemd/system/thalovant-agent.service.d; " in found.advice
    for state, classes in (("loaded", ["char-alsa"]), ("not-found", [])):
        unit(*classes, state=state)
        (found,) = check_speech(config, root)
        assert (found.state, found.text) == ("problem", "there is no sound card")
    board("proc/asound/cards", " 0 [Headphones]: bcm2835\n")
    (found,) = check_speech(config, root)
    assert (found.state, found.text) == ("ok", "cat | aplay")


def test_displays_and_speech_are_looked_at(patient):
    patient.configure(
        '[[display]]\nname = "a"\ntarget = "-"\n[[display]]\nname = "b"\ntarget = "/dev/nowhere"\n'
        '[speech]\nenabled = true\ncommand = "no-such-speaker | aplay-nope"\n'
    )
    assert patient.finding('display "a"').state == "ok"
    assert patient.finding('display "b"').state == "problem"
    found = patient.finding("speech")
    assert found.text == "the command needs no-such-speaker and aplay-nope"
    assert found.advice == "apt install aplay-nope no-such-speaker"


def test_without_an_agent_it_says_how_to_start_it(patient):
    found = patient.finding("agent")
    assert (found.state, found.advice) == ("problem", "start it with systemctl start thalovant-agent")


def test_without_an_agent_and_a_key_the_hub_is_left_alone(patient):
    assert "not tried" in patient.finding("link").text


def test_without_an_agent_the_doctor_dials_with_a_copy_of_the_devices_keys(patient, hub):
    patient.identity.write_bytes(hub.identity().read_bytes())
    keys = patient.state / KEYS
    client = ThalovantClient(load_identity(patient.identity), protocol="wss", noise_state_dir=keys)
    with client:
        pass  # as the agent, when it ran: now the hub knows this key
    before = sorted((path.name, path.stat().st_mtime_ns) for path in keys.iterdir())
    found = [finding for finding in examine(patient.path) if finding.subject.startswith("link over")]
    assert [(one.subject, one.state) for one in found] == [
        (f"link over {protocol}", "ok") for protocol in ("mqtt", "wss", "https")
    ]
    assert sorted((path.name, path.stat().st_mtime_ns) for path in keys.iterdir()) == before
    hub.core.stop()
    (wss,) = [finding for finding in examine(patient.path) if finding.subject == "link over wss"]
    assert wss.state == "problem"
    assert wss.text


def test_a_running_agent_is_asked_for_its_link(patient, answering):
    assert patient.finding("agent").text == "running, version 1.2"
    assert patient.finding("link").text == "up over wss"
    answering["link"] = {"state": "offline", "protocol": "wss", "advice": "plug in the cable"}
    found = patient.finding("link")
    assert (found.state, found.text, found.advice) == ("problem", "offline", "plug in the cable")


def test_what_the_agent_knows_of_its_devices_and_letters_is_told(patient, answering):
    answering["inputs"] = [{"kind": "scanner", "name": "till", "trouble": "unplugged"}]
    answering["outbox"]["dead"] = 3
    assert patient.finding('scanner "till"').text == "the agent says: unplugged"
    assert patient.finding("outbox").advice == "thalovant-agent outbox"


def test_a_hub_that_denies_the_status_is_told_with_the_command_that_allows_it(patient, answering):
    answering["report"]["trouble"] = NOT_ALLOWED
    found = patient.finding("report")
    assert (found.state, found.text) == ("warning", "the hub does not let this device report its status")
    assert found.advice == "on the hub run: hivemind-core allow-msg thalovant.client.status <client id>"


def test_a_configuration_that_is_not_in_use_and_settings_of_the_hub_are_told(patient, answering):
    answering["configuration"] = {"trouble": "agent.toml is not used: broken", "from_hub": {"volume": 70}}
    told = [one for one in examine(patient.path) if one.subject == "configuration" and one.state == "problem"]
    assert [one.text for one in told] == ["agent.toml is not used: broken"]
    assert patient.finding("settings").text == "volume set by the hub, in the place of the configuration"


def test_an_agent_of_another_version_is_no_traceback(patient, answering):
    answering.clear()
    answering["ok"] = True
    assert patient.finding("agent").advice == "systemctl restart thalovant-agent"


def test_the_findings_for_people_and_for_programs(patient, answering, capsys):
    patient.configure('[[display]]\nname = "b"\ntarget = "/dev/nowhere"\n')
    assert checking.doctor(Namespace(config=patient.path, json=False)) == 1
    out = capsys.readouterr().out
    assert 'WRONG  display "b": there is no /dev/nowhere\n       -> /dev/tty1 is' in out
    assert "S3CRET" not in out
    patient.configure()
    assert checking.doctor(Namespace(config=patient.path, json=True)) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {"subject": "link", "state": "ok", "text": "up over wss", "advice": ""} in answer["findings"]
