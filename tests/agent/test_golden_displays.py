"""One customer's visit, as the console, a character panel and an OLED show it: golden texts and a golden picture.

`UPDATE_GOLDEN=1 pytest tests/agent/test_golden_displays.py` writes them anew; look at them before you keep them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.behaviour import Behaviour
from agent.config import Config, DeviceConfig, ScannerConfig
from agent.effects import Fetch, Show, Store
from agent.events import Event, Fetched, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkTrouble, LinkUp
from agent.hub.protocol.causes import Cause
from agent.screen import Screen
from hardware.displays import ConsoleDisplay
from hardware.facts import CodeScanned
from tests.agent.stores import STAMP
from tests.peers.terminal import Terminal

GOLDEN = Path(__file__).parent / "golden"
WELCOME = "<speak>Guten Tag, Frau Okafor.<break/> Zwei Pakete sind für Sie da – 12,50 €.</speak>"


class Visit:
    """A device in German whose store takes everything, and what it shows after each thing that happens."""

    def __init__(self) -> None:
        config = Config(
            device=DeviceConfig(language="de-de"),
            scanners=(ScannerConfig(name="counter", port="/dev/null", repeat_seconds=0),),
        )
        self.now = 100.0
        self.rows: list[Any] = []
        self.screen = Screen()
        self.behaviour = Behaviour(config, lambda: replace(STAMP, since_boot=self.now), chance=lambda: 0.5)

    def feed(self, event: Event) -> None:
        for order in self.behaviour.handle(event, self.now):
            if isinstance(order, Store):
                self.rows.append(replace(order.parcel, sequence=len(self.rows) + 1))
            elif isinstance(order, Fetch):
                self.feed(Fetched(tuple(row for row in self.rows if row.sequence > order.after), last=True))
            elif isinstance(order, Show):
                self.screen = order.screen

    def says(self, name: str, *, to: bool = True, **data: object) -> None:
        context = {"request_id": self.rows[-1].request_id} if to else {}
        self.feed(HubSaid(ThalovantEvent(name=name, data=data, context=context)))

    def scan(self, code: str) -> None:
        self.feed(CodeScanned("counter", code, code.encode(), self.now))

    def steps(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What happens, and the lines to be seen then."""
        for name, happens in (
            ("started", lambda: self.feed(Tick())),
            ("scanned without a hub", lambda: self.scan("INV-2026-001")),
            ("the hub is there", lambda: self.feed(LinkUp(1, "mqtt"))),
            ("it answers", lambda: self.says("speak", utterance=WELCOME)),
            ("and goes on", lambda: self.says("speak", utterance="Fach Ä 7 öffnet sich.")),
            ("done", lambda: self.says("ovos.utterance.handled")),
            ("scanned again", lambda: self.scan("RET-7")),
            ("not allowed", lambda: self.says("hive.policy.denied", to=False, **_DENIAL)),
            ("the link is lost", self.lose),
        ):
            happens()
            yield name, self.screen.lines()

    def lose(self) -> None:
        self.feed(LinkDown(1, Cause.DROPPED))
        self.feed(LinkTrouble(Cause.NO_CARRIER))
        self.now += 4.0
        self.feed(Tick())


_DENIAL = {"denied_type": "recognizer_loop:utterance", "code": "acl_disallowed_type", "reason": "keine Retouren hier"}


def golden(name: str, found: str) -> None:
    path = GOLDEN / name
    if "UPDATE_GOLDEN" in os.environ:
        path.write_text(found)
    assert found == path.read_text()


def told(name: str, pages: list[list[str]], width: int) -> str:
    """A page in a frame, for people."""
    lines = [f"{name}"]
    for page in pages:
        edge = "+" + "-" * width + "+"
        lines += [edge, *(f"|{row.ljust(width)}|" for row in page), edge]
    return "\n".join(lines) + "\n\n"


def test_the_console():
    terminal = Terminal(columns=40, rows=8)
    display = ConsoleDisplay(terminal.path)
    found = ""
    for name, lines in Visit().steps():
        display.show(lines)
        found += told(name, [terminal.rows()], 40)
    display.close()
    golden("console.txt", found)


def test_a_character_panel():
    pytest.importorskip("RPLCD", reason="the extra `lcd` is not installed")
    from hardware.lcd import LcdDisplay
    from tests.peers.i2c import EmulatedBus, Hd44780

    bus, panel = EmulatedBus(), Hd44780(20, 4)
    bus.devices[0x27] = panel
    display = LcdDisplay(columns=20, rows=4, opener=bus.open)
    characters = {0xE1: "ä", 0xEF: "ö", 0xF5: "ü", 0: "Ä", 1: "Ö", 2: "Ü", 3: "ß", 4: "€"}
    found = ""
    for name, lines in Visit().steps():
        display.show(lines)
        pages = [panel.text(characters)]
        while display.turn() and (page := panel.text(characters)) != pages[0]:
            pages.append(page)
        found += told(name, pages, 20)
    golden("lcd.txt", found)


def test_an_oled():
    pytest.importorskip("luma.oled", reason="the extra `oled` is not installed")
    from PIL import Image, ImageChops

    from hardware.oled import OledDisplay
    from tests.peers.i2c import EmulatedBus, OledPanel

    bus, panel = EmulatedBus(), OledPanel()
    bus.devices[0x3C] = panel
    display = OledDisplay(opener=bus.open)
    rows: list[list[Image.Image]] = []
    for _, lines in Visit().steps():
        display.show(lines)
        rows.append([panel.image.convert("L")])
        while display.turn() and (page := panel.image.convert("L")).tobytes() != rows[-1][0].tobytes():
            rows[-1].append(page)
    width = max(len(row) for row in rows)
    strip = Image.new("L", (132 * width, 68 * len(rows)), 90)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            strip.paste(picture, (132 * x, 68 * y))
    path = GOLDEN / "oled.png"
    if "UPDATE_GOLDEN" in os.environ:
        strip.save(path)
    expected = Image.open(path).convert("L")
    assert strip.size == expected.size
    assert ImageChops.difference(strip, expected).getbbox() is None
