from __future__ import annotations

import os
import shlex
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hardware.facts import DeviceError
from hardware.speech import SpeechCommand, advice, missing_programs
from hardware.stopping import StopEvent
from tests.peers.waiting import eventually


@pytest.fixture
def heard(tmp_path):
    return tmp_path / "heard.txt"


def say(command, text="Hello", language="en-us", stop=None, **settings):
    SpeechCommand(command, **settings).say(text, language, stop or threading.Event())


def complaint(command, **settings):
    with pytest.raises(DeviceError) as raised:
        say(command, **settings)
    return str(raised.value)


@pytest.mark.parametrize(
    "text", ["Hello", "two\nlines", "-f/etc/hostname", "$(id) `id` ; id", "Grüße 你好", "x" * 300_000]
)
def test_the_text_arrives_on_standard_input_as_it_is(heard, text):
    say(f"cat > {shlex.quote(str(heard))}", text)
    assert heard.read_text(encoding="utf-8") == text


def test_a_command_that_does_not_read_is_no_trouble():
    say("true", "x" * 300_000)


def test_what_the_command_prints_is_not_on_our_output(capfd):
    say("echo chatter; echo noise >&2")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("en-us", "en-us"),
        ("EN-US", "en-us"),
        ("en_us", "en-us"),
        ("pt-br", "br & co"),
        ("de-de", "de"),
        ("it-ch", "/voices/it.onnx"),
        ("fr", "fr"),
        ("", "en"),
        ("-f/etc/passwd", "en"),
        ("$(id)-x", "en"),
        ("en;id", "en"),
    ],
)
def test_the_voice_follows_the_language(heard, language, voice):
    command = f"printf %s {{voice}} > {shlex.quote(str(heard))}"
    say(command, language=language, voices={"en-us": "en-us", "pt-br": "br & co", "it": "/voices/it.onnx"})
    assert heard.read_text() == voice


def test_a_command_that_fails_is_told_with_its_own_words():
    assert complaint("echo 'no such voice: xx' >&2; exit 3") == "the speech command failed (no such voice: xx)"
    assert complaint("exit 3") == "the speech command failed (exit code 3)"


@pytest.mark.parametrize(
    "command", ["no-such-speaker --stdin", "no-such-speaker --stdin | cat", "cat | no-such-speaker -q"]
)
def test_a_missing_program_is_named_wherever_it_stands(command):
    assert complaint(command) == "the speech command needs no-such-speaker: apt install no-such-speaker"


def test_the_packages_to_install_are_named_and_not_their_programs():
    assert advice(["aplay", "espeak-ng", "aplay"]) == "apt install alsa-utils espeak-ng"
    assert advice(["piper", "aplay"]).startswith("apt install alsa-utils, and python3 -m venv /opt/piper && ")


def test_a_reader_that_had_enough_is_no_failure():
    say("yes | head -n 1 > /dev/null")


def test_a_command_that_hangs_is_ended_with_everything_it_started(tmp_path):
    pids = tmp_path / "pids"
    started = time.monotonic()
    words = complaint(f"sleep 60 & echo $! > {pids}; sleep 60", timeout_seconds=0.3)
    assert words == "the speech command took longer than 0.3 s and was ended"
    assert time.monotonic() - started < 10
    eventually(lambda: not alive(int(pids.read_text())), what="the end of what the command started")


def test_a_command_that_ignores_being_asked_is_made_to_end(tmp_path):
    pids = tmp_path / "pids"
    complaint(f"trap '' TERM; echo $$ > {pids}; while :; do sleep 0.05; done", timeout_seconds=0.3)
    assert not alive(int(pids.read_text()))


def test_stopping_ends_the_command_at_once_and_is_no_trouble(tmp_path):
    begun, stop = tmp_path / "begun", StopEvent()
    with ThreadPoolExecutor() as pool:
        speaking = pool.submit(say, f"touch {begun}; sleep 60", stop=stop)
        eventually(begun.exists)
        stopped = time.monotonic()
        stop.set()
        speaking.result(timeout=10)
    assert time.monotonic() - stopped < 5


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("espeak-nope --stdin --stdout -v {voice} | aplay-nope -q", ["espeak-nope", "aplay-nope"]),
        ("(cat; echo) | tee -a /tmp/x >/dev/null", []),
        ("VOICE=a cat && { nope-1; } || nope-2 2>&1", ["nope-1", "nope-2"]),
        ("cat 'unfinished", []),
        ("cat; exec nope", ["nope"]),
    ],
)
def test_the_programs_of_a_command_are_found(command, missing):
    assert missing_programs(command) == missing


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
