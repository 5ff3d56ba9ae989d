from __future__ import annotations

import gc
import logging
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import ClassVar

import pytest

from hardware.buttons import Buttons, ButtonSpec
from hardware.facts import ButtonPressed, DeviceFound, DeviceLost
from hardware.stopping import StopEvent
from tests.peers.pins import Pins


@pytest.fixture
def pins():
    board = Pins()
    yield board
    board.reset()


@contextmanager
def watching(pins, *specs, emit=None):
    facts: list = []
    buttons = Buttons(specs, emit or facts.append, factory=pins)
    buttons.open()
    try:
        yield facts
    finally:
        buttons.close()


def of(facts, kind):
    return [fact for fact in facts if isinstance(fact, kind)]


def names(facts):
    return [fact.button for fact in of(facts, ButtonPressed)]


def test_a_push_is_one_press_however_the_contact_bounces(pins):
    with watching(pins, ButtonSpec(name="open", pin=17)) as facts:
        assert facts == [DeviceFound("button", "open", "pin 17")]
        pins.push(17, bounces=5)
        pins.push(17, seconds=0.2, bounces=5)
        assert names(facts) == ["open", "open"]


def test_a_tap_of_20_ms_counts(pins):
    with watching(pins, ButtonSpec(name="open", pin=17, debounce_seconds=0.03)) as facts:
        pins.push(17, seconds=0.02)
        assert names(facts) == ["open"]


def test_a_press_bears_the_time_of_its_edge_not_of_its_callback():
    late = 0.4

    class Busy(Pins):
        stamped = True

        def drive(self, pin, *, high):
            self.stamped = False
            super().drive(pin, high=high)

        def ticks(self):
            if not self.stamped:  # the kernel stamps the edge
                self.stamped = True
                return self.now
            return self.now + late  # and the callback thread was busy with another pin

    board = Busy()
    board.pin(17)
    with watching(board, ButtonSpec(name="open", pin=17)) as facts:
        opened = time.monotonic()
        board.advance(10.0)
        board.drive(17, high=False)
        (press,) = of(facts, ButtonPressed)
        assert -0.1 < opened + 10.0 - late - press.at < 5


def test_edges_that_waited_while_the_process_stood_still_keep_the_times_between_them():
    class Queued(Pins):
        """A library whose edges bear the times of the kernel, and come when the process runs again."""

        stamps: ClassVar[list[float]] = []

        def ticks(self):
            return self.stamps.pop() if self.stamps else self.now

    board = Queued()
    board.pin(17)
    facts: list = []
    spec = ButtonSpec(name="open", pin=17, gestures=("click", "long"))
    buttons = Buttons([spec], facts.append, factory=board, clock=board.ticks)
    buttons.open()
    happened = board.now + 1.0
    board.advance(4.0)
    for late, high in ((0.0, False), (0.3, True)):
        board.stamps.append(happened + late)
        board.drive(17, high=high)
        buttons.turn()  # before the next edge is handed over
        board.advance(0.01)
    board.advance(buttons.patience())
    buttons.turn()
    assert [(fact.gesture, round(fact.at - happened, 3)) for fact in of(facts, ButtonPressed)] == [("click", 0.3)]
    board.advance(5.0)
    board.drive(17, high=False)
    board.advance(0.8)
    buttons.turn()
    assert of(facts, ButtonPressed)[-1].gesture == "long", "told on time where edges come in time"
    buttons.close()
    board.reset()


def test_a_press_that_ended_while_the_process_stood_still_is_no_long_one():
    class Queued(Pins):
        stamps: ClassVar[list[float]] = []

        def ticks(self):
            return self.stamps.pop() if self.stamps else self.now

    class Steps(StopEvent):
        """Does the next step whenever `run` has begun to wait."""

        def fileno(self):
            next(steps)
            return super().fileno()

    def play():
        board.drive(17, high=False)
        yield
        board.advance(4.0)  # it should have been called after 0.2 s
        yield
        board.stamps.append(pressed + 0.1)
        board.drive(17, high=True)
        yield
        board.advance(0.15)  # in time, or nearly
        yield
        stop.set()
        yield

    board = Queued()
    pressed, steps, stop = board.now, play(), Steps()
    facts: list = []
    spec = ButtonSpec(name="open", pin=17, gestures=("press", "click", "long"), hold_seconds=0.2)
    buttons = Buttons([spec], facts.append, factory=board, clock=lambda: board.now)
    buttons.open()
    buttons.run(stop)
    told = [(fact.gesture, round(fact.at - pressed, 3)) for fact in of(facts, ButtonPressed)]
    assert told == [("press", 0.0), ("click", 0.1)]
    buttons.close()
    board.reset()


@pytest.mark.parametrize(
    ("pull", "active", "rest"),
    [
        ("up", "low", True),
        ("down", "high", False),
        ("up", "high", False),
        ("down", "low", True),
        ("none", "low", True),
        ("none", "high", False),
    ],
)
def test_every_wiring_has_its_press(pins, pull, active, rest):
    pins.pin(22)
    spec = ButtonSpec(name="door", pin=22, pull=pull, active=active)
    with watching(pins, spec) as facts:
        for level in (rest, not rest, rest, not rest):
            pins.advance(1.0)
            pins.drive(22, high=level)
        assert names(facts) == ["door", "door"]


def test_a_button_stuck_at_boot_is_no_press_until_it_was_let_go(pins):
    # Normally closed to ground: the pin is low while nobody pushes, which `active` calls pressed.
    pins.pin(17).drive_low()
    with watching(pins, ButtonSpec(name="open", pin=17, pull="none")) as facts:
        assert names(facts) == []
        pins.advance(1.0)
        pins.drive(17, high=True)
        pins.advance(1.0)
        pins.push(17)
        assert names(facts) == ["open"]


def test_one_bad_pin_is_told_and_the_others_go_on(pins):
    specs = [
        ButtonSpec(name="none such", pin=99),
        ButtonSpec(name="open", pin=17),
        ButtonSpec(name="again", pin="BOARD11"),
        ButtonSpec(name="clock", pin=2, pull="down"),
        ButtonSpec(name="close", pin=27),
    ]
    with watching(pins, *specs) as facts:
        lost = {fact.name: fact.detail for fact in of(facts, DeviceLost)}
        assert set(lost) == {"none such", "again", "clock"}
        assert "GPIO99" in lost["none such"]
        assert "no such pin" in lost["none such"]
        assert "the same pin" in lost["again"]
        assert "pull-up" in lost["clock"]
        pins.push(17)
        pins.push(27)
        assert names(facts) == ["open", "close"]


def test_a_pin_held_by_another_program_says_so(pins, monkeypatch):
    class Busy(Pins):
        def pin(self, name, *args, **kwargs):
            raise RuntimeError("'GPIO busy'")  # lgpio.error

    with watching(Busy(), ButtonSpec(name="open", pin=17)) as facts:
        (lost,) = facts
        assert lost.kind == "button"
        assert "another program" in lost.detail


def test_a_lost_button_is_looked_for_again_by_another_open(pins):
    facts: list = []
    blocker = Buttons([ButtonSpec(name="first", pin=17)], facts.append, factory=pins)
    blocker.open()
    buttons = Buttons([ButtonSpec(name="open", pin=17), ButtonSpec(name="close", pin=27)], facts.append, factory=pins)
    buttons.open()
    blocker.close()
    facts.clear()
    buttons.open()
    buttons.open()
    assert facts == [DeviceFound("button", "open", "pin 17")]
    buttons.close()


def test_what_emit_raises_never_reaches_the_pin_library(pins, caplog):
    def emit(fact):
        if isinstance(fact, ButtonPressed):
            raise RuntimeError("the inbox is full")

    with watching(pins, ButtonSpec(name="open", pin=17), emit=emit), caplog.at_level(logging.ERROR):
        pins.push(17)
        pins.push(17)
    assert [record.message for record in caplog.records] == ["press lost", "press lost"]


def test_a_button_lives_without_anybody_holding_its_parts(pins):
    with watching(pins, ButtonSpec(name="open", pin=17)) as facts:
        gc.collect()
        pins.push(17)
        assert names(facts) == ["open"]


def test_after_close_no_press_is_told_and_the_pins_are_free(pins):
    with watching(pins, ButtonSpec(name="open", pin=17)) as facts:
        pass
    pins.push(17)
    assert names(facts) == []
    with watching(pins, ButtonSpec(name="open", pin=17)) as facts:
        assert of(facts, DeviceFound)


@pytest.mark.parametrize("hidden", ["gpiozero", "lgpio,RPi,pigpio"])
def test_a_missing_library_is_told_with_its_package(hidden):
    script = f"""
import sys, warnings
warnings.simplefilter("ignore")
for name in {hidden!r}.split(","):
    sys.modules[name] = None
from hardware.buttons import Buttons, ButtonSpec
Buttons([ButtonSpec(name="open", pin=17)], lambda fact: print(fact.kind, fact.name, fact.detail)).open()
"""
    environment = {"PATH": "", "GPIOZERO_PIN_FACTORY": "lgpio"}
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert ran.stdout.startswith("button open pin 17: "), ran
    assert "apt install python3-gpiozero python3-lgpio" in ran.stdout


def test_gpiozero_is_not_imported_until_a_pin_is_opened():
    script = "import sys, hardware.buttons, hardware.pins; sys.exit('gpiozero' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
