"""gpiozero in parts: each program here is a process of its own, since what is imported stays."""

from __future__ import annotations

import subprocess
import sys

import pytest


def runs(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


OPEN = """
import sys
from hardware import lean_gpiozero
lean_gpiozero.devices()
pins = lean_gpiozero.named_factory("mock")
"""


def test_pins_are_there_without_what_they_do_not_need():
    assert runs(OPEN + "print(type(pins).__name__, 'statistics' in sys.modules, 'gpiozero.boards' in sys.modules)") == [
        "MockFactory",
        "False",
        "False",
    ]


@pytest.mark.parametrize("first", ["", "import statistics, importlib.metadata"])
def test_whoever_asks_for_all_of_gpiozero_gets_it_whole(first):
    program = f"""{first}
{OPEN}
from gpiozero import Device, LED, RGBLED, SmoothedInputDevice, TrafficLights
from colorzero import Color
from gpiozero.input_devices import mean, median
from gpiozero.tools import averaged
Device.pin_factory = pins
led = LED(17)
led.on()
assert RGBLED(2, 3, 4, pwm=False, initial_value=(1, 0, 0)).color == Color('red')
print(bool(pins.pin(17).state), mean([1, 2]), median([3, 1, 2]), next(averaged([1], [2])))
import statistics
print(statistics.stdev([1, 2, 3]))
"""
    assert runs(program) == ["True", "1.5", "2", "1.5", "1.0"]


def test_an_unknown_factory_is_left_to_gpiozero():
    assert runs(OPEN + "print(lean_gpiozero.named_factory('none'))") == ["None"]
