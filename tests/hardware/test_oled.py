from __future__ import annotations

from pathlib import Path

import pytest

from hardware.facts import DeviceError

pytest.importorskip("luma.oled", reason="the extra `oled` is not installed")

from PIL import Image, ImageChops

from hardware.oled import OledDisplay, check_oled
from hardware.png_display import PngDisplay
from hardware.raster import Raster
from tests.peers.i2c import EmulatedBus, OledPanel

GOLDEN = Path(__file__).parent / "golden"
SPOKEN = [
    "Guten Tag, Frau Okafor. Zwei Pakete sind für Sie da – 12,50 €",
    "INV-2026-001: erledigt",
    "Keine Verbindung: kein Netz",
]


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("L"), other.convert("L")).getbbox() is None


class Bench:
    def __init__(self, driver: str = "ssd1306") -> None:
        self.now = 0.0
        self.bus = EmulatedBus()
        self.panel = OledPanel(first_column=2 if driver == "sh1106" else 0)
        self.bus.devices[0x3C] = self.panel
        self.oled = OledDisplay(driver=driver, opener=self.bus.open, clock=lambda: self.now)  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["ssd1306", "sh1106"])
def test_both_kinds_of_panel_show_the_same_picture(driver):
    bench = Bench(driver)
    bench.oled.show(SPOKEN)
    assert bench.panel.on
    assert bench.panel.contrast == 127
    assert same(bench.panel.image, Image.open(GOLDEN / "spoken-1.png"))
    assert bench.oled.turn()
    assert same(bench.panel.image, Image.open(GOLDEN / "spoken-2.png"))


def test_the_file_shows_what_the_panel_does(tmp_path):
    bench = Bench()
    bench.oled.show(SPOKEN)
    file = PngDisplay(tmp_path / "panel.png", scale=1)
    file.show(SPOKEN)
    assert same(Image.open(tmp_path / "panel.png"), bench.panel.image)
    assert file.turn()
    assert bench.oled.turn()
    assert same(Image.open(tmp_path / "panel.png"), bench.panel.image)
    file.show(["one"])
    assert not file.turn()
    assert [each.name for each in tmp_path.iterdir()] == ["panel.png"]


def test_a_panel_pulled_off_is_reported_and_set_up_again_when_it_is_back():
    bench = Bench()
    bench.oled.show(["before"])
    del bench.bus.devices[0x3C]
    for _ in range(3):
        with pytest.raises(DeviceError, match="no panel answers at 0x3c on I2C bus 1"):
            bench.oled.show(["gone"])
    assert bench.bus.opened == 0
    bench.panel.power_cycle()
    bench.bus.devices[0x3C] = bench.panel
    bench.oled.show(SPOKEN)
    assert bench.panel.on
    assert same(bench.panel.image, Image.open(GOLDEN / "spoken-1.png"))


def test_a_panel_that_is_missing_at_first_is_found_later():
    bench = Bench()
    panel = bench.bus.devices.pop(0x3C)
    with pytest.raises(DeviceError):
        bench.oled.show(["x"])
    bench.bus.devices[0x3C] = panel
    bench.oled.show(SPOKEN)
    assert same(bench.panel.image, Image.open(GOLDEN / "spoken-1.png"))


def test_a_panel_that_lost_its_power_unnoticed_is_set_up_again_after_a_while():
    bench = Bench()
    bench.oled.show(["first"])
    bench.panel.power_cycle()
    bench.now = 601.0
    bench.oled.show(SPOKEN)
    assert bench.panel.on
    assert same(bench.panel.image, Image.open(GOLDEN / "spoken-1.png"))
    assert bench.bus.opened == 1


def test_an_unwritable_folder_and_a_missing_font_are_told_in_words(tmp_path):
    with pytest.raises(DeviceError, match="cannot be written"):
        PngDisplay(tmp_path / "missing" / "panel.png").show(["x"])
    with pytest.raises(DeviceError, match=r"font .*none\.ttf cannot be read"):
        Raster(128, 64, font=tmp_path / "none.ttf")
    with pytest.raises(DeviceError, match="too large"):
        Raster(8, 8)


def test_a_font_file_has_its_own_characters():
    font = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")
    if not font.is_file():
        pytest.skip("DejaVu is not installed: apt-get install fonts-dejavu-core")
    panel = Raster(128, 64, font=font, size=14).panel
    assert panel.columns == 16
    assert all(panel.has(char) for char in "Äß€…✓Ω")
    assert not panel.has("日")
    assert not Raster(128, 64).panel.has("€")


def test_a_size_no_panel_has_is_refused():
    check_oled("sh1106", 128, 64)
    with pytest.raises(DeviceError, match="no sh1106 panel of 96 by 16"):
        check_oled("sh1106", 96, 16)
