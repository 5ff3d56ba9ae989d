"""A scanner is told what became of its code, and a module that waits is told to read."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from agent import config
from agent.config import ButtonConfig, ConfigError, OutboxConfig, ScannerConfig
from tests.agent.test_runtime import Kiosk
from tests.peers.waiting import eventually

GOOD, ERROR, TRIGGER = b"\x1b7,", b"\x1b8,", bytes.fromhex("7E 00 08 01 00 02 01 AB CD")
TOLD = {"accepted": "accepted", "refused": "not-accepted", "again": "not-accepted"}
SCANNER = '[[scanner]]\nname = "gate"\nport = "/dev/ttyS0"\nprofile = "honeywell"\n'


@pytest.fixture
def kiosk():
    folder = Path(tempfile.mkdtemp())  # pytest's own are too long for a socket's address
    kiosk = Kiosk(folder)
    yield kiosk
    kiosk.scanner.close()
    kiosk.pins.reset()
    shutil.rmtree(folder)


def set_up(kiosk, *, buttons=(), most=1000, **scanner):
    counter = ScannerConfig(name="counter", port=kiosk.scanner.port, **scanner)
    outbox = OutboxConfig(max_messages=most)
    kiosk.config = replace(kiosk.config, scanners=(counter,), buttons=buttons, outbox=outbox)


def hears(kiosk, expected):
    heard = b""

    def heard_it():
        nonlocal heard
        heard += kiosk.scanner.received(0.1)
        return len(heard) >= len(expected)

    eventually(heard_it, what="a command to the scanner")
    assert heard == expected


def test_a_scanner_is_told_when_its_code_is_on_disk_and_when_it_was_none(kiosk):
    set_up(kiosk, profile="honeywell", commands_when=TOLD, repeat_seconds=60)
    with kiosk.running():
        kiosk.scanner.types(b"INV-1\r")
        hears(kiosk, GOOD)
        assert kiosk.ask("status")["outbox"]["waiting"] == 1
        kiosk.scanner.types(b"INV-1\r")  # held too long, and the scanner waits for an answer all the same
        hears(kiosk, GOOD)
        assert kiosk.ask("status")["outbox"]["waiting"] == 1
        kiosk.scanner.types(b"]E04006381333932\r")
        hears(kiosk, ERROR)


def test_a_scanner_is_told_when_its_code_is_not_on_disk(kiosk):
    set_up(kiosk, profile="honeywell", commands_when=TOLD, most=1)
    with kiosk.running():
        kiosk.scanner.types(b"INV-1\r")
        hears(kiosk, GOOD)
        kiosk.scanner.types(b"INV-2\r")
        hears(kiosk, ERROR)
        assert kiosk.ask("status")["outbox"]["waiting"] == 1


def test_a_scanner_that_is_to_be_told_nothing_is_told_nothing(kiosk):
    set_up(kiosk, profile="honeywell")
    with kiosk.running():
        kiosk.scanner.types(b"INV-1\r")
        kiosk.counted("scans")
    assert kiosk.scanner.received() == b""


def test_a_press_has_a_module_read_and_sends_nothing_by_itself(kiosk):
    set_up(kiosk, profile="gm65", buttons=(ButtonConfig(name="read", pin=17, trigger="counter"),))
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        kiosk.pins.push(17)
        hears(kiosk, TRIGGER)
        kiosk.scanner.types(bytes.fromhex("02 00 00 01 00 33 31") + b"INV-1\r")
        kiosk.counted("done")
        assert [message.data["utterances"] for message in kiosk.sent()] == [["INV-1"]]
        assert kiosk.ask("status")["counts"]["presses"] == 1


def test_a_press_may_do_both(kiosk):
    button = ButtonConfig(name="read", pin=17, trigger="counter", payload="/wake", gestures={"long": "/staff"})
    set_up(kiosk, profile="gm65", buttons=(button,))
    kiosk.provision()
    with kiosk.running():
        kiosk.up()
        kiosk.pins.push(17)
        hears(kiosk, TRIGGER)
        kiosk.counted("done")
        assert [message.data["utterances"] for message in kiosk.sent()] == [["/wake"]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            SCANNER + 'commands_when = { done = "accepted" }',
            'scanner[1].commands_when: no scanner is told "done"; known:',
        ),
        (
            SCANNER + 'commands_when = { again = "dance" }',
            'scanner[1].commands_when.again: no command is called "dance"',
        ),
        (
            SCANNER.replace("port", "device").replace("/dev/ttyS0", "0c2e:0b61") + 'commands_when = { again = "stop" }',
            "scanner[1].commands_when.again: a scanner that poses as a keyboard takes no commands",
        ),
        (
            SCANNER + '[[button]]\nname = "a"\npin = 17\ntrigger = "counter"',
            'button[1].trigger: no scanner is called "counter"; there are: gate',
        ),
        (
            SCANNER.replace("honeywell", "zebra") + '[[button]]\nname = "a"\npin = 17\ntrigger = "gate"',
            'button[1].trigger: "gate" cannot be told to read; give it a profile with the command trigger',
        ),
        (SCANNER + '[[button]]\nname = "a"\npin = 17\n', "button[1].payload: this key is required, unless gestures"),
    ],
)
def test_what_cannot_be_told_is_said(text, sentence):
    with pytest.raises(ConfigError) as caught:
        config.parse(text, source=Path("/etc/agent.toml"))
    assert any(problem.startswith(sentence) for problem in caught.value.problems), caught.value.problems


def test_a_module_of_any_make_that_can_be_triggered_may_have_a_button():
    for make in ("gm65", "waveshare", "de2120", "honeywell"):
        text = SCANNER.replace("honeywell", make) + '[[button]]\nname = "a"\npin = 17\ntrigger = "gate"'
        assert config.parse(text, source=Path("/etc/agent.toml")).buttons[0].wanted == ("press",)
