from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from agent.outputs import DisplayOutput
from agent.screen import Screen
from agent.speech_output import SpeechOutput
from hardware.facts import DeviceError, DeviceFound, DeviceLost
from tests.peers.waiting import eventually


class Device:
    """A display and a voice that remember, hold still and fail on demand."""

    def __init__(self):
        self.shown: list[tuple[str, ...]] = []
        self.said: list[tuple[str, str]] = []
        self.tries = 0
        self.closed = False
        self.pages = 1
        self.turned = 0
        self.trouble = ""
        self.free = threading.Event()
        self.free.set()

    def show(self, lines):
        self._use()
        self.shown.append(tuple(lines))

    def turn(self):
        self.turned += 1
        return self.turned < self.pages

    def open(self): ...

    def say(self, text, language, stop):
        self._use()
        self.said.append((text, language))

    def _use(self):
        self.tries += 1
        self.free.wait(10)
        if self.trouble:
            raise DeviceError(self.trouble)

    def close(self):
        self.closed = True


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def told():
    return []


@contextmanager
def running(output):
    stop = threading.Event()
    thread = threading.Thread(target=output.run, args=(stop, lambda: None))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        output.wake()
        thread.join(10)
        assert not thread.is_alive()


def test_a_display_that_is_slow_gets_the_newest_screen_next(device, told):
    output = DisplayOutput("screen", device, told.append)
    device.free.clear()
    output.show(Screen(answer="0"))
    with running(output):
        eventually(lambda: device.tries == 1, what="the first drawing")
        for number in range(1, 50):
            output.show(Screen(answer=str(number)))
        device.free.set()
        eventually(lambda: ("49",) in device.shown, what="the last screen")
    assert device.shown == [("0",), ("49",)]
    assert told == []


def test_the_last_screen_is_drawn_though_the_end_has_come(device, told):
    output = DisplayOutput("screen", device, told.append)
    with running(output):
        output.show(Screen(answer="Out of service"))
    assert device.shown[-1] == ("Out of service",)
    assert device.closed


def test_a_display_that_fails_is_told_once_and_tried_with_the_next_screen(device, told):
    output = DisplayOutput("screen", device, told.append)
    device.trouble = "no display"
    with running(output):
        output.show(Screen(answer="1"))
        eventually(lambda: device.tries >= 1, what="a try")
        output.show(Screen(answer="2"))
        eventually(lambda: device.tries >= 2, what="another")
        device.trouble = ""
        output.show(Screen(answer="3"))
        eventually(lambda: len(told) == 2, what="the recovery")
    assert told == [DeviceLost("display", "screen", "no display"), DeviceFound("display", "screen", "")]


def test_the_pages_of_a_panel_are_turned_while_nothing_else_happens(device, told):
    device.pages = 4
    output = DisplayOutput("panel", device, told.append, page_seconds=0.01)
    output.show(Screen(answer="long"))
    with running(output):
        eventually(lambda: device.turned == 4, what="the last page")
        device.turned = 0
        output.show(Screen(answer="short"))
        eventually(lambda: device.turned == 4, what="the pages of the next screen")
    assert device.shown == [("long",), ("short",)]
    assert told == []


def test_every_sentence_is_spoken_in_order(device, told):
    output = SpeechOutput(device, told.append)
    with running(output):
        for number in range(5):
            output.say(str(number), "en-us")
        eventually(lambda: len(device.said) == 5, what="the sentences")
    assert device.said == [(str(number), "en-us") for number in range(5)]


def test_of_a_flood_of_sentences_the_newest_are_spoken(device, told):
    output = SpeechOutput(device, told.append)
    for number in range(100):
        output.say(str(number), "en-us")
    with running(output):
        eventually(lambda: ("99", "en-us") in device.said, what="the last sentence")
    assert [int(text) for text, _ in device.said] == list(range(92, 100))


def test_a_voice_that_fails_is_told_once_and_used_again(device, told):
    output = SpeechOutput(device, told.append)
    device.trouble = "no espeak-ng"
    with running(output):
        output.say("a", "en-us")
        output.say("b", "en-us")
        eventually(lambda: device.tries == 2, what="two tries")
        device.trouble = ""
        output.say("c", "en-us")
        eventually(lambda: len(told) == 2, what="the recovery")
    assert told == [DeviceLost("speech", "speech", "no espeak-ng"), DeviceFound("speech", "speech", "")]
    assert device.said == [("c", "en-us")]


def test_a_hush_ends_the_sentence_and_those_behind_it(told):
    class Speaker:
        def __init__(self):
            self.said, self.cut = [], []

        def say(self, text, language, stop):
            self.said.append(text)
            if text == "long":
                self.cut.append(stop.wait(10))

        def open(self):
            self.cut.append("open")

        def change(self, command):
            raise AssertionError("nobody changes its command")

        def close(self):
            self.cut.append("closed")

    voice = Speaker()
    output = SpeechOutput(voice, told.append)
    with running(output):
        output.say("long", "en-us")
        output.say("behind it", "en-us")
        eventually(lambda: voice.said, what="the first word")
        output.hush()
        output.say("the next visitor's", "en-us")
        eventually(lambda: len(voice.said) == 2, what="the next sentence")
    assert voice.said == ["long", "the next visitor's"]
    assert voice.cut == ["open", True, "closed"]
    assert told == []
