from __future__ import annotations

from dataclasses import replace

import pytest

from agent.behaviour import Behaviour
from agent.config import ButtonConfig, Config, DeviceConfig, ScannerConfig
from agent.effects import (
    REPEAT,
    Answer,
    Fetch,
    Hurry,
    Mark,
    Note,
    Report,
    Rest,
    Say,
    Send,
    Settle,
    Show,
    Signal,
    Store,
    TakeOffer,
)
from agent.events import Fetched, IdentityFound, IdentityMissing, Requested, Stopping, StoreFailed, StoreWorks, Tick
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, HubSentBinary, LinkDown, LinkOffer, LinkProved, LinkTrouble, LinkUp
from agent.hub.protocol.causes import Cause
from agent.hub.reply import ThalovantBinary
from agent.parcel import Outcome
from agent.speech_config import SpeechConfig
from agent.status import EVENT_STATUS
from hardware.facts import ButtonPressed, CodeScanned, DeviceFound, DeviceLost, ScanRefused
from tests.agent.stores import STAMP


class Device:
    """A behaviour whose store is a list and always answers."""

    def __init__(self, language="en-us"):
        config = Config(
            device=DeviceConfig(language=language),
            scanners=(ScannerConfig(name="counter", port="/dev/null", repeat_seconds=1.0),),
            buttons=(ButtonConfig(name="help", pin=17, payload="/help", title="Help"),),
        )
        self.now = 100.0
        self.behaviour = Behaviour(config, self.stamp, chance=lambda: 0.5)
        self.rows = []
        self.screen = ""
        self.feed(Tick())

    def stamp(self):
        return replace(STAMP, since_boot=self.now)

    def feed(self, event):
        """The orders for the event, and for what the store answers to them."""
        orders = self.behaviour.handle(event, self.now)
        for order in list(orders):
            if isinstance(order, Store):
                self.rows.append(replace(order.parcel, sequence=len(self.rows) + 1))
            elif isinstance(order, Fetch):
                found = tuple(row for row in self.rows if row.sequence > order.after)
                orders += self.feed(Fetched(found, last=True))
            elif isinstance(order, Show):
                self.screen = " / ".join(order.screen.lines())
        return orders

    def at(self, now):
        self.now = now
        return self.feed(Tick())

    def scan(self, code="A"):
        return self.feed(CodeScanned("counter", code, code.encode(), self.now))

    def up(self):
        return self.feed(LinkUp(1, "mqtt"))

    def said(self, name, request_id=None, **data):
        context = {"request_id": request_id} if request_id else {}
        return self.feed(HubSaid(ThalovantEvent(name=name, data=data, context=context)))

    def handled(self):
        return self.said("ovos.utterance.handled", self.rows[-1].request_id)


@pytest.fixture
def device():
    return Device()


def of(kind, orders):
    return [order for order in orders if isinstance(order, kind)]


def signals(orders):
    return [order.name for order in of(Signal, orders)]


# -- inputs


def test_a_scan_is_stored_before_anybody_is_told(device):
    orders = device.scan()
    assert isinstance(orders[0], Store)
    assert orders[1] == Signal("accepted", "counter")
    assert [type(order) for order in orders].index(Show) > 1


def test_a_code_of_nothing_but_spaces_is_scanned_again(device):
    orders = device.scan("  ")
    assert (signals(orders), of(Store, orders)) == (["again"], [])
    assert "Nothing read: scan again" in device.screen


def test_a_scan_without_a_hub_is_kept_and_says_so(device):
    orders = device.scan("INV-1")
    assert of(Hurry, orders), "somebody stands there"
    assert "INV-1: kept, will be sent" in device.screen


def test_a_scan_with_a_hub_leaves_at_once(device):
    device.up()
    orders = device.scan("INV-1")
    assert [type(order) for order in orders if isinstance(order, Store | Send)] == [Store, Send]
    assert "INV-1: sent, waiting for the answer" in device.screen


def test_a_code_held_before_the_scanner_is_neither_stored_nor_beeped(device):
    device.scan()
    assert device.scan() == [Signal(REPEAT, "counter")], "the scanner alone, which may wait for it"
    assert device.behaviour.counts["repeats"] == 1


@pytest.mark.parametrize(
    ("reason", "shown"), [("too long", "Code too long"), ("undecodable", "ask for help"), ("empty", "Nothing read")]
)
def test_what_is_no_code_is_to_be_scanned_again(device, reason, shown):
    orders = device.feed(ScanRefused("counter", reason, b"x", device.now))
    assert signals(orders) == ["again"]
    assert shown in device.screen
    assert of(Store, orders) == []


def test_a_press_is_noted_and_leaves(device):
    device.up()
    orders = device.feed(ButtonPressed("help", device.now))
    assert [type(order) for order in orders if isinstance(order, Store | Mark | Send)] == [Store, Mark, Send]
    assert "Help: sent" in device.screen


# -- outcomes


@pytest.mark.parametrize(
    ("events", "signal", "shown", "outcome"),
    [
        ([("ovos.utterance.handled", {})], "done", "A: done", Outcome.DONE),
        (
            [("ovos.intent.unmatched", {}), ("ovos.utterance.handled", {})],
            "unanswered",
            "A: no answer for this",
            Outcome.UNANSWERED,
        ),
        (
            [("hive.policy.denied", {"denied_type": "recognizer_loop:utterance", "reason": "no credit"})],
            "refused",
            "A: refused: no credit",
            Outcome.REFUSED,
        ),
    ],
)
def test_what_became_of_a_scan_is_told(device, events, signal, shown, outcome):
    device.up()
    device.scan("A")
    for name, data in events:
        orders = device.said(name, None if "denied" in name else device.rows[-1].request_id, **data)
    assert signals(orders) == [signal]
    assert shown in device.screen
    assert [order.outcome for order in of(Settle, orders)] == [outcome]
    assert device.behaviour.counts[outcome] == 1


def test_a_scan_nobody_answers_is_shown_as_that(device):
    device.up()
    device.scan("A")
    device.at(103.0)
    device.feed(LinkProved(device.now))
    orders = device.at(130.0)
    assert signals(orders) == ["refused"]
    assert "A: sent, but never answered" in device.screen


def test_the_outcome_of_an_older_scan_does_not_hide_the_newer(device):
    device.up()
    device.scan("A")
    first = device.rows[-1].request_id
    device.scan("B")
    device.said("ovos.utterance.handled", first)
    assert "B: sent" in device.screen


def test_what_was_scanned_by_somebody_who_has_left_is_done_in_silence(device):
    device.scan("A")
    device.now += 61
    device.up()
    orders = device.said("speak", device.rows[-1].request_id, utterance="Hi")
    assert of(Say, orders) == []
    assert signals(device.handled()) == []
    assert "A: done" in device.screen


def test_an_answer_is_shown_and_spoken_its_fragments_together(device):
    device.up()
    device.scan("A")
    request_id = device.rows[-1].request_id
    assert of(Say, device.said("speak", request_id, utterance="One.", lang="de-de")) == [
        Say("One.", "de-de", request_id)
    ]
    device.said("speak", request_id, utterance="<b>Two.</b>")
    assert "One. Two." in device.screen
    device.said("speak", utterance="The shop closes.")
    assert device.screen.startswith("The shop closes.")


def test_a_command_of_the_installers_own_may_get_the_speech_mark_up():
    text = "<speak>One <break/> two</speak>"
    plain = SpeechConfig(enabled=True, command="say-ssml")
    for speech, spoken in ((plain, "One  two"), (replace(plain, markup="pass"), text)):
        behaviour = Behaviour(Config(speech=speech), lambda: STAMP, chance=lambda: 0.5)
        event = ThalovantEvent(name="speak", data={"utterance": text}, context={})
        orders = behaviour.handle(HubSaid(event), 1.0)
        assert [order.text for order in of(Say, orders)] == [spoken]
        assert of(Show, orders)[-1].screen.answer == "One  two"


# -- the store


def failed(device, orders, reason="the disk is full"):
    """What the performer tells when the disk took nothing of these orders."""
    changes = tuple(order for order in orders if isinstance(order, Store | Mark))
    return device.feed(StoreFailed(changes, reason, tuple(orders[orders.index(changes[0]) :])))


def test_a_scan_the_disk_does_not_take_is_refused_audibly_and_visibly(device):
    orders = failed(device, device.scan("INV-1"))
    assert signals(orders) == ["refused"]
    assert "INV-1: NOT accepted: the disk is full" in device.screen
    assert device.behaviour.counts["not_stored"] == 1


def test_a_failing_disk_is_noted_once_per_reason(device):
    assert len(of(Note, failed(device, device.scan("A")))) == 1
    assert of(Note, failed(device, device.scan("B"))) == []
    assert len(of(Note, failed(device, device.scan("C"), "the disk is read-only"))) == 1


def test_a_disk_that_works_again_heals_the_device(device):
    failed(device, device.scan("A"))
    device.feed(StoreWorks())
    assert device.screen.count("NOT accepted") == 1, "what became of A stays true"
    assert signals(device.scan("B")) == ["accepted"]
    assert "NOT accepted" not in device.screen


def test_a_press_the_disk_does_not_take_never_ends_a_second_time(device):
    failed(device, device.feed(ButtonPressed("help", device.now)))
    device.rows.clear()
    assert device.at(200.0) == []


def test_a_message_held_back_by_the_disk_is_sent_when_it_works_again(device):
    device.up()
    device.feed(ButtonPressed("help", device.now))
    other = Device()
    other.up()
    orders = other.feed(ButtonPressed("help", other.now))
    mark = next(order for order in orders if isinstance(order, Mark))
    other.feed(StoreFailed((mark,), "the disk is full", tuple(orders[orders.index(mark) :])))
    assert other.behaviour.delivery.in_flight == 0
    assert [type(order) for order in other.at(102.0) if isinstance(order, Mark | Send)] == [Mark, Send]


# -- the link


def test_a_link_that_blinks_is_nobodys_business(device):
    device.up()
    orders = device.feed(LinkDown(1, Cause.DROPPED))
    assert of(Rest, orders) == []
    device.now = 102.0
    assert of(Rest, device.up()) == []
    assert "No connection" not in device.screen


def test_a_link_that_stays_away_is_shown_with_its_cause(device):
    device.up()
    device.feed(LinkDown(1, Cause.DROPPED))
    device.feed(LinkTrouble(Cause.NO_CARRIER))
    orders = device.at(103.0)
    assert of(Rest, orders) == [Rest("offline")]
    assert f"No connection: {Cause.NO_CARRIER.sentence}" in device.screen
    assert of(Rest, device.up()) == [Rest("")]


def test_a_hub_that_falls_silent_is_told_of_within_five_seconds_of_the_scan_and_not_unsaid_when_the_link_goes(device):
    device.up()
    device.scan("INV-1")
    assert "INV-1: sent, waiting for the answer" in device.screen
    device.at(103.0)
    orders = device.at(104.6)
    assert of(Rest, orders) == [Rest("offline")]
    assert f"INV-1: kept, will be sent / No connection: {Cause.HUB_SILENT.sentence}" in device.screen
    orders = device.scan("INV-2")
    assert "INV-2: kept, will be sent" in device.screen
    assert of(Hurry, orders), "somebody stands there when the link is given up"
    assert of(Rest, device.feed(LinkDown(1, Cause.HUB_SILENT))) == []
    assert f"No connection: {Cause.HUB_SILENT.sentence}" in device.screen


def test_a_hub_that_was_only_slow_is_believed_again(device):
    device.up()
    device.scan("INV-1")
    device.at(103.0)
    device.at(104.6)
    orders = device.feed(LinkProved(104.5))
    assert of(Rest, orders) == [Rest("")]
    assert "INV-1: sent, waiting for the answer" in device.screen
    assert "No connection" not in device.screen


def test_the_device_speaks_the_installers_language():
    device = Device("de-de")
    device.feed(LinkTrouble(Cause.DNS))
    assert "Keine Verbindung: der Name des Hubs" in device.screen


def test_a_lost_link_with_something_waiting_is_hurried(device):
    device.up()
    device.scan()
    assert of(Hurry, device.feed(LinkDown(1, Cause.DROPPED)))


def test_another_session_sends_what_the_last_did_not_see_answered(device):
    device.up()
    (first,) = of(Send, device.scan())
    (again,) = of(Send, device.feed(LinkUp(2, "wss")))
    assert (again.message.request_id, again.session) == (first.message.request_id, 2)


def test_a_better_carrier_is_taken_when_nothing_is_on_its_way(device):
    device.up()
    device.scan()
    assert of(TakeOffer, device.feed(LinkOffer("mqtt"))) == []
    assert of(TakeOffer, device.handled()) == [TakeOffer()]


# -- reports, requests, devices, the end


def test_the_device_reports_when_it_comes_up_and_now_and_then(device):
    assert of(Report, device.up()) == [Report(1, "")]
    due = device.behaviour.deadline(device.now)
    assert due == 100.0 + 300.0 * 1.05
    assert of(Report, device.at(due)) == [Report(1, "")]


def test_a_hub_that_denies_the_report_is_told_of_once_and_asked_once_a_session(device):
    device.up()
    device.scan()
    orders = device.said("hive.policy.denied", denied_type=EVENT_STATUS)
    assert len(of(Note, orders)) == 1
    assert of(Settle, orders) == [], "the scan in flight was not meant"
    assert of(Note, device.said("hive.policy.denied", denied_type=EVENT_STATUS)) == []
    assert device.behaviour.status_denied
    assert of(Report, device.feed(LinkUp(2, "mqtt"))) == [Report(2, "")], "its operator may have allowed it since"


def request(**changes):
    return Requested(**{"ticket": "7", "kind": "utterance", "text": "hello", **changes})


def test_who_asks_is_answered_with_the_outcome(device):
    device.up()
    device.feed(request())
    device.said("speak", device.rows[-1].request_id, utterance="Hi")
    (answer,) = of(Answer, device.handled())
    assert (answer.ticket, answer.answer["outcome"], answer.answer["text"]) == ("7", "done", "Hi")


@pytest.mark.parametrize("end", [Tick(), Stopping()])
def test_who_waited_long_enough_hears_that_it_is_kept(device, end):
    device.feed(request(kind="code", wait_seconds=5.0))
    device.now += 5.0
    (answer,) = of(Answer, device.feed(end))
    assert answer.answer["outcome"] == "kept"


def test_who_does_not_wait_hears_it_behind_the_store(device):
    orders = device.feed(request(kind="code", wait_seconds=0.0))
    kinds = [type(order) for order in orders]
    assert kinds.index(Store) < kinds.index(Answer)


@pytest.mark.parametrize("wait_seconds", [0.0, 12.0])
def test_who_asks_while_the_disk_fails_is_answered_too(device, wait_seconds):
    orders = failed(device, device.feed(request(kind="code", wait_seconds=wait_seconds)))
    (answer,) = of(Answer, orders)
    assert answer.answer == {"ok": False, "error": "not accepted: the disk is full"}
    assert of(Answer, device.at(200.0)) == []


def test_a_request_that_makes_no_sense_is_refused(device):
    (answer,) = of(Answer, device.feed(request(text=" ")))
    assert answer.answer["ok"] is False


def test_what_is_lost_is_shown_and_noted_until_it_is_back(device):
    device.up()
    lost = DeviceLost("scanner", "counter", "unplugged")
    assert len(of(Note, device.feed(lost))) == 1
    assert "counter does not respond: unplugged" in device.screen
    assert of(Note, device.feed(lost)) == []
    assert device.behaviour.deadline(device.now) == 105.0, "the operator hears of it soon"
    device.feed(DeviceFound("scanner", "counter", ""))
    assert "does not respond" not in device.screen
    assert device.behaviour.lost == {}


def test_a_device_without_an_identity_wants_attention(device):
    orders = device.feed(IdentityMissing("run thalovant-agent provision"))
    assert of(Rest, orders) == [Rest("attention")]
    assert "run thalovant-agent provision" in device.screen
    device.feed(IdentityFound("shop"))
    assert "provision" not in device.screen


def test_the_end_is_shown_and_reported(device):
    device.up()
    device.feed(DeviceLost("scanner", "counter", "unplugged"))
    orders = device.feed(Stopping())
    assert device.screen == "Out of service"
    assert of(Report, orders) == [Report(1, "stopping")]


def test_sound_from_the_hub_is_counted(device):
    device.feed(HubSentBinary(ThalovantBinary(kind="tts_audio", data=b"", metadata={})))
    assert device.behaviour.counts["binary"] == 1
