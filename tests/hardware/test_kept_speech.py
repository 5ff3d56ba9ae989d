"""A speech program that is kept: a small one that speaks as piper does, and piper itself where it is installed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from hardware.facts import DeviceError
from hardware.kept_speech import KeptSpeech, sentences
from hardware.sounds import SoundCommand
from hardware.stopping import StopEvent
from tests.peers.waiting import eventually

PROGRAM = """
import os, sys, time
folder, started = sys.argv[1], sys.argv[2]
with open(started, "a") as file:
    print(os.getpid(), sys.argv[3], file=file)
print("INFO: a voice was loaded, see /tmp/other.wav", flush=True)
for number, line in enumerate(sys.stdin):
    if "crash" in line:
        sys.exit("Error: no such sound")
    if "hang" in line:
        time.sleep(600)
    path = os.path.join(folder, f"{number}.wav")
    with open(path, "w") as file:
        file.write(line.strip() + "|")
    print("INFO: Wrote", path, file=sys.stderr, flush=True)
"""


class Speaker:
    """A kept program with its player, and what was heard."""

    def __init__(self, folder: Path, *, player: str = "cat >> {heard}", timeout_seconds: float = 10.0) -> None:
        self.folder = folder
        self.started = folder / "started"
        self.heard_at = folder / "heard"
        script = folder / "program.py"
        script.write_text(PROGRAM)
        words = [sys.executable, "-u", str(script)]
        self.command = f"exec {shlex.join(words)} {{folder}} {shlex.quote(str(self.started))} {{voice}}"
        sounds = SoundCommand(player.format(heard=shlex.quote(str(self.heard_at))), timeout_seconds=timeout_seconds)
        self.voice = KeptSpeech(self.command, sounds, voices={"en": "anna"}, timeout_seconds=timeout_seconds)

    def say(self, text: str, language: str = "en-us", stop: threading.Event | None = None) -> None:
        self.voice.say(text, language, stop or threading.Event())

    @property
    def heard(self) -> str:
        return self.heard_at.read_text() if self.heard_at.exists() else ""

    @property
    def starts(self) -> list[str]:
        return [line.split()[1] for line in self.started.read_text().splitlines()]

    @property
    def pid(self) -> int:
        return int(self.started.read_text().splitlines()[-1].split()[0])


@pytest.fixture
def speaker(tmp_path):
    speaker = Speaker(tmp_path)
    yield speaker
    speaker.voice.close()


def test_a_changed_command_speaks_from_the_next_text_on(speaker):
    speaker.say("One.")
    speaker.voice.change(speaker.command.replace("{voice}", "{voice}-louder"))
    speaker.say("Two.")
    speaker.say("Three.")
    assert speaker.heard == "One.|Two.|Three.|"
    assert speaker.starts == ["anna", "anna-louder"]


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("A line\nand another  one", ["A line", "and another one"]),
        ("3.5 kg at 10:30", ["3.5 kg at 10:30"]),
        (" ... ", []),
        ("🎉", []),
        ("", []),
        ("x" * 2500, ["x" * 1000, "x" * 1000, "x" * 500]),
        ("今日は。さようなら。", ["今日は。さようなら。"]),
    ],
)
def test_a_text_is_spoken_in_sentences_of_one_line_each(text, pieces):
    assert sentences(text) == pieces


def test_one_program_speaks_text_after_text_in_their_order(speaker):
    speaker.say("One. Two.")
    speaker.say("Three")
    assert speaker.heard == "One.|Two.|Three|"
    assert speaker.starts == ["anna"]


def test_the_first_voice_is_loaded_before_there_is_anything_to_say(speaker):
    speaker.voice.open()
    eventually(speaker.started.exists, what="the program")
    speaker.say("One")
    assert (speaker.heard, speaker.starts) == ("One|", ["anna"])


def test_another_language_takes_another_voice_and_only_one_is_kept(speaker):
    speaker.say("One")
    first = speaker.pid
    speaker.say("Zwei", language="de-de")
    assert speaker.starts == ["anna", "de"]
    assert gone(first)


def test_what_was_interrupted_is_not_heard_later(tmp_path):
    speaker = Speaker(tmp_path, player="cat >> {heard}; sleep 30")
    stop = StopEvent()
    thread = threading.Thread(target=speaker.say, args=("One. Two. Three.",), kwargs={"stop": stop})
    thread.start()
    eventually(lambda: speaker.heard == "One.|", what="the first sentence")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    later = StopEvent()
    thread = threading.Thread(target=speaker.say, args=("The next visitor's",), kwargs={"stop": later})
    thread.start()
    eventually(lambda: speaker.heard == "One.|The next visitor's|", what="the next text")
    later.set()
    thread.join(10)
    assert speaker.starts == ["anna"], "the same program went on"
    speaker.voice.close()


def test_a_program_that_crashes_is_told_with_its_own_words_and_started_again(speaker):
    with pytest.raises(DeviceError, match=r"the speech program ended \(Error: no such sound\)"):
        speaker.say("crash")
    speaker.say("One")
    assert speaker.heard == "One|"
    assert len(speaker.starts) == 2


def test_a_program_that_was_killed_between_two_texts_is_started_again(speaker):
    speaker.say("One")
    os.kill(speaker.pid, 9)
    eventually(lambda: "Z" in Path(f"/proc/{speaker.pid}/stat").read_text().split()[2], what="its end")
    speaker.say("Two")
    assert speaker.heard == "One|Two|"


def test_a_program_that_hangs_is_ended_and_told(tmp_path):
    speaker = Speaker(tmp_path, timeout_seconds=1.0)
    speaker.say("One")
    hanging = speaker.pid
    began = time.monotonic()
    with pytest.raises(DeviceError, match="took longer than 1 s and was ended"):
        speaker.say("hang")
    assert time.monotonic() - began < 10
    assert gone(hanging)


def test_a_program_that_is_missing_is_named_with_how_to_get_it():
    player = SoundCommand("cat > /dev/null")
    voice = KeptSpeech("exec piper-of-nobody --model {voice} --output_dir {folder}", player)
    with pytest.raises(DeviceError, match="the speech program needs piper-of-nobody: apt install piper-of-nobody"):
        voice.say("One", "en", threading.Event())


def test_the_end_leaves_neither_the_program_nor_its_sounds(speaker):
    speaker.say("One")
    pid, folder = speaker.pid, Path(f"/proc/{speaker.pid}/cmdline").read_bytes().split(b"\0")[3].decode()
    assert Path(folder).is_dir()
    speaker.voice.close()
    assert gone(pid)
    assert not Path(folder).exists()


@pytest.mark.skipif(
    shutil.which("piper") is None or "PIPER_VOICE" not in os.environ,
    reason="piper-tts is not installed, or PIPER_VOICE names no voice of it (a .onnx file)",
)
def test_piper_speaks_what_it_is_given(tmp_path):
    from agent.speech_config import SpeechConfig

    heard = tmp_path / "heard.wav"
    voices = {"en": os.environ["PIPER_VOICE"]}
    config = SpeechConfig(profile="piper", voices=voices, player=f"cat > {shlex.quote(str(heard))}")
    voice = KeptSpeech(config.command_at(), SoundCommand(config.player), voices=config.voices)
    voice.say("Your locker is number nine", "en-us", threading.Event())
    sound = heard.read_bytes()
    began = time.monotonic()
    voice.say("Nine", "en-us", threading.Event())
    assert time.monotonic() - began < 5
    voice.close()
    rate = int.from_bytes(sound[24:28], "little")
    assert 0.8 < (len(sound) - 44) / 2 / rate < 6
    assert heard.stat().st_size < len(sound)
