"""Rules of the device that show only when two things happen together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.behaviour import Behaviour
from agent.config import ButtonConfig, Config, ScannerConfig
from agent.effects import (
    Answer,
    Drop,
    Fetch,
    Mark,
    Note,
    ProbeSoon,
    Report,
    Rest,
    Say,
    Send,
    Settle,
    Show,
    Signal,
    Store,
)
from agent.events import Fetched, Requested, Stopping, StoreFailed, StoreWorks, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkProved, LinkTrouble, LinkUp
from agent.hub.protocol.causes import Cause
from agent.stamps import Stamp
from agent.status import EVENT_STATUS
from hardware.facts import ButtonPressed, CodeScanned

CONFIG = Config(
    scanners=(ScannerConfig(name="counter", port="/dev/null", kind="invoice"),),
    buttons=(ButtonConfig(name="help", pin=17, payload="/help", title="Call staff"),),
)
BREATH = 0.001  # seconds between two events


class Device:
    """A behaviour whose store is a list that fails when told to, and whose link lives; with everything it ordered."""

    def __init__(self):
        self.now = 1000.0
        self.behaviour = Behaviour(CONFIG, self.stamp, chance=lambda: 0.0)
        self.rows = []
        self.orders = []
        self.broken = ""
        self.happens(Tick())

    def stamp(self):
        return Stamp(boot="boot", since_boot=self.now, wall=0.0, sure=False)

    def happens(self, *events):
        """What was carried out because of these events, and of what came of them."""
        done = []
        waiting = list(events)
        while waiting:
            self.now += BREATH
            effects = self.behaviour.handle(waiting.pop(0), self.now)
            for number, effect in enumerate(effects):
                if self.broken and isinstance(effect, Store | Mark):
                    waiting.append(StoreFailed((effect,), self.broken, tuple(effects[number + 1 :])))
                    break
                done.append(effect)
                waiting += self._comes_of(effect)
        self.orders += done
        return done

    def _comes_of(self, effect):
        if isinstance(effect, Store):
            self.rows.append(replace(effect.parcel, sequence=len(self.orders) + len(self.rows) + 1))
        elif isinstance(effect, Settle | Drop):
            self.rows = [row for row in self.rows if row.request_id != effect.request_id]
        elif isinstance(effect, Fetch):
            found = [row for row in self.rows if row.sequence > effect.after][: effect.limit]
            return [Fetched(tuple(found), last=len(found) < effect.limit)]
        elif isinstance(effect, ProbeSoon):
            return [LinkProved(self.now)]
        return []

    def wait(self, seconds):
        """Let time pass, ticking whenever the behaviour wants it."""
        until = self.now + seconds
        done = []
        while (due := self.behaviour.deadline(self.now)) is not None and due <= until:
            self.now = max(due, self.now)
            done += self.happens(Tick())
        self.now = until
        return done

    def scan(self, code="INV-1"):
        return self.happens(CodeScanned("counter", code, code.encode(), self.now))

    def up(self, session=1):
        return self.happens(LinkUp(session, "mqtt"))

    def sent(self, orders=None):
        """The texts sent, in order."""
        return [order.message.data["utterances"][0] for order in of(Send, self.orders if orders is None else orders)]

    def last_id(self):
        return of(Send, self.orders)[-1].message.request_id

    def says(self, name, request_id=None, **data):
        context = {"request_id": request_id} if request_id else {}
        return self.happens(HubSaid(ThalovantEvent(name=name, data=data, context=context)))

    def handled(self):
        return self.says("ovos.utterance.handled", self.last_id())

    def shown(self):
        return of(Show, self.orders)[-1].screen

    def rests(self):
        return of(Rest, self.orders)[-1].name if of(Rest, self.orders) else ""


def of(kind, orders):
    return [order for order in orders if isinstance(order, kind)]


def signals(orders):
    return [order.name for order in of(Signal, orders)]


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def linked(device):
    device.up()
    return device


# -- the disk


def test_a_disk_that_fails_wants_attention_until_it_works(linked):
    linked.broken = "the disk is full"
    assert signals(linked.scan("A")) == ["refused"]
    assert linked.rests() == "attention"
    linked.broken = ""
    linked.happens(StoreWorks())
    assert (linked.rests(), linked.shown().trouble) == ("", "")


def test_after_a_refusal_the_same_code_is_no_repeat(device):
    device.broken = "the disk is full"
    device.scan("A")
    device.broken = ""
    assert "accepted" in signals(device.scan("A"))


def test_what_ended_in_the_same_moment_is_told_though_the_disk_takes_no_new_scan(linked):
    linked.scan("A")
    linked.wait(5)
    linked.now += 30
    linked.broken = "the disk is full"
    orders = linked.scan("B")
    assert signals(orders) == ["refused", "refused"]
    assert of(Settle, orders)[0].outcome == "unknown"


def test_a_press_that_could_not_be_marked_goes_out_when_it_can_be(device):
    device.happens(ButtonPressed("help", device.now))
    device.broken = "the disk is full"
    assert device.sent(device.up()) == []
    device.broken = ""
    device.happens(StoreWorks())
    device.wait(3)
    assert device.sent() == ["/help"]


# -- the hub's words


def test_the_hubs_words_are_shown_and_spoken_once_though_it_says_them_under_two_names(linked):
    linked.scan("A")
    said = [linked.says(name, linked.last_id(), utterance="Pen") for name in ("speak", "ovos.utterance.speak")]
    assert [order.text for orders in said for order in of(Say, orders)] == ["Pen"]
    assert linked.shown().answer == "Pen"


def test_what_the_hub_says_of_its_own_accord_is_said_once_under_two_names_and_again_when_said_again(linked):
    names = ("speak", "ovos.utterance.speak", "speak")
    said = [of(Say, linked.says(name, utterance="Closing soon")) for name in names]
    assert [len(orders) for orders in said] == [1, 0, 1]


def test_an_answer_to_a_scan_of_long_ago_is_not_spoken_though_it_comes_after_its_end(device):
    device.scan("A")
    device.wait(120)
    device.up()
    device.handled()
    assert of(Say, device.says("speak", device.last_id(), utterance="Pen")) == []
    assert device.shown().answer == "Pen"


# -- the link


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.needs_person])
def test_what_only_a_person_can_mend_asks_for_one(device, cause):
    device.happens(LinkTrouble(cause))
    assert device.rests() == "attention"
    assert cause.sentence in device.shown().trouble


def test_the_end_of_a_session_that_is_over_does_not_end_the_present_one(linked):
    linked.up(2)
    linked.happens(LinkDown(1, Cause.DROPPED))
    assert linked.sent(linked.scan("A")) == ["A"]


# -- the operator, the command line, the end


def test_the_report_says_how_the_device_is_and_not_how_it_should_be(linked):
    assert [order.state for order in of(Report, linked.orders)] == [""]


def test_a_hub_that_takes_no_reports_is_told_of_once_and_asked_again_with_the_next_session(linked):
    linked.says("hive.policy.denied", denied_type=EVENT_STATUS)
    assert not of(Report, linked.wait(1000))
    linked.happens(LinkDown(1, Cause.DROPPED))
    assert of(Report, linked.up(2))
    assert not of(Note, linked.says("hive.policy.denied", denied_type=EVENT_STATUS))


def ask(device):
    return device.happens(Requested(ticket="7", kind="utterance", text="what time is it"))


def answers(orders):
    return [dict(order.answer) for order in of(Answer, orders)]


def test_a_question_the_hub_was_done_with_before_it_spoke_gets_its_words(linked):
    ask(linked)
    assert answers(linked.handled()) == []
    linked.says("speak", linked.last_id(), utterance="Ten past nine")
    (answer,) = answers(linked.wait(0.5))
    assert (answer["ok"], answer["text"]) == (True, "Ten past nine")


def test_a_question_without_words_is_answered_when_none_can_come_any_more(linked):
    ask(linked)
    linked.handled()
    (answer,) = answers(linked.wait(5.5))
    assert (answer["outcome"], answer["text"]) == ("done", "")


def test_the_last_thing_shown_is_that_it_is_out_of_service_and_nothing_happens_after(linked):
    linked.scan("A")
    linked.scan("B")
    orders = linked.happens(Stopping())
    assert [type(order) for order in orders] == [Show, Rest, Report]
    assert linked.shown().lines() == ("Out of service",)
    assert linked.handled() == linked.scan("C") == linked.happens(Tick()) == []
    assert linked.behaviour.deadline(linked.now) is None
