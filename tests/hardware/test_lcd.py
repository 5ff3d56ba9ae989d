from __future__ import annotations

import pytest

from hardware.facts import DeviceError
from hardware.lcd import LcdDisplay, check_lcd

pytest.importorskip("RPLCD", reason="the extra `lcd` is not installed")

from tests.peers.i2c import EmulatedBus, Hd44780

CHARACTERS = {0xE1: "ä", 0xEF: "ö", 0xF5: "ü", 0: "Ä", 1: "Ö", 2: "Ü", 3: "ß", 4: "€"}


class Bench:
    def __init__(self, columns: int = 16, rows: int = 2) -> None:
        self.now = 0.0
        self.bus = EmulatedBus()
        self.panel = Hd44780(columns, rows)
        self.bus.devices[0x27] = self.panel
        self.lcd = LcdDisplay(columns=columns, rows=rows, opener=self.bus.open, clock=lambda: self.now)

    @property
    def text(self) -> list[str]:
        return self.panel.text(CHARACTERS)


def test_text_stands_on_the_panel_with_the_letters_it_lacks_drawn_for_it():
    bench = Bench()
    bench.lcd.show(["Größe Äpfel", "2,50 €"])
    assert bench.text == ["Größe Äpfel", "2,50 €"]
    assert bench.panel.glyphs[3 * 8 : 4 * 8] == [0b01100, 0b10010, 0b10010, 0b10100, 0b10010, 0b10001, 0b10110, 0]


def test_a_new_text_leaves_nothing_of_the_old_one():
    bench = Bench()
    bench.lcd.show(["A rather long", "text"])
    bench.lcd.show(["Short"])
    assert bench.text == ["Short", ""]


def test_a_long_text_is_read_page_by_page():
    bench = Bench(20, 4)
    bench.lcd.show([f"line {number}" for number in range(6)])
    assert bench.text == ["line 0", "line 1", "line 2", "line 3"]
    assert bench.lcd.turn()
    assert bench.text == ["line 4", "line 5", "", ""]
    assert bench.lcd.turn()
    assert bench.text[0] == "line 0"
    bench.lcd.show(["one"])
    assert not bench.lcd.turn()


def test_a_panel_pulled_off_is_reported_and_set_up_again_when_it_is_back():
    bench = Bench()
    bench.lcd.show(["before"])
    del bench.bus.devices[0x27]
    with pytest.raises(DeviceError, match="no panel answers at 0x27 on I2C bus 1"):
        bench.lcd.show(["gone"])
    assert bench.bus.opened == 0
    bench.panel.power_cycle()
    bench.bus.devices[0x27] = bench.panel
    bench.lcd.show(["back", "again"])
    assert bench.text == ["back", "again"]
    assert bench.bus.opened == 1


@pytest.mark.parametrize("writes", range(0, 60, 7))
def test_a_byte_cut_in_half_does_not_scramble_what_follows(writes):
    bench = Bench()
    bench.lcd.show(["first"])
    bench.bus.fail_after = writes
    with pytest.raises(DeviceError):
        bench.lcd.show(["second"])
    bench.lcd.show(["third", "Ö"])
    assert bench.text == ["third", "Ö"]


def test_a_panel_that_lost_its_power_unnoticed_is_set_up_again_after_a_while():
    bench = Bench()
    bench.lcd.show(["first"])
    bench.panel.power_cycle()
    bench.now = 601.0
    bench.lcd.show(["second"])
    assert bench.text == ["second", ""]


def test_no_descriptor_is_left_open_however_often_it_fails():
    bench = Bench()
    del bench.bus.devices[0x27]
    for _ in range(20):
        with pytest.raises(DeviceError):
            bench.lcd.show(["x"])
    assert bench.bus.opened == 0
    bench.lcd.close()


def test_a_bus_that_was_never_switched_on_says_how_to():
    bench = Bench()
    bench.bus.missing = True
    with pytest.raises(DeviceError, match="raspi-config nonint do_i2c 0"):
        bench.lcd.show(["x"])


def test_the_last_words_stay_when_the_panel_is_given_back():
    bench = Bench()
    bench.lcd.show(["Out of service"])
    bench.lcd.close()
    assert bench.text == ["Out of service", ""]
    assert bench.bus.opened == 0


def test_a_size_no_panel_has_is_refused():
    check_lcd(20, 4)
    with pytest.raises(DeviceError, match="16 by 2 and 20 by 4"):
        check_lcd(17, 2)
