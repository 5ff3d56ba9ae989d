from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from agent.config import (
    ButtonConfig,
    ChordConfig,
    Config,
    KnobConfig,
    LightConfig,
    ScannerConfig,
    SignalsConfig,
    SpeechConfig,
)
from agent.devices import Devices
from agent.display_config import DisplayConfig
from agent.screen import Screen
from agent.workers import Workers
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost
from tests.peers.pins import Pins
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually


@pytest.fixture
def pins():
    pins = Pins()
    yield pins
    pins.reset()


class Setting:
    def __init__(self, config, pins, **more):
        self.facts: list[Any] = []
        self.workers = Workers()
        self.devices = Devices(config, self.facts.append, self.workers, pin_factory=pins, **more)

    def of(self, kind):
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def wait_for(self, kind, name):
        return eventually(
            lambda: next((fact for fact in self.of(kind) if fact.name == name), None), what=f"{kind.__name__} of {name}"
        )

    @contextmanager
    def running(self):
        self.devices.start()
        try:
            yield self
        finally:
            self.devices.end_inputs(1.0)
            self.devices.end_outputs()
            assert self.workers.stop(10) == []


def test_a_scanner_and_a_button_are_read(tmp_path, pins):
    config = Config(
        scanners=(ScannerConfig(name="counter", port=str(tmp_path / "port"), terminators=("\n",), encoding="latin-1"),),
        buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
    )
    with PtyScanner(tmp_path / "port") as scanner, Setting(config, pins).running() as setting:
        setting.wait_for(DeviceFound, "counter")
        scanner.types(b"caf\xe9\n")
        code = eventually(lambda: next(iter(setting.of(CodeScanned)), None))
        assert (code.scanner, code.value) == ("counter", "café")
        pins.push(17)
        assert [press.button for press in setting.of(ButtonPressed)] == ["help"]


def test_gestures_chords_and_knobs_are_told(pins):
    config = Config(
        buttons=(
            ButtonConfig(name="help", pin=17, gestures={"click": "/help", "long": "/staff"}, hold_seconds=0.3),
            ButtonConfig(name="next", pin=22, gestures={"click": "/next"}),
        ),
        chords=(ChordConfig(name="both", buttons=("help", "next"), payload="/both"),),
        knobs=(KnobConfig(name="volume", a=5, b=6, clockwise="/up", counterclockwise="/down"),),
    )
    with Setting(config, pins).running() as setting:

        def told(name, gesture):
            pins.advance(0.5)
            eventually(
                lambda: [fact for fact in setting.of(ButtonPressed) if (fact.button, fact.gesture) == (name, gesture)],
                what=f"{gesture} of {name}",
            )

        for name in ("help", "next", "volume"):
            setting.wait_for(DeviceFound, name)
        pins.push(17, seconds=0.1)
        told("help", "click")
        pins.drive(17, high=False)
        told("help", "long")
        pins.drive(17, high=True)
        pins.advance(0.5)
        for level in (False, True):
            for pin in (17, 22):
                pins.drive(pin, high=level)
            if not level:
                told("both", "chord")
        pins.advance(0.5)
        for pin, level in ((5, False), (6, False), (5, True), (6, True)):
            pins.drive(pin, high=level)
        told("volume", "clockwise")


def test_a_keyboard_scanner_that_is_not_plugged_in_is_told(pins):
    config = Config(scanners=(ScannerConfig(name="wedge", device="ffff:fffe"),))
    with Setting(config, pins).running() as setting:
        lost = setting.wait_for(DeviceLost, "wedge")
        assert lost.detail.startswith("no keyboard with the numbers ffff:fffe is plugged in")


def test_a_scanner_is_set_as_its_table_says(tmp_path, pins):
    scanner = ScannerConfig(
        name="counter", port=str(tmp_path / "port"), profile="gm65", start="\x02", terminators=("\x03",), suffix="#"
    )
    with PtyScanner(tmp_path / "port") as port, Setting(Config(scanners=(scanner,)), pins).running() as setting:
        setting.wait_for(DeviceFound, "counter")
        port.types(b"noise\x02]Q1" + "\u4ef6 7".encode("gbk") + b"#\x03")
        code = eventually(lambda: next(iter(setting.of(CodeScanned)), None))
        assert (code.value, code.symbology) == ("\u4ef6 7", "qr")


def test_one_that_cannot_work_does_not_keep_the_others_from_working(tmp_path, pins):
    config = Config(
        scanners=(
            ScannerConfig(name="gone", port=str(tmp_path / "nowhere")),
            ScannerConfig(name="impossible", port="/dev/null", encoding="utf-16"),
            ScannerConfig(name="good", port=str(tmp_path / "port")),
        ),
        buttons=(
            ButtonConfig(name="wrong", pin=2, payload="/a", pull="down"),
            ButtonConfig(name="good button", pin=17, payload="/b"),
        ),
        displays=(DisplayConfig(name="screen", target=str(tmp_path / "no tty")),),
    )
    with PtyScanner(tmp_path / "port"), Setting(config, pins).running() as setting:
        setting.devices.show(Screen(answer="Ready"))
        for name in ("gone", "impossible", "wrong", "screen"):
            setting.wait_for(DeviceLost, name)
        for name in ("good", "good button"):
            setting.wait_for(DeviceFound, name)


SCANNER = '[[scanner]]\nname = "a"\nport = "/nowhere"\n'
BUTTON = '[[button]]\nname = "a"\npin = 17\npayload = "/a"\n'
BUILD = """\
import sys
from pathlib import Path
from agent.config import parse
from agent.devices import Devices
from agent.workers import Workers
Devices(parse(sys.argv[1], source=Path("/etc/agent.toml")), print, Workers()).start()
print(*sys.modules)
"""


@pytest.mark.parametrize(
    ("text", "loaded", "unused"),
    [
        ("", {"facts"}, {"framing", "reading", "gs1", "board", "buttons", "keymaps", "serial_scanner"}),
        (SCANNER, {"serial_scanner", "gs1_identifiers"}, {"board", "gestures", "buttons", "keymaps", "hid_scanner"}),
        (SCANNER + 'gs1 = "off"', {"reading"}, {"gs1", "gs1_identifiers"}),
        (SCANNER.replace("port", "device"), {"hid_scanner", "keymaps"}, {"serial_scanner", "board"}),
        (BUTTON, {"buttons"}, {"framing", "reading", "gs1", "scanning", "profile", "ports", "symbology"}),
    ],
)
def test_a_device_loads_what_reads_its_inputs_and_nothing_else(text, loaded, unused):
    command = [sys.executable, "-c", BUILD, text]
    environment = {**os.environ, "GPIOZERO_PIN_FACTORY": "mock"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
    modules = {name.removeprefix("hardware.") for name in done.stdout.split() if name.startswith("hardware.")}
    assert loaded <= modules
    assert not unused & modules


def test_lights_show_what_they_are_to_show_and_nothing_else(pins):
    config = Config(
        lights=(
            LightConfig(name="lamp", pin=27, signals=("done", "offline")),
            LightConfig(name="beeper", pin=23, kind="beeper", signals=("accepted",), active="low"),
        )
    )
    with Setting(config, pins).running() as setting:
        setting.devices.signal("accepted")
        eventually(lambda: len(pins.states(23)) > 2, what="a beep")
        assert pins.states(27) == [False]
        setting.devices.rest("offline")
        eventually(lambda: pins.is_high(27), what="the lamp")
    assert not pins.is_high(27)


def test_a_light_shows_its_signals_in_colour_and_a_beeper_sounds_them_in_its_tone():
    factory = MockFactory(pin_class=MockPWMPin)
    config = Config(
        lights=(
            LightConfig(name="lamp", kind="rgb", pins=(17, 27, 22)),
            LightConfig(name="beeper", pin=23, kind="beeper", tone_hz=2000),
        )
    )
    with Setting(config, factory).running() as setting:
        setting.devices.signal("refused")
        eventually(lambda: len(factory.pin(17).states) > 16, what="eight flashes of red")
        assert not any(state.state for pin in (27, 22) for state in factory.pin(pin).states)
        assert factory.pin(23).frequency == 1000
        setting.devices.rest("offline")
        eventually(lambda: any(state.state for state in factory.pin(22).states), what="blue")
        setting.devices.signal("done")
        assert factory.pin(23).frequency == 2000
    assert setting.of(DeviceLost) == []
    factory.reset()


def test_in_quiet_hours_beepers_are_silent_and_lights_are_not(pins):
    config = Config(
        signals=SignalsConfig(quiet=("22:00-06:00",)),
        lights=(LightConfig(name="lamp", pin=27), LightConfig(name="beeper", pin=23, kind="beeper")),
    )
    times = iter([23 * 60, 6 * 60])
    with Setting(config, pins, minute=lambda: next(times)).running() as setting:
        setting.devices.signal("accepted")
        eventually(lambda: len(pins.states(27)) > 2, what="the lamp at night")
        assert not any(pins.states(23))
        setting.devices.signal("accepted")
        eventually(lambda: any(pins.states(23)), what="a beep in the morning")


@pytest.fixture
def heard(tmp_path):
    """What a speech command of the installer's own was told: how loud, and what to say."""
    path = tmp_path / "heard"
    path.touch()
    command = f'echo "{{volume}} $(cat)" >> {path}'
    return SpeechConfig(enabled=True, command=command, volume=80.0, quiet="22:00-06:00"), path


def test_hours_and_volume_can_be_set_in_the_place_of_the_configuration_s(pins, heard):
    speech, path = heard
    config = Config(
        signals=SignalsConfig(quiet=("22:00-06:00",)),
        lights=(LightConfig(name="beeper", pin=23, kind="beeper"),),
        speech=speech,
    )
    now = [23 * 60]
    with Setting(config, pins, minute=lambda: now[0]).running() as setting:

        def say(text):
            setting.devices.say(text, "en-us", text)

        say("at night")
        setting.devices.set_quiet(["12:00-13:00"])
        setting.devices.signal("accepted")
        eventually(lambda: any(pins.states(23)), what="a beep at night")
        say("not quiet any more")
        eventually(lambda: path.read_text() == "80 not quiet any more\n", what="speech")
        now[0] = 12 * 60
        say("at noon")
        setting.devices.set_quiet(None)
        setting.devices.set_volume(30)
        say("softly")
        eventually(lambda: path.read_text().endswith("\n30 softly\n"), what="softer speech")
        setting.devices.set_volume(None)
        say("as before")
        eventually(lambda: path.read_text().endswith("\n80 as before\n"), what="speech as it is configured")
    assert path.read_text().splitlines() == ["80 not quiet any more", "30 softly", "80 as before"]


@pytest.mark.parametrize(
    ("speech", "why"),
    [
        (SpeechConfig(), "this device does not speak"),
        (SpeechConfig(enabled=True, command="say"), "has no {volume}"),
    ],
)
def test_a_device_that_cannot_be_louder_says_why(pins, speech, why):
    with pytest.raises(DeviceError, match=why):
        Setting(Config(speech=speech), pins).devices.set_volume(50)


def test_a_light_that_does_not_work_is_told_once_and_when_it_works_again(pins):
    taken = Config(buttons=(ButtonConfig(name="help", pin=27, payload="/help"),))
    config = Config(lights=(LightConfig(name="lamp", pin=27),))
    setting = Setting(config, pins)
    with Setting(taken, pins).running(), setting.running():
        setting.devices.signal("done")
        setting.devices.signal("done")
        (lost,) = setting.of(DeviceLost)
        assert (lost.kind, lost.name) == ("light", "lamp")
        assert "GPIO27 cannot be used" in lost.detail


def test_the_last_screen_is_drawn_before_the_display_is_given_back(tmp_path, capfd):
    config = Config(displays=(DisplayConfig(name="screen", target="-"),))
    with Setting(config, None).running() as setting:
        setting.devices.show(Screen(answer="Ready"))
        setting.devices.show(Screen(answer="Out of service"))
    assert capfd.readouterr().out.splitlines()[-1] == "Out of service"


def test_a_picture_of_a_panel_shows_the_screen(tmp_path):
    pytest.importorskip("PIL", reason="pictures of panels need the extra oled")
    file = tmp_path / "panel.png"
    display = DisplayConfig(name="picture", type="png", file=file)
    with Setting(Config(displays=(display,)), None).running() as setting:
        setting.devices.show(Screen(answer="Hello"))
        eventually(file.exists, what="the picture")
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_panel_that_is_not_there_is_lost_and_says_so():
    config = Config(displays=(DisplayConfig(name="panel", type="lcd", bus=250),))
    with Setting(config, None).running() as setting:
        setting.devices.show(Screen(answer="Hello"))
        assert setting.wait_for(DeviceLost, "panel").kind == "display"


def test_speech_is_spoken_and_does_not_hold_up_the_end(tmp_path):
    spoken = tmp_path / "spoken"
    config = Config(speech=SpeechConfig(enabled=True, command=f"cat >> {spoken}; sleep 30"))
    with Setting(config, None).running() as setting:
        setting.devices.say("Hello", "en-us", "")
        eventually(lambda: spoken.exists() and spoken.read_text() == "Hello", what="speech")


def test_without_a_voice_nothing_is_said():
    Setting(Config(), None).devices.say("Hello", "en-us", "")


def test_mock_pins_are_driven_by_hand_and_only_those_of_buttons(pins):
    config = Config(buttons=(ButtonConfig(name="help", pin=17, payload="/help"),))
    with Setting(config, pins).running() as setting:
        setting.devices.drive(17, "low")
        setting.devices.drive(17, "high")
        assert len(setting.of(ButtonPressed)) == 1
        with pytest.raises(DeviceError, match="no button is on pin 18"):
            setting.devices.drive(18, "low")


def test_pins_that_are_not_mock_ones_are_not_driven():
    class RealPins:
        pass

    config = Config(buttons=(ButtonConfig(name="help", pin=17, payload="/help"),))
    with pytest.raises(DeviceError, match="the pins of this device are real"):
        Devices(config, print, Workers(), pin_factory=RealPins()).drive(17, "low")


def test_the_end_of_the_inputs_is_quick_and_nothing_is_read_afterwards(tmp_path, pins):
    config = Config(
        scanners=tuple(ScannerConfig(name=f"s{number}", port=str(tmp_path / str(number))) for number in range(3)),
        buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
    )
    setting = Setting(config, pins)
    with PtyScanner(tmp_path / "1"), setting.running():
        setting.wait_for(DeviceFound, "s1")
        ending = threading.Thread(target=setting.devices.end_inputs, args=(5.0,))
        ending.start()
        ending.join(2.0)
        assert not ending.is_alive(), "the end took longer than a moment"
        assert not [name for name in setting.workers.names if name.startswith("scanner")]
        pins.drive(17, high=False)
        assert setting.of(ButtonPressed) == []
