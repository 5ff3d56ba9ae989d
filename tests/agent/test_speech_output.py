from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from agent.speech_config import SpeechConfig
from agent.speech_output import SpeechOutput
from hardware.facts import DeviceError, DeviceLost
from hardware.sounds import silence
from tests.peers.waiting import eventually


class Loudspeaker:
    """A voice and a player that remember; what is `long` takes until it is cut."""

    def __init__(self):
        self.heard: list[str] = []
        self.free = threading.Event()

    def say(self, text, language, stop):
        self.heard.append(text)
        if text == "long":
            stop.wait(10)
        if text == "held":
            assert self.free.wait(10)

    def open(self): ...

    def close(self):
        self.free.set()

    def play(self, sound, stop):
        if sound == b"broken":
            raise DeviceError("the sound command failed")
        self.heard.append(f"<{sound[:8]!r}>" if len(sound) < 20 else f"<{len(sound)} bytes>")

    def says(self, *heard):
        eventually(lambda: len(self.heard) >= len(heard), what=f"{heard}, not only {self.heard}")
        assert self.heard == list(heard)


@pytest.fixture
def speaker():
    return Loudspeaker()


@contextmanager
def running(output):
    stop = threading.Event()
    thread = threading.Thread(target=output.run, args=(stop, lambda: None))
    thread.start()
    try:
        yield output
    finally:
        stop.set()
        output.wake()
        thread.join(10)
        assert not thread.is_alive()


def output_of(speaker, told=None, **settings):
    return SpeechOutput(speaker, ([] if told is None else told).append, player=speaker, **settings)


def test_sounds_are_played_in_their_place_between_the_sentences(speaker):
    with running(output_of(speaker)) as output:
        output.say("One", "en-us", "a")
        output.play(b"gong", "a")
        output.say("Two", "en-us", "a")
        speaker.says("One", "<b'gong'>", "Two")


def test_rendered_speech_takes_the_place_of_the_sentence_it_is(speaker):
    with running(output_of(speaker)) as output:
        output.say("held", "en-us")
        eventually(lambda: speaker.heard, what="the first sentence")
        output.say("Hello", "en-us")
        output.play(b"HELLO", says="Hello")
        output.play(b"HELD", says="held")  # which is being spoken already
        speaker.free.set()
        speaker.says("held", "<b'HELLO'>")
        output.play(b"alone", says="something else")
        speaker.says("held", "<b'HELLO'>", "<b'alone'>")


def test_the_newest_answer_interrupts_and_its_own_pieces_do_not(speaker):
    with running(output_of(speaker, newest=True)) as output:
        output.say("long", "en-us", "a")
        eventually(lambda: speaker.heard, what="the first answer")
        output.say("never heard", "en-us", "a")
        output.say("One", "en-us", "b")
        output.say("Two", "en-us", "b")
        speaker.says("long", "One", "Two")


def test_silence_comes_before_the_first_word_after_a_pause_alone(speaker):
    lead = silence(100)
    assert len(lead) == 44 + 2 * 2205
    output = output_of(speaker, lead_silence_ms=100)
    output.say("One", "en-us")
    output.say("Two", "en-us")
    with running(output):
        speaker.says(f"<{len(lead)} bytes>", "One", "Two")


def test_nothing_is_heard_in_quiet_hours(speaker):
    quiet = [True]
    with running(output_of(speaker, is_quiet=lambda: quiet[0])) as output:
        output.say("At night", "en-us")
        output.play(b"gong")
        quiet[0] = False
        output.say("In the morning", "en-us")
        speaker.says("In the morning")


def test_a_sound_that_cannot_be_played_stops_nothing(speaker):
    told: list[DeviceLost] = []
    with running(output_of(speaker, told)) as output:
        output.play(b"broken")
        output.say("One", "en-us")
        speaker.says("One")
    assert isinstance(told[0], DeviceLost)


def test_each_profile_measures_rate_and_volume_in_its_own_way():
    espeak = SpeechConfig(rate=0.8, volume=50.0).command_at()
    piper = SpeechConfig(rate=0.8, profile="piper", player="paplay").whole_command
    assert espeak == "espeak-ng --stdin --stdout -v {voice} -s 140 -a 50 | aplay -q"
    assert piper == ("piper --model {voice} --length_scale 1.25 --volume 1.00 --output_dir {folder} | paplay")
    assert SpeechConfig(rate=0.8, command="say -r {rate} -v {volume}").command_at() == "say -r 0.8 -v 100"
