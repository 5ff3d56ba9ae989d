"""A speech program that really speaks, into a file where a loudspeaker would be."""

from __future__ import annotations

import array
import shlex
import shutil
import threading

import pytest

from agent.speech_config import SpeechConfig
from hardware.speech import SpeechCommand

pytestmark = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="there is no espeak-ng on this machine: apt-get install espeak-ng"
)
TEXT = "Your locker is number nine. Please close it when you leave."


def spoken(file, text=TEXT, language="en-us", **settings):
    """Seconds and loudness, 0 to 1, of the text as it was spoken."""
    config = SpeechConfig(player=f"cat > {shlex.quote(str(file))}", **settings)
    SpeechCommand(config.command_at(), voices=config.voices).say(text, language, threading.Event())
    wav = file.read_bytes()
    assert (wav[:4], wav[8:12]) == (b"RIFF", b"WAVE")
    rate = int.from_bytes(wav[24:28], "little")
    samples = array.array("h", wav[44 : len(wav) - len(wav) % 2])  # the length in the head of a piped WAV is made up
    return len(samples) / rate, max(map(abs, samples)) / 32_768


def test_what_is_spoken_is_to_be_heard_and_lasts_as_long_as_the_text(tmp_path):
    seconds, loudness = spoken(tmp_path / "speech.wav")
    words = len(TEXT.split())
    assert 60 / 175 * words * 0.6 < seconds < 60 / 175 * words * 2, "175 words in a minute"
    assert loudness > 0.1
    short, _ = spoken(tmp_path / "short.wav", text="Locker nine.")
    assert short < seconds / 2


def test_rate_and_volume_are_heard(tmp_path):
    seconds, loudness = spoken(tmp_path / "usual.wav")
    slow, quiet = spoken(tmp_path / "slow.wav", rate=0.7, volume=20.0)
    assert slow > 1.2 * seconds
    assert quiet < 0.6 * loudness


def test_the_voice_of_the_texts_language_speaks(tmp_path):
    text = "Guten Tag, Ihr Fach ist Nummer neun."
    spoken(tmp_path / "de.wav", text=text, language="de-de")
    spoken(tmp_path / "en.wav", text=text, language="en-us")
    assert (tmp_path / "de.wav").read_bytes() != (tmp_path / "en.wav").read_bytes()
