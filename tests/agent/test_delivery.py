from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.delivery import Delivery, DeliveryTerms
from agent.effects import Drop, Fetch, Mark, ProbeSoon, Send, Settle, TakeOffer
from agent.events import Fetched
from agent.hub.events import ThalovantEvent
from agent.parcel import Outcome
from agent.stamps import Stamp
from tests.agent.stores import STAMP, parcel

TYPE = "recognizer_loop:utterance"


class Line:
    """A delivery with a store and a link played by hand."""

    def __init__(self, **terms):
        self.delivery = Delivery(DeliveryTerms(**terms))
        self.now = 100.0
        self.rows: list = []

    def store(self, *parcels):
        for one in parcels:
            row = replace(one, sequence=len(self.rows) + 1)
            self.rows.append(row)
            self.delivery.stored(row, self.now)

    def up(self, session=1, protocol="wss"):
        self.delivery.link_up(session, protocol)
        return self.go()

    def go(self, seconds=0.0):
        """The orders that are due, those about the store carried out."""
        self.now += seconds
        orders = self.delivery.tick(self.now)
        while True:
            new = self.delivery.pump(self.now, replace(STAMP, since_boot=STAMP.since_boot + self.now - 100.0))
            orders += [order for order in new if not isinstance(order, Fetch)]
            fetches = [order for order in new if isinstance(order, Fetch)]
            if not fetches:
                return orders
            (fetch,) = fetches
            found = [row for row in self.rows if row.sequence > fetch.after][: fetch.limit]
            self.delivery.fetched(Fetched(tuple(found), last=len(found) < fetch.limit))

    def says(self, name, request_id=None, **data):
        context = {"request_id": request_id} if request_id else {}
        return [
            *self.delivery.hub_said(ThalovantEvent(name=name, data=data, context=context), self.now),
            *self.go(),
        ]

    def unheard(self) -> Any:
        unheard = self.delivery.unheard
        return None if unheard is None else {parcel.request_id for parcel in unheard}

    def handled(self, request_id):
        return self.says("ovos.utterance.handled", request_id)

    def denied(self, code="acl_disallowed_type", **data):
        return self.says("hive.policy.denied", denied_type=TYPE, code=code, reason="not for you", **data)

    def down(self):
        return self.delivery.link_down()


def sent(orders):
    return [order.message.request_id for order in orders if isinstance(order, Send)]


def press(name, **changes):
    return replace(parcel(name, kind="action", replay=False), lifetime=15.0, **changes)


def test_nothing_leaves_without_a_link():
    line = Line()
    line.store(parcel("a"))
    assert line.go() == []


def test_what_waits_leaves_oldest_first_one_at_a_time():
    line = Line()
    line.store(parcel("a"), parcel("b"))
    assert sent(line.up()) == ["a"]
    assert line.go() == []
    orders = line.handled("a")
    assert orders[0] == Settle("a", Outcome.DONE)
    assert sent(orders) == ["b"]


def test_a_message_goes_over_the_session_that_is_up_with_what_is_known_of_its_age():
    line = Line()
    line.store(parcel("a"))
    (order,) = line.up(7)
    assert order.session == 7
    assert order.message.context["made_at"]["age_seconds"] == 0.0


def test_over_mqtt_one_goes_out_at_a_time_whatever_the_window():
    line = Line(in_flight=4)
    line.store(*(parcel(name) for name in "abc"))
    assert sent(line.up(protocol="mqtt")) == ["a"]
    assert sent(line.handled("a")) == ["b"]
    assert sent([*line.delivery.link_down(), *line.up(2, protocol="wss")]) == ["b", "c"]


@pytest.mark.parametrize("window", [1, 2, 5])
def test_the_window_holds(window):
    line = Line(in_flight=window)
    line.store(*map(parcel, "abcdefgh"))
    assert sent(line.up()) == list("abcdefgh")[:window]
    assert line.delivery.in_flight == window
    assert sent(line.handled("a")) == ["abcdefgh"[window]]


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([("ovos.utterance.handled", {})], Outcome.DONE),
        ([("speak", {"utterance": "Hi"}), ("ovos.utterance.handled", {})], Outcome.DONE),
        ([("ovos.intent.unmatched", {}), ("ovos.utterance.handled", {})], Outcome.UNANSWERED),
        ([("complete_intent_failure", {}), ("ovos.utterance.handled", {})], Outcome.UNANSWERED),
        (
            [("ovos.intent.unmatched", {}), ("speak", {"utterance": "Hi"}), ("ovos.utterance.handled", {})],
            Outcome.DONE,
        ),
    ],
)
def test_only_the_hubs_words_with_its_id_settle_a_scan(events, outcome):
    line = Line()
    line.store(parcel("a"))
    line.up()
    for name, data in events:
        assert line.says(name, "another", **data) == []
        assert line.says(name, **data) == []
        orders = line.says(name, "a", **data)
    assert orders == [Settle("a", outcome)]


def test_after_no_skill_took_it_a_fallback_may_still_answer():
    line = Line()
    line.store(parcel("a"))
    line.up()
    line.says("ovos.intent.unmatched", "a")
    assert line.go(4.9) == [ProbeSoon()]
    assert line.go(0.1) == [Settle("a", Outcome.UNANSWERED)]


def test_silence_is_worth_a_probe_and_then_the_outcome_is_unknown():
    line = Line(answer_seconds=30.0)
    line.store(parcel("a"))
    line.up()
    assert line.go(2.9) == []
    assert line.go(0.1) == [ProbeSoon()]
    line.delivery.proved(line.now)
    assert line.go(26.9) == []
    (settle,) = line.go(0.1)
    assert (settle.request_id, settle.outcome) == ("a", Outcome.UNKNOWN)


def test_nothing_is_given_up_while_it_is_open_whether_the_link_lives():
    line = Line(answer_seconds=5.0)
    line.store(parcel("a"))
    line.up()
    assert line.go(3.0) == [ProbeSoon()]
    assert line.go(60.0) == []
    assert line.delivery.deadline(line.now) is None
    line.down()
    assert sent(line.up(2)) == ["a"]


def test_a_hub_that_answers_neither_a_parcel_nor_the_probe_behind_it_is_told_of_until_it_does():
    line = Line(in_flight=2)
    line.store(parcel("a"), press("b"))
    line.up()
    line.go(4.4)
    assert line.unheard() is None
    assert line.delivery.deadline(line.now) == pytest.approx(104.5)
    line.go(0.1)
    assert line.unheard() == {"a"}, "the press is not sent again"
    assert line.delivery.deadline(line.now) is None, "nothing more comes of waiting"
    line.delivery.proved(line.now)
    assert line.unheard() is None


@pytest.mark.parametrize("ends", ["the hub speaks to another", "the link ends"])
def test_what_was_not_heard_is_over_with_any_word_of_the_hub_and_with_the_link(ends):
    line = Line(in_flight=2)
    line.store(parcel("a"), parcel("b"))
    line.up()
    line.go(4.5)
    line.go(0.1)
    assert line.unheard() == {"a", "b"}
    if ends == "the link ends":
        line.down()
        assert line.unheard() is None
    else:
        line.handled("a")
        assert line.unheard() is None
        line.go(4.4)
        assert line.unheard() is None, "it was there a moment ago"


def test_a_probe_that_left_before_a_parcel_says_nothing_of_it():
    line = Line(answer_seconds=5.0)
    line.store(parcel("a"))
    line.up()
    line.delivery.proved(line.now - 1.0)
    assert line.go(3.0) == [ProbeSoon()]
    line.delivery.proved(line.now)
    (settle,) = line.go(2.0)
    assert settle.outcome is Outcome.UNKNOWN


def test_an_answer_that_began_is_done_though_its_end_never_came():
    line = Line()
    line.store(parcel("a"))
    line.up()
    line.says("speak", "a", utterance="Hi")
    assert line.go(30.0)[-1] == Settle("a", Outcome.DONE)


def test_late_is_better_than_never_known():
    line = Line()
    line.store(parcel("a"))
    line.up()
    line.go(30.0)
    line.delivery.endings.clear()
    assert line.says("speak", "a", utterance="Hi") == [Settle("a", Outcome.DONE)]
    (ending,) = line.delivery.endings
    assert (ending.outcome, ending.text) == (Outcome.DONE, "Hi")
    assert line.handled("a") == [], "told once"


def test_after_a_lost_link_what_was_open_goes_again_in_its_order_before_anything_newer():
    line = Line(in_flight=3)
    line.store(*map(parcel, "abcd"))
    line.up()
    line.handled("b")
    assert line.down() == []
    line.store(parcel("e"))
    assert sent(line.up(2)) == ["a", "c", "d"]
    assert sent(line.handled("a")) == ["e"]


def test_a_lost_link_ends_what_the_hub_had_begun_to_answer():
    line = Line(in_flight=2)
    line.store(parcel("a"), parcel("b"))
    line.up()
    line.says("speak", "a", utterance="Hi")
    line.says("ovos.intent.unmatched", "b")
    assert set(line.down()) == {Settle("a", Outcome.DONE), Settle("b", Outcome.UNANSWERED)}
    assert sent(line.up(2)) == []


def test_a_press_is_noted_before_it_leaves_and_never_leaves_twice():
    line = Line()
    line.store(press("a"))
    orders = line.up()
    assert [type(order) for order in orders] == [Mark, Send]
    (settle,) = line.down()
    assert (settle.request_id, settle.outcome) == ("a", Outcome.UNKNOWN)
    assert line.up(2) == []


def test_a_press_that_may_have_left_before_a_restart_is_not_sent():
    line = Line()
    line.store(press("a", attempted=True))
    (settle,) = line.up()
    assert (settle.outcome, settle.reason) == (Outcome.UNKNOWN, "it was on its way when the device stopped")


def test_a_press_that_was_answered_leaves_nothing_behind():
    line = Line()
    line.store(press("a"))
    line.up()
    assert line.handled("a") == [Drop("a")]


def test_a_press_expires_with_nobody_to_send_it_to():
    line = Line()
    line.store(press("a"))
    assert line.delivery.deadline(line.now) == line.now + 15
    assert line.go(14.9) == []
    assert line.go(0.1) == [Drop("a")]
    (ending,) = line.delivery.endings
    assert ending.outcome is Outcome.EXPIRED
    line.rows.clear()
    assert line.up() == []


def test_a_press_expires_over_a_restart_too():
    line = Line()
    line.rows.append(replace(press("a"), sequence=1, made=Stamp(boot="boot", since_boot=80.0, wall=0.0, sure=False)))
    assert line.up() == [Drop("a")]


def test_a_scan_too_old_is_put_aside_and_not_forgotten():
    line = Line()
    line.store(replace(parcel("a"), lifetime=60.0))
    line.go(60.0)
    assert line.up() == [Settle("a", Outcome.EXPIRED, "it waited too long for the hub")]


@pytest.mark.parametrize("wall", [0.0, 4e9])
def test_a_jump_of_the_wall_clock_expires_nothing(wall):
    line = Line()
    line.store(parcel("a"), press("b"))
    line.delivery.link_up(1, "wss")
    line.delivery.fetched(Fetched(tuple(line.rows), last=True))
    orders = line.delivery.pump(line.now, replace(STAMP, wall=wall))
    assert sent(orders) == ["a"]


# -- denials


def test_a_denial_is_the_one_in_flights_alone():
    line = Line()
    line.store(parcel("a"))
    line.up()
    assert line.denied() == [Settle("a", Outcome.REFUSED, "not for you")]


def test_a_denial_of_another_type_is_nobodys():
    line = Line()
    line.store(parcel("a"))
    line.up()
    assert line.says("hive.policy.denied", denied_type="thalovant.client.status", code="acl") == []
    assert line.delivery.in_flight == 1


def test_a_denial_that_names_a_request_settles_that_one():
    line = Line(in_flight=2)
    line.store(parcel("a"), parcel("b"))
    line.up()
    event = {"denied_type": TYPE, "code": "acl_disallowed_type"}
    assert line.says("hive.policy.denied", "b", **event)[0] == Settle("b", Outcome.REFUSED, "acl_disallowed_type")
    assert line.says("hive.policy.denied", "nobody", **event) == []


def test_a_denial_two_may_own_settles_neither_until_each_is_alone():
    line = Line(in_flight=2)
    line.store(*map(parcel, "abc"))
    line.up()
    assert line.denied() == [], "it could be of a or of b"
    assert line.go(1.9) == []
    assert sent(line.go(0.1)) == ["a"], "again, and alone"
    assert sent(line.handled("a")) == ["b"]
    orders = line.denied()
    assert orders[0] == Settle("b", Outcome.REFUSED, "not for you")
    assert sent(orders) == ["c"]


def test_one_the_hub_spoke_to_cannot_be_the_one_it_denied():
    line = Line(in_flight=2)
    line.store(parcel("a"), parcel("b"))
    line.up()
    line.says("speak", "a", utterance="Hi")
    assert line.denied() == [Settle("b", Outcome.REFUSED, "not for you")]


def test_a_press_two_may_have_been_denied_is_unknown_and_not_sent_again():
    line = Line(in_flight=2)
    line.store(press("a"), parcel("b"))
    line.up()
    line.denied()
    orders = line.go(2.0)
    assert [(order.request_id, order.outcome) for order in orders if isinstance(order, Settle)] == [
        ("a", Outcome.UNKNOWN)
    ]
    assert sent(orders) == ["b"]


@pytest.mark.parametrize("code", ["backend_unavailable", "policy_error", "policy_chain_unavailable"])
def test_a_denial_that_will_pass_only_delays(code):
    line = Line()
    line.store(parcel("a"))
    line.up()
    assert line.denied(code) == []
    assert line.go(9.9) == []
    assert sent(line.go(0.1)) == ["a"]


# -- the disk and the carriers


def test_what_was_held_back_goes_first_when_the_disk_works_again():
    line = Line()
    line.store(press("a"), parcel("b"))
    (_, send) = line.up()
    line.delivery.not_sent(send.message, line.now)
    assert line.go() == [], "not at once: the disk has just failed"
    assert sent(line.go(2.0)) == ["a"]


def test_a_change_of_carriers_waits_until_nothing_is_on_its_way():
    line = Line()
    line.store(parcel("a"), parcel("b"))
    line.up()
    line.delivery.hold()
    assert TakeOffer() not in line.go()
    assert line.handled("a") == [Settle("a", Outcome.DONE), TakeOffer()]
    assert sent(line.up(2)) == ["b"]


def test_what_the_hub_says_is_news_only_to_who_still_stands_there():
    line = Line()
    line.store(parcel("a"))
    line.up()
    later = replace(STAMP, since_boot=STAMP.since_boot + 61)
    assert line.delivery.fresh("a", STAMP, 60.0)
    assert not line.delivery.fresh("a", later, 60.0)
    assert line.delivery.fresh(None, later, 60.0)
    assert line.delivery.fresh("nobody", later, 60.0)
