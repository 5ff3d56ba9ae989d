from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from gpiozero.pins.mock import MockFactory, MockPin, MockPWMPin

from hardware.facts import DeviceError
from hardware.lights import Light
from hardware.patterns import COLOURS, DARK, PATTERNS, PITCHES, STEADY

WAIT = 10.0


class WatchedPin(MockPin):  # type: ignore[misc]
    """A pin whose levels can be waited for."""

    changed = threading.Condition()

    def _change_state(self, value):
        with self.changed:
            moved = super()._change_state(value)
            self.changed.notify_all()
        return moved

    def wait_for(self, condition):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), WAIT), [bool(s.state) for s in self.states]

    def levels(self):
        return [bool(state.state) for state in self.states]


class PulsedPin(WatchedPin, MockPWMPin):  # type: ignore[misc]
    """A pin that is driven with pulses: its state is the part of each pulse in which it is high."""

    def _set_frequency(self, value):
        super()._set_frequency(value)
        if value is not None:
            self.tones = [*getattr(self, "tones", ()), value]

    def duties(self):
        return [state.state for state in self.states]


@pytest.fixture
def pins():
    factory = MockFactory(pin_class=WatchedPin)
    yield factory
    factory.reset()


@pytest.fixture
def pulsed():
    factory = MockFactory(pin_class=PulsedPin)
    yield factory
    factory.reset()


@pytest.fixture
def light(pins):
    device = Light("lamp", 17, factory=pins)
    device.open()
    pins.pin(17).clear_states()
    yield device
    device.close()


def ended(levels):
    """A condition: these levels and no more so far."""
    return lambda pin: pin.levels() == levels


def test_a_pattern_is_played_once_and_ends_dark(light, pins):
    light.play(((0.02, 0.03), (0.04, 0.01)))
    pins.pin(17).wait_for(ended([False, True, False, True, False]))
    times = [state.timestamp for state in pins.pin(17).states[1:]]
    assert all(time >= least for time, least in zip(times[1:], (0.02, 0.03, 0.04), strict=True))


def test_playing_does_not_hold_up_the_caller(light):
    started = time.monotonic()
    light.play(((30.0, 30.0),))
    light.play(((30.0, 30.0),))
    light.close()
    assert time.monotonic() - started < WAIT / 2


def test_the_newest_pattern_wins(light, pins):
    light.play(((30.0, 30.0),))
    pins.pin(17).wait_for(ended([False, True]))
    light.play(((0.0, 0.01), (0.01, 0.01), (0.01, 0.01)))
    pins.pin(17).wait_for(ended([False, True, False, True, False, True, False]))


def test_between_patterns_a_light_rests_at_its_pattern(light, pins):
    light.rest(STEADY)
    pins.pin(17).wait_for(ended([False, True]))
    light.play(((0.0, 0.01),))
    pins.pin(17).wait_for(ended([False, True, False, True]))
    light.rest(DARK)
    pins.pin(17).wait_for(ended([False, True, False, True, False]))


def test_a_resting_pattern_is_repeated(light, pins):
    light.rest(((0.005, 0.005),))
    pins.pin(17).wait_for(lambda pin: len(pin.states) > 9)


def test_a_new_rest_does_not_cut_a_pattern_short(light, pins):
    light.play(((0.1, 0.05),))
    light.rest(STEADY)
    pins.pin(17).wait_for(ended([False, True, False, True]))
    on = pins.pin(17).states[2].timestamp
    assert on >= 0.1


def test_the_rest_that_is_set_already_changes_nothing(light, pins):
    light.rest(STEADY)
    pins.pin(17).wait_for(ended([False, True]))
    light.rest(STEADY)
    assert pins.pin(17).levels() == [False, True]


def test_a_beeper_rests_quietly(pins):
    beeper = Light("beep", 18, kind="beeper", factory=pins)
    beeper.rest(STEADY)
    beeper.play(((0.01, 0.01),))
    pins.pin(18).wait_for(lambda pin: pin.levels()[-2:] == [True, False])
    beeper.close()
    assert pins.pin(18).levels().count(True) == 1


def test_a_light_that_is_on_at_low_level_is_off_at_high(pins):
    light = Light("lamp", 17, active_high=False, factory=pins)
    light.open()
    assert pins.pin(17).state
    light.play(((30.0, 0.0),))
    pins.pin(17).wait_for(lambda pin: not pin.state)
    light.close()


def test_close_leaves_it_dark_and_gives_the_pin_back(light, pins):
    light.play(((30.0, 0.0),))
    pins.pin(17).wait_for(lambda pin: pin.state)
    light.close()
    light.close()
    assert not pins.pin(17).state
    again = Light("again", 17, factory=pins)
    again.open()
    again.close()


def test_a_pin_that_is_taken_is_told_and_may_be_free_later(light, pins):
    other = Light("other", 17, factory=pins)
    with pytest.raises(DeviceError, match=r"GPIO17 cannot be used .* same pin"):
        other.play(((0.01, 0.01),))
    light.close()
    other.play(((30.0, 0.0),))
    pins.pin(17).wait_for(lambda pin: pin.state)
    other.close()


def test_a_pin_that_does_not_exist_is_told(pins):
    with pytest.raises(DeviceError, match="GPIO99 cannot be used"):
        Light("lamp", 99, factory=pins).play(((0.01, 0.01),))


def test_a_light_of_three_colours_shows_the_one_it_is_told(pins):
    lamp = Light("lamp", [17, 27, 22], kind="rgb", factory=pins)
    lamp.open()
    red, green, blue = (pins.pin(number) for number in (17, 27, 22))
    for pin in (red, green, blue):
        pin.clear_states()
    lamp.play(((0.02, 0.01), (0.02, 0.01)), (1, 1, 0))
    green.wait_for(ended([False, True, False, True, False]))
    red.wait_for(ended([False, True, False, True, False]))
    assert not any(blue.levels())
    lamp.close()


def test_a_light_of_three_colours_rests_in_its_colour_and_forgets_it(pins):
    lamp = Light("lamp", [17, 27, 22], kind="rgb", factory=pins)
    lamp.rest(STEADY, (0, 0, 1))
    pins.pin(22).wait_for(lambda pin: pin.levels()[-1:] == [True])
    lamp.play(((0.02, 0.01),), (0, 1, 0))
    pins.pin(27).wait_for(lambda pin: pin.levels()[-2:] == [True, False])
    pins.pin(22).wait_for(lambda pin: pin.levels()[-3:] == [True, False, True])
    lamp.rest(STEADY, (1, 0, 0))
    pins.pin(17).wait_for(lambda pin: pin.levels()[-1:] == [True])
    pins.pin(22).wait_for(lambda pin: pin.levels()[-1:] == [False])
    lamp.rest(DARK)
    pins.pin(17).wait_for(lambda pin: pin.levels()[-1:] == [False])
    lamp.close()


def test_a_light_of_three_colours_that_is_on_at_low_level_is_dark_at_high(pins):
    lamp = Light("lamp", [17, 27, 22], kind="rgb", active_high=False, factory=pins)
    lamp.play(((30.0, 0.0),), (1, 0, 0))
    pins.pin(17).wait_for(lambda pin: not pin.state)
    assert (pins.pin(27).state, pins.pin(22).state) == (True, True)
    lamp.close()


def test_a_taken_pin_of_three_is_the_one_that_is_named(pins, light):
    lamp = Light("colours", [27, 17, 22], kind="rgb", factory=pins)
    with pytest.raises(DeviceError, match=r"^GPIO17 cannot be used"):
        lamp.play(((0.01, 0.01),))
    again = Light("other", 27, factory=pins)  # what it had taken before is given back
    again.open()
    again.close()


def test_a_light_is_dimmed_with_pulses(pulsed):
    lamp = Light("lamp", 17, brightness=0.25, factory=pulsed)
    lamp.play(((0.02, 0.02), (0.02, 0.02)))
    pulsed.pin(17).wait_for(lambda pin: pin.duties()[-4:] == [0.25, 0.0, 0.25, 0.0])
    assert pulsed.pin(17).frequency == 100
    lamp.close()


def test_a_light_of_three_colours_is_dimmed_with_pulses(pulsed):
    lamp = Light("lamp", [17, 27, 22], kind="rgb", brightness=0.25, factory=pulsed)
    lamp.play(((0.02, 0.02), (0.02, 0.02)), (0, 1, 0))
    pulsed.pin(27).wait_for(lambda pin: pin.duties()[-4:] == [0.25, 0.0, 0.25, 0.0])
    assert not any(pulsed.pin(17).duties() + pulsed.pin(22).duties())
    lamp.close()


def test_a_beeper_with_no_tone_of_its_own_is_given_one(pulsed):
    beeper = Light("beep", 18, kind="beeper", tone_hz=2700, factory=pulsed)
    beeper.play(((0.02, 0.02),), pitch=1.0)
    pulsed.pin(18).wait_for(lambda pin: pin.duties()[-2:] == [0.5, 0.0])
    assert pulsed.pin(18).frequency == 2700
    beeper.play(((0.02, 0.02),), pitch=0.5)
    pulsed.pin(18).wait_for(lambda pin: pin.duties()[-4:] == [0.5, 0.0, 0.5, 0.0])
    assert pulsed.pin(18).tones[-1] == 1350
    beeper.close()
    assert pulsed.pin(18).duties()[-1] == 0.0


def test_pins_that_cannot_be_pulsed_are_told(pins):
    with pytest.raises(DeviceError, match=r"GPIO18 cannot be used \(.*PWM.*\): this pin library makes no pulses"):
        Light("beep", 18, kind="beeper", tone_hz=2700, factory=pins).play(((0.01, 0.01),))


SIGNALS = {"accepted", "done", "unanswered", "refused", "again", "offline", "attention"}


@pytest.mark.parametrize("kind", ["light", "rgb", "beeper"])
def test_every_signal_has_a_pattern_of_its_own_short_enough_to_wait_for(kind):
    patterns = PATTERNS[kind]
    assert set(patterns) == SIGNALS
    assert len(set(patterns.values())) == len(SIGNALS)
    lengths = {signal: sum(map(sum, pattern)) for signal, pattern in patterns.items()}
    assert max(lengths.values()) <= 2.0
    assert min(lengths, key=lengths.__getitem__) == "accepted"


def test_every_signal_has_a_colour_and_a_pitch_and_bad_news_neither_that_of_good():
    assert set(COLOURS) == set(PITCHES) == SIGNALS
    good, bad = {"accepted", "done"}, {"refused", "attention"}
    for of in (COLOURS, PITCHES):
        assert not {of[signal] for signal in good} & {of[signal] for signal in bad}


@pytest.mark.parametrize("kind", ["light", "rgb", "beeper"])
def test_every_pattern_ends_with_a_pause_so_that_two_in_a_row_are_two(kind):
    for pattern in PATTERNS[kind].values():
        assert all(on > 0 and off > 0 for on, off in pattern)


def test_gpiozero_is_not_imported_until_a_pin_is_opened():
    script = (
        "import sys, hardware.lights; hardware.lights.Light('lamp', 17).close(); sys.exit('gpiozero' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
