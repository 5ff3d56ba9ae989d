from __future__ import annotations

from dataclasses import replace

import pytest

from agent.dead_letters import DeadLetters
from agent.delivery import Delivery, DeliveryTerms
from agent.effects import Fetch, Send, Settle, Store
from agent.events import Fetched
from agent.hub.events import EVENT_UTTERANCE_HANDLED, ThalovantEvent
from agent.parcel import Outcome
from agent.stamps import Stamp
from tests.agent.stores import STAMP, Disk, parcel

LATER = Stamp(boot="boot", since_boot=200_000.0, wall=1.8e9, sure=True)


class Setting:
    def __init__(self, folder):
        self.disk = Disk(folder)
        self.outbox = self.disk.outbox
        self.delivery = Delivery(DeliveryTerms())
        self.letters = DeadLetters(self.outbox, self.delivery, lambda: LATER)

    def end(self, name, outcome=Outcome.REFUSED, reason="not for you"):
        self.outbox.commit([Store(parcel(name)), Settle(name, outcome, reason)])

    def sent(self):
        """What the delivery sends when there is a link."""
        self.delivery.link_up(1, "wss")
        sent = []
        for _ in range(10):
            for effect in self.delivery.pump(0.0, LATER):
                if isinstance(effect, Fetch):
                    self.delivery.fetched(Fetched(tuple(self.outbox.oldest(effect.after, effect.limit)), last=True))
                elif isinstance(effect, Send):
                    sent.append(effect.message.request_id)
        return sent


@pytest.fixture
def setting(tmp_path):
    setting = Setting(tmp_path)
    yield setting
    setting.outbox.close()


def test_they_are_listed_newest_first_with_what_a_person_needs(setting):
    setting.end("a")
    setting.end("b", Outcome.UNKNOWN, "nobody answered")
    setting.outbox.commit([Store(parcel("c"))])
    answer = setting.letters.list()
    assert (answer["ok"], answer["waiting"], answer["dead"]) == (True, 1, 2)
    newest, oldest = answer["letters"]
    assert newest == {
        "request_id": "b",
        "kind": "code",
        "origin": "counter",
        "title": "b",
        "outcome": "unknown",
        "reason": "nobody answered",
        "age_seconds": LATER.since_boot - STAMP.since_boot,
    }
    assert oldest["request_id"] == "a"


def test_one_sent_again_waits_as_if_it_were_made_now(setting):
    setting.end("a")
    assert setting.letters.retry("a", 0.0) == {"ok": True, "changed": 1}
    (waiting,) = setting.outbox.oldest(0, 10)
    assert (waiting.request_id, waiting.made, waiting.attempted) == ("a", LATER, False)
    assert setting.outbox.counts().dead == 0
    assert setting.sent() == ["a"]


def test_all_are_sent_again_in_their_order(setting):
    for name in "abc":
        setting.end(name)
    assert setting.letters.retry("all", 0.0) == {"ok": True, "changed": 3}
    assert setting.disk.waiting() == ["a", "b", "c"]


def test_one_sent_again_after_the_store_was_read_to_its_end_goes_out_too(setting):
    setting.end("a")
    setting.outbox.commit([Store(replace(parcel("b"), made=LATER))])
    assert setting.sent() == ["b"]
    handled = ThalovantEvent(name=EVENT_UTTERANCE_HANDLED, context={"request_id": "b"})
    setting.outbox.commit(setting.delivery.hub_said(handled, 0.0))
    setting.letters.retry("a", 0.0)
    assert setting.sent() == ["a"]


def test_one_dropped_is_gone(setting):
    setting.end("a")
    setting.end("b")
    assert setting.letters.drop("a") == {"ok": True, "changed": 1}
    assert [letter["request_id"] for letter in setting.letters.list()["letters"]] == ["b"]
    assert setting.letters.drop("all") == {"ok": True, "changed": 1}
    assert setting.letters.list()["letters"] == []
    assert setting.letters.drop("all") == {"ok": True, "changed": 0}


@pytest.mark.parametrize("name", ["nobody", "waiting"])
def test_what_is_no_dead_letter_is_left_alone(setting, name):
    setting.outbox.commit([Store(parcel("waiting"))])
    assert setting.letters.drop(name) == {"ok": False, "error": f"there is no dead letter {name}"}
    assert setting.letters.retry(name, 0.0)["ok"] is False
    assert setting.disk.waiting() == ["waiting"]


def test_a_store_that_fails_is_told(setting):
    setting.end("a")
    setting.disk.fail()
    for answer in (setting.letters.list(), setting.letters.retry("a", 0.0), setting.letters.drop("all")):
        assert answer["ok"] is False
        assert "cannot be opened" in answer["error"]
