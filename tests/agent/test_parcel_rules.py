"""What delivery owes to late, doubled and misattributed news."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.delivery import Delivery, DeliveryTerms
from agent.effects import Fetch, ProbeSoon, Send, Settle, TakeOffer
from agent.events import Fetched
from agent.hub.events import ThalovantEvent
from agent.stamps import Stamp
from tests.agent.stores import STAMP, parcel

BEFORE = Stamp(boot="the boot before", since_boot=50_000.0, wall=0.0, sure=False)
JUST_BOOTED = Stamp(boot="boot", since_boot=8.0, wall=0.0, sure=False)


class Line:
    """A delivery, the parcels in its store, and everything it ordered."""

    def __init__(self, *parcels, up=True, **terms):
        self.delivery = Delivery(DeliveryTerms(**terms))
        self.now = 1000.0
        self.stamp = replace(STAMP, since_boot=1000.0)
        self.orders = []
        self.store = []
        self.put(*parcels)
        if up:
            self.up()

    def put(self, *parcels):
        for one in parcels:
            made = one.made if one.made != STAMP else self.stamp
            self.store.append(replace(one, sequence=len(self.store) + 1, made=made))
            self.delivery.stored(self.store[-1], self.now)
        return self.pump()

    def up(self, session=1):
        self.delivery.link_up(session, "wss")
        return self.pump()

    def down(self):
        return self.did(self.delivery.link_down())

    def pump(self):
        done = self.did(self.delivery.pump(self.now, self.stamp))
        for fetch in [order for order in done if isinstance(order, Fetch)]:
            found = [one for one in self.store if one.sequence > fetch.after][: fetch.limit]
            self.delivery.fetched(Fetched(tuple(found), last=len(found) < fetch.limit))
            done += self.pump()
        return done

    def wait(self, seconds):
        """Let time pass on a link that lives, with a tick whenever one is due."""
        until = self.now + seconds
        done = []
        while (due := self.delivery.deadline(self.now)) is not None and due <= until:
            self._move(max(due, self.now))
            done += self.did(self.delivery.tick(self.now)) + self.pump()
            if ProbeSoon() in done:
                self.delivery.proved(self.now)
        self._move(until)
        return done

    def says(self, name, request_id=None, **data):
        context = {"request_id": request_id} if request_id else {}
        event = ThalovantEvent(name=name, data=data, context=context)
        return self.did(self.delivery.hub_said(event, self.now)) + self.did(self.delivery.tick(self.now)) + self.pump()

    def handled(self, request_id):
        return self.says("ovos.utterance.handled", request_id)

    def denied(self, **data):
        return self.says("hive.policy.denied", denied_type="recognizer_loop:utterance", **data)

    def did(self, orders):
        self.orders += orders
        return list(orders)

    def endings(self):
        """How parcels ended since the last look, by request id."""
        ended = {ending.parcel.request_id: ending.outcome.value for ending in self.delivery.endings}
        self.delivery.endings.clear()
        return ended

    def _move(self, now):
        self.stamp = replace(self.stamp, since_boot=self.stamp.since_boot + now - self.now)
        self.now = now


def sent(orders):
    return [order.message.request_id for order in orders if isinstance(order, Send)]


def press(name):
    return replace(parcel(name, kind="action", replay=False), lifetime=15.0)


def test_a_store_larger_than_memory_is_read_in_pieces():
    names = [f"{number:03}" for number in range(200)]
    line = Line(*map(parcel, names))
    for name in names:
        line.handled(name)
    assert sent(line.orders) == names
    fetches = [order for order in line.orders if isinstance(order, Fetch)]
    assert {fetch.limit for fetch in fetches} == {64}
    assert len(fetches) <= 6


def test_what_the_store_gives_a_second_time_is_not_sent_a_second_time():
    line = Line(parcel("a"), parcel("b"))
    line.delivery.fetched(Fetched(tuple(line.store), last=True))
    orders = line.handled("a") + line.handled("b")
    line.delivery.fetched(Fetched(tuple(line.store), last=True))
    assert sent(orders + line.pump()) == ["b"]


def test_a_press_that_may_be_repeated_is_while_its_time_lasts():
    line = Line(replace(press("a"), replay=True))
    line.down()
    assert sent(line.up(2)) == ["a"]
    line.down()
    line.wait(16)
    assert line.endings() == {"a": "unknown"}
    assert sent(line.up(3)) == []


def test_an_answer_that_comes_after_the_link_was_lost_spares_the_repeat():
    line = Line(parcel("a"), parcel("b"))
    line.down()
    line.handled("a")
    assert line.endings() == {"a": "done"}
    assert sent(line.up(2)) == ["b"]


@pytest.mark.parametrize("replay", [False, True])
def test_a_press_nobody_could_send_is_over_on_time_without_a_link(replay):
    line = Line(replace(press("a"), replay=replay), up=False)
    line.wait(15.1)
    assert line.endings() == {"a": "expired"}
    assert sent(line.up()) == []


def test_a_press_is_over_with_its_boot_though_no_clock_can_prove_its_age():
    line = Line(up=False)
    line.stamp = JUST_BOOTED
    line.put(replace(press("a"), made=BEFORE), replace(parcel("b"), made=BEFORE))
    assert sent(line.up()) == ["b"]
    assert line.endings() == {"a": "expired"}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("ovos.utterance.handled", "done"), ("speak", "done"), ("ovos.intent.unmatched", "unanswered")],
)
def test_an_answer_to_what_was_given_up_is_better_late_than_never(name, outcome):
    line = Line(parcel("a"))
    line.wait(31)
    assert line.endings() == {"a": "unknown"}
    orders = line.says(name, "a", utterance="Pen")
    assert [order.outcome for order in orders if isinstance(order, Settle)] == [outcome]
    assert line.endings() == {"a": outcome}
    assert line.handled("a") == []


def test_a_denial_several_may_own_ends_nobody_and_they_go_out_again_alone():
    line = Line(*map(parcel, "abc"), in_flight=2)
    assert line.denied() == []
    assert sent(line.wait(2.1)) == ["a"]
    assert sent(line.handled("a")) == ["b"]
    line.denied()
    assert line.endings() == {"a": "done", "b": "refused"}
    assert sent(line.orders)[-1] == "c"


def test_what_the_hub_spoke_to_is_not_sent_again_for_a_denial():
    line = Line(parcel("a"), parcel("b"), parcel("c"), in_flight=3)
    line.says("speak", "a", utterance="Pen")
    line.denied()
    assert sent(line.wait(2.1)) == [], "the one that is still out is not alone with another"
    assert sent(line.handled("a")) == ["b"]


def test_an_answer_that_comes_in_time_tells_whose_a_denial_was():
    line = Line(parcel("a"), parcel("b"), in_flight=2)
    line.denied(reason="no")
    line.handled("a")
    assert line.endings() == {"a": "done", "b": "refused"}
    assert sent(line.wait(5)) == []


def test_the_late_denial_of_one_that_was_given_up_does_not_end_the_next():
    line = Line(parcel("a"), parcel("b"))
    line.wait(31)
    line.denied()
    assert line.endings() == {"a": "unknown"}
    assert sent(line.wait(2.1)) == ["b"], "sent again, since it may have been the one"
    line.handled("b")
    assert line.endings() == {"b": "done"}


@pytest.mark.parametrize("code", ["backend_unavailable", "policy_error", "policy_chain_unavailable"])
@pytest.mark.parametrize("kind", [parcel, press])
def test_a_denial_that_passes_is_waited_for_and_what_was_not_looked_at_goes_out_again(code, kind):
    line = Line(kind("a"))
    line.denied(code=code, reason="the hub is starting")
    assert line.delivery.hub_trouble == "the hub is starting"
    assert sent(line.wait(9.9)) == []
    assert sent(line.wait(0.2)) == ["a"]
    line.handled("a")
    assert (line.endings(), line.delivery.hub_trouble) == ({"a": "done"}, "")


def test_a_change_of_carriers_is_ordered_once_and_repeats_nothing():
    line = Line(parcel("a"), parcel("b"))
    line.delivery.hold()
    assert TakeOffer() not in line.pump()
    orders = line.handled("a") + line.put(parcel("c")) + line.pump()
    assert orders.count(TakeOffer()) == 1
    assert sent(orders) == []
    line.down()
    assert sent(line.up(2)) == ["b"]


def test_a_change_that_does_not_come_about_is_not_waited_for_for_ever():
    line = Line(parcel("a"))
    line.delivery.hold()
    line.handled("a")
    line.put(parcel("b"))
    assert sent(line.wait(10.1)) == ["b"]
