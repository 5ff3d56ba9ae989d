"""The display that a `[[display]]` table asks for, built; nothing is opened yet."""

from __future__ import annotations

from agent.display_config import DisplayConfig
from agent.outputs import Display


def display_of(config: DisplayConfig) -> Display:
    """The display as configured. Its device is opened with the first drawing, and its library imported then.

    A device has one or two of them, so only the drivers of those are imported.
    """
    bus, address = config.i2c or (0, 0)
    match config.type:
        case "lcd":
            from hardware.lcd import LcdDisplay

            columns, rows = config.size
            return LcdDisplay(
                columns=columns, rows=rows, bus=bus, address=address, rom=config.rom, expander=config.expander
            )
        case "oled":
            from hardware.oled import OledDisplay

            return OledDisplay(
                driver=config.driver,
                width=config.width,
                height=config.height,
                bus=bus,
                address=address,
                upside_down=config.upside_down,
                brightness=config.brightness,
                font=config.font,
                font_size=config.font_size,
            )
        case "png":
            from hardware.png_display import PngDisplay

            assert config.file is not None
            return PngDisplay(
                config.file,
                width=config.width,
                height=config.height,
                scale=config.scale,
                font=config.font,
                font_size=config.font_size,
            )
        case "console":
            from hardware.displays import ConsoleDisplay

            return ConsoleDisplay(config.target, columns=config.columns, rows=config.rows)
