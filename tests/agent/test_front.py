from __future__ import annotations

from dataclasses import replace

import pytest

from agent.behaviour import Behaviour
from agent.config import ButtonConfig, Config, ScannerConfig
from agent.effects import Answer, ShowPage, Store
from agent.events import Fetched, IdentityMissing, Requested, Stopping, StoreFailed, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkUp
from agent.hub.protocol.causes import Cause
from agent.page.items import Choice, Choices, Table, Text
from agent.page.state import PageState
from agent.page_config import PageConfig
from hardware.facts import CodeScanned, DeviceLost, ScanRefused
from tests.agent.stores import STAMP


class Device:
    """A behaviour with a page, whose store takes everything."""

    def __init__(self):
        config = Config(
            page=PageConfig(enabled=True),
            scanners=(ScannerConfig(name="counter", port="/dev/null", repeat_seconds=0),),
            buttons=(ButtonConfig(name="help", pin=17, payload="/help", title="Help"),),
        )
        self.now = 100.0
        self.page = PageState()
        self.parcels = []
        self.behaviour = Behaviour(config, lambda: replace(STAMP, since_boot=self.now), chance=lambda: 0.5)
        self.feed(Tick())

    def feed(self, event):
        orders = self.behaviour.handle(event, self.now)
        self.parcels += [order.parcel for order in orders if isinstance(order, Store)]
        for order in orders:
            if isinstance(order, ShowPage):
                self.page = order.state
        return orders

    def scan(self, code):
        self.feed(CodeScanned("counter", code, code.encode(), self.now))
        return self.parcels[-1].request_id

    def says(self, request_id=None, name="speak", **data):
        context = {"request_id": request_id} if request_id else {}
        self.feed(HubSaid(ThalovantEvent(name=name, data=data, context=context)))

    def states(self):
        return [(one.title, one.state) for one in self.page.inputs]


@pytest.fixture
def device():
    return Device()


def test_without_a_page_nothing_is_made_for_one():
    orders = Behaviour(Config(), lambda: STAMP, chance=lambda: 0.5).handle(Tick(), 0.0)
    assert not [order for order in orders if isinstance(order, ShowPage)]


def test_inputs_stand_newest_first_with_what_became_of_each(device):
    device.scan("A")
    device.feed(LinkUp(1, "mqtt"))
    device.scan("B")
    device.feed(ScanRefused("counter", "incomplete", b"x", device.now))
    assert device.states() == [("", "again"), ("B", "sent"), ("A", "kept")]
    assert device.page.inputs[0].reason == "Code cut short: scan again"
    assert device.page.current == device.page.inputs[0].id


def test_a_hub_that_falls_silent_is_told_of_and_the_scan_is_seen_to_be_kept(device):
    device.feed(LinkUp(1, "mqtt"))
    row = device.scan("A")
    device.feed(Fetched((replace(device.parcels[-1], sequence=1),), last=True))
    for device.now in (103.0, 104.6):
        device.feed(Tick())
    assert (device.page.link.state, device.page.link.cause) == ("down", "hub_silent")
    assert device.states() == [("A", "kept")]
    device.says(row, name="ovos.utterance.handled")
    assert device.page.link.state == "up"
    assert device.states() == [("A", "done")]


def test_the_page_has_room_for_six_inputs(device):
    for number in range(9):
        device.scan(str(number))
    assert [title for title, _ in device.states()] == ["8", "7", "6", "5", "4", "3"]


def test_an_answer_has_its_items_and_the_input_it_is_to(device):
    device.feed(LinkUp(1, "mqtt"))
    first = device.scan("A")
    device.says(first, utterance="Hello", table={"columns": ["a"], "rows": [["1"]]})
    device.says(first, utterance="Which one?", quick_replies=[{"title": "This", "payload": "/this"}], lang="de-de")
    assert device.page.answer.number == 1
    assert (device.page.answer.to, device.page.answer.language) == (first, "en-us")
    assert device.page.answer.items == (
        Text("Hello"),
        Table(("a",), (("1",),)),
        Text("Which one?"),
        Choices((Choice("This", "/this"),)),
    )
    device.says(utterance="We close soon.")
    assert (device.page.answer.number, device.page.answer.to) == (2, "")


def test_the_next_input_takes_the_place_of_the_answer_to_the_last(device):
    device.feed(LinkUp(1, "mqtt"))
    first = device.scan("A")
    device.says(first, utterance="Hello")
    second = device.scan("B")
    assert device.page.answer is None
    assert device.page.current == second


def test_choices_alone_are_an_answer(device):
    device.says(buttons=["Yes", "No"])
    assert device.page.answer.items == (Choices((Choice("Yes", "Yes"), Choice("No", "No"))),)


def test_a_lost_link_is_told_with_its_cause_after_the_grace_alone(device):
    device.feed(LinkUp(1, "mqtt"))
    assert device.page.link.state == "up"
    device.feed(LinkDown(1, Cause.DROPPED))
    device.now += 2.9
    device.feed(Tick())
    assert device.page.link.state == "up"
    device.now += 0.2
    device.feed(Tick())
    assert (device.page.link.state, device.page.link.cause) == ("down", "dropped")
    device.feed(LinkUp(2, "wss"))
    assert device.page.link.state == "up"


def test_what_only_a_person_can_mend_wants_attention(device):
    device.feed(LinkDown(1, Cause.HUB_KEY_CHANGED))
    device.now += 4
    device.feed(Tick())
    assert device.page.link.state == "attention"


def test_what_was_with_the_hub_is_only_kept_when_the_link_goes(device):
    device.feed(LinkUp(1, "mqtt"))
    device.scan("A")
    assert device.states() == [("A", "sent")]
    device.feed(LinkDown(1, Cause.DROPPED))
    assert device.states() == [("A", "kept")]


def test_troubles_stand_worst_first(device):
    device.feed(DeviceLost("scanner", "counter", "unplugged"))
    device.feed(DeviceLost("page", "page", "no browser"))
    device.feed(IdentityMissing("no file"))
    device.feed(StoreFailed((), "disk full"))
    assert [one.kind for one in device.page.troubles] == ["store", "identity", "device"]
    device.feed(Stopping())
    assert [one.kind for one in device.page.troubles] == ["stopping"]


def tap(payload="/this"):
    return Requested(ticket="page-1", origin="page", kind="action", text=payload, label="This", wait_seconds=0.0)


def test_a_tap_is_an_input_and_answered_behind_the_store(device):
    orders = device.feed(tap())
    kinds = [type(order) for order in orders]
    assert kinds.index(Answer) > kinds.index(Store)
    assert device.parcels[-1].origin == "page"
    assert device.states() == [("This", "kept")]


def test_a_full_disk_answers_the_tap_with_the_reason(device):
    orders = device.feed(tap())
    stored = next(order for order in orders if isinstance(order, Store))
    answers = [
        order
        for order in device.feed(StoreFailed((stored,), "disk full", tuple(orders[1:])))
        if isinstance(order, Answer)
    ]
    assert [(one.ticket, one.answer["ok"]) for one in answers] == [("page-1", False)]
    assert "disk full" in answers[0].answer["error"]
    assert [(one.state, one.reason) for one in device.page.inputs] == [("not saved", "disk full")]
