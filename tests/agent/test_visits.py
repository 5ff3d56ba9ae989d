from __future__ import annotations

from dataclasses import replace

import pytest

from agent.behaviour import Behaviour
from agent.config import ButtonConfig, Config, DeviceConfig, ScannerConfig
from agent.effects import Fetch, Hush, Play, Say, Show, ShowPage, Store
from agent.events import Fetched, Requested, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, HubSentBinary, LinkUp
from agent.hub.reply import ThalovantBinary
from agent.page.state import PageState
from agent.page_config import PageConfig
from hardware.facts import ButtonPressed, CodeScanned, ScanRefused
from tests.agent.stores import STAMP


class Hall:
    """A device that serves one visitor after the other, at a hub that is there."""

    def __init__(self, session="visit"):
        config = Config(
            device=DeviceConfig(session=session, visit_idle_seconds=60),
            page=PageConfig(enabled=True),
            scanners=(
                ScannerConfig(name="counter", port="/dev/a", repeat_seconds=0),
                ScannerConfig(name="gate", port="/dev/b", session="gate", repeat_seconds=0),
            ),
            buttons=(ButtonConfig(name="bye", pin=17, payload="/bye", ends_visit=True),),
        )
        self.now = 100.0
        self.rows = []
        self.lines: tuple[str, ...] = ()
        self.page = PageState()
        self.orders = []
        self.behaviour = Behaviour(config, lambda: replace(STAMP, since_boot=self.now), chance=lambda: 0.5)
        self.feed(LinkUp(1, "mqtt"))

    def feed(self, event):
        orders = self.behaviour.handle(event, self.now)
        self.orders = list(orders)
        for order in orders:
            if isinstance(order, Store):
                self.rows.append(replace(order.parcel, sequence=len(self.rows) + 1))
            elif isinstance(order, Show):
                self.lines = order.screen.lines()
            elif isinstance(order, ShowPage):
                self.page = order.state
            elif isinstance(order, Fetch):
                before = self.orders
                self.feed(Fetched(tuple(row for row in self.rows if row.sequence > order.after), last=True))
                self.orders = before + self.orders
        return self.orders

    def scan(self, code, scanner="counter"):
        self.feed(CodeScanned(scanner, code, code.encode(), self.now))
        return self.rows[-1]

    def says(self, parcel, text):
        return self.feed(
            HubSaid(ThalovantEvent(name="speak", data={"utterance": text}, context={"request_id": parcel.request_id}))
        )

    def handled(self, parcel, **session):
        context = {"request_id": parcel.request_id, "session": {"session_id": parcel.message.session_id, **session}}
        return self.feed(HubSaid(ThalovantEvent(name="ovos.utterance.handled", data={}, context=context)))

    def wait(self, seconds):
        self.now += seconds
        return self.feed(Tick())


@pytest.fixture
def hall():
    return Hall()


def hushed(orders):
    return any(isinstance(order, Hush) for order in orders)


def test_the_inputs_of_a_visit_share_a_session_and_the_next_visit_has_another(hall):
    first, second = hall.scan("A"), hall.scan("B")
    assert first.message.session_id == second.message.session_id
    assert first.message.session_id is not None
    hall.wait(60)
    assert hall.scan("C").message.session_id != first.message.session_id


def test_an_input_with_a_session_of_its_own_keeps_it(hall):
    assert hall.scan("A", "gate").message.session_id == "gate"


def test_without_visits_inputs_are_the_devices_and_nothing_is_cleared():
    hall = Hall("device")
    parcel = hall.scan("A")
    assert parcel.message.session_id is None
    hall.says(parcel, "Hello")
    assert not hushed(hall.wait(3600))
    assert "Hello" in hall.lines


def test_a_pause_ends_the_visit_and_clears_screen_page_and_speech(hall):
    parcel = hall.scan("A")
    hall.says(parcel, "Your balance is 12 euros.")
    hall.handled(parcel)
    assert "Your balance is 12 euros." in hall.lines
    assert hall.page.answer is not None
    assert not hushed(hall.wait(59.9))
    assert hushed(hall.wait(0.1))
    assert hall.lines == ("Ready",)
    assert (hall.page.answer, hall.page.inputs, hall.page.current) == (None, (), "")
    assert not hushed(hall.wait(60))


def test_inputs_answers_and_failed_scans_make_a_visit_last(hall):
    parcel = hall.scan("A")
    hall.wait(40)
    hall.says(parcel, "One moment")
    assert not hushed(hall.wait(40))
    hall.feed(ScanRefused("counter", "incomplete", b"x", hall.now))
    assert not hushed(hall.wait(40))
    assert hushed(hall.wait(20))


def test_what_is_said_to_one_who_left_is_neither_shown_nor_spoken(hall):
    first = hall.scan("A")
    hall.wait(60)
    hall.scan("B")
    orders = hall.says(first, "Your PIN is 1234.")
    assert "1234" not in str([order for order in orders if isinstance(order, Say | Show | ShowPage)])
    hall.handled(first)
    assert not any("A" in line for line in hall.lines)


def test_the_sounds_of_one_who_left_are_not_played(hall):
    first = hall.scan("A")
    gong = ThalovantEvent(
        name="mycroft.audio.queue", data={"binary_data": b"gong".hex()}, context={"request_id": first.request_id}
    )
    rendered = HubSentBinary(ThalovantBinary(kind="tts_audio", data=b"WAV", metadata={"utterance": "Hello"}))
    assert [order for order in hall.feed(HubSaid(gong)) if isinstance(order, Play)] == [Play(b"gong", first.request_id)]
    assert [order for order in hall.feed(rendered) if isinstance(order, Play)] == [Play(b"WAV", says="Hello")]
    hall.wait(60)
    assert not [order for order in hall.feed(HubSaid(gong)) + hall.feed(rendered) if isinstance(order, Play)]


def test_what_the_hub_says_to_everybody_is_shown_to_everybody(hall):
    hall.feed(HubSaid(ThalovantEvent(name="speak", data={"utterance": "We close soon."}, context={})))
    assert "We close soon." in hall.lines


def test_a_goodbye_button_is_sent_in_the_visit_and_ends_it(hall):
    first = hall.scan("A")
    hall.handled(first)
    orders = hall.feed(ButtonPressed("bye", hall.now))
    assert hushed(orders)
    assert hall.rows[-1].message.session_id == first.message.session_id
    assert hall.lines == ("Ready",)
    assert hall.scan("B").message.session_id != first.message.session_id


def test_what_a_conversation_carries_is_carried_within_the_visit_alone(hall):
    first = hall.scan("A")
    hall.handled(first, converse_handlers=[["skill", 1]], pipeline=["x"], lang="de-de")
    second = hall.scan("B")
    session = second.message.context["session"]
    assert session["converse_handlers"] == [["skill", 1]]
    assert session["lang"] == "en-us"
    assert "pipeline" not in session
    hall.handled(second)
    hall.wait(60)
    assert "converse_handlers" not in hall.scan("C").message.context["session"]


def test_somebody_at_the_command_line_is_no_visitor(hall):
    hall.feed(Requested(ticket="1", kind="utterance", text="hello"))
    assert hall.rows[-1].message.session_id is None
    assert not hushed(hall.wait(3600))
