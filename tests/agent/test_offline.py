from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.behaviour import Behaviour
from agent.config import ButtonConfig, Config, ScannerConfig
from agent.effects import Fetch, Say, Show, ShowPage, Store
from agent.events import Fetched, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkUp
from agent.offline import OfflineAnswers, OfflineConfig
from agent.page.items import Text
from agent.page.state import PageState
from agent.page_config import PageConfig
from hardware.facts import ButtonPressed, CodeScanned
from tests.agent.stores import STAMP

ANSWERS = (
    OfflineConfig(code="STAFF", text={"en-us": "Hello, colleague."}),
    OfflineConfig(pattern=r"INV-\d+", text={"en-us": "Your invoice is kept.", "de": "Ihre Rechnung ist gespeichert."}),
    OfflineConfig(button="help", text={"en-us": "Nobody can be called just now."}),
)


class Device:
    def __init__(self):
        config = Config(
            page=PageConfig(enabled=True),
            scanners=(
                ScannerConfig(name="counter", port="/dev/a", repeat_seconds=0),
                ScannerConfig(name="german", port="/dev/b", repeat_seconds=0, language="de-at"),
            ),
            buttons=(
                ButtonConfig(name="help", pin=17, payload="/help"),
                ButtonConfig(name="light", pin=27, payload="/light"),
            ),
            offline=ANSWERS,
        )
        self.now = 100.0
        self.row: Any = None
        self.behaviour = Behaviour(config, lambda: STAMP, chance=lambda: 0.5)
        self.lines: tuple[str, ...] = ()
        self.page = PageState()
        self.request_id = ""
        self.feed(Tick())

    def feed(self, event):
        """What is spoken."""
        said = []
        for order in self.behaviour.handle(event, self.now):
            match order:
                case Fetch():
                    said += self.feed(Fetched(() if self.row is None else (self.row,), last=True))
                case Say(text, language):
                    said.append((text, language))
                case Show(screen):
                    self.lines = screen.lines()
                case ShowPage(state):
                    self.page = state
                case Store(parcel):
                    self.request_id = parcel.request_id
                    self.row = replace(parcel, sequence=1)
        return said

    def scan(self, code, scanner="counter"):
        return self.feed(CodeScanned(scanner, code, code.encode(), 100.0))


@pytest.fixture
def device():
    return Device()


def test_codes_and_presses_are_answered_while_the_hub_is_away(device):
    assert device.scan("STAFF") == [("Hello, colleague.", "en-us")]
    assert device.scan("INV-17") == [("Your invoice is kept.", "en-us")]
    assert device.scan("INV-17-B") == []
    assert device.feed(ButtonPressed("help", 100.0)) == [("Nobody can be called just now.", "en-us")]
    assert device.feed(ButtonPressed("light", 100.0)) == []


def test_the_answer_is_in_the_inputs_language_where_there_is_one(device):
    assert device.scan("INV-17", "german") == [("Ihre Rechnung ist gespeichert.", "de")]
    assert device.scan("STAFF", "german") == [("Hello, colleague.", "en-us")]


def test_screen_and_page_show_it_and_that_the_scan_is_kept(device):
    device.scan("INV-17")
    assert device.lines[:2] == ("Your invoice is kept.", "INV-17: kept, will be sent")
    assert device.page.answer.items == (Text("Your invoice is kept."),)
    assert device.page.answer.to == device.request_id == device.page.current


def test_the_hubs_own_answer_takes_its_place(device):
    device.scan("INV-17")
    device.feed(LinkUp(1, "mqtt"))
    said = ThalovantEvent(name="speak", data={"utterance": "Paid."}, context={"request_id": device.request_id})
    device.feed(HubSaid(said))
    assert device.page.answer.items == (Text("Paid."),)
    assert device.lines[0] == "Paid."


def test_with_a_hub_nothing_is_said(device):
    device.feed(LinkUp(1, "mqtt"))
    assert device.scan("STAFF") == []


def test_a_table_without_a_condition_answers_everything():
    parcel = next(
        order.parcel
        for order in Device().behaviour.handle(CodeScanned("counter", "X", b"X", 100.0), 100.0)
        if isinstance(order, Store)
    )
    answers = OfflineAnswers([OfflineConfig(text={"en-us": "Please wait."})], "en-us")
    assert answers.to(parcel) == ("Please wait.", "en-us")
    assert answers.to(replace(parcel, kind="action")) == ("Please wait.", "en-us")


def test_a_hub_that_falls_silent_is_answered_for_too_and_once(device):
    device.feed(LinkUp(1, "mqtt"))
    assert device.feed(CodeScanned("counter", "INV-7", b"INV-7", device.now)) == []
    said = []
    for device.now in (103.0, 104.6, 105.0, 106.0):
        said += device.feed(Tick())
    assert said == [("Your invoice is kept.", "en-us")]
    assert device.lines[0] == "Your invoice is kept."
    assert "kept, will be sent" in device.lines[1]
