from __future__ import annotations

import random
from itertools import pairwise

import pytest

from agent.hub.protocol.closing import is_refusal
from agent.hub.protocol.keeping import Dial, Hold, Keeping, Outcome, Pulse, PulseTerms, Stop, Terms

DOWN = Outcome.FAILED


def keeping(*protocols: str, **terms: float) -> Keeping:
    return Keeping(protocols or ("wss",), Terms(**terms))  # type: ignore[arg-type]


def fail(link: Keeping, protocol: str, now: float, chance: float = 1.0) -> Dial:
    """One attempt that comes to nothing."""
    link.dialled(now)
    decision = link.after(protocol, DOWN, now, chance)
    assert isinstance(decision, Dial)
    return decision


def test_waits_double_to_a_ceiling():
    link, now, waits = keeping(), 0.0, []
    for _ in range(9):
        dial = fail(link, "wss", now)
        waits.append(dial.wait)
        now += dial.wait
    assert waits == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_a_thousand_failures_are_as_one():
    link = keeping()
    for attempt in range(1400):
        dial = fail(link, "wss", attempt * 120.0)
    assert dial.wait == 120


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_every_wait_is_spread(chance):
    link = keeping()
    for attempt in range(8):
        dial = fail(link, "wss", attempt * 200.0, chance)
    assert 60 <= dial.wait == pytest.approx(120 * (0.5 + 0.5 * chance))


def test_never_two_attempts_within_the_floor_whoever_is_in_a_hurry():
    link = keeping()
    link.dialled(100.0)
    assert link.hurry(100.2).wait == pytest.approx(0.8)
    assert link.hurry(103.0).wait == 0


def test_a_hurry_starts_the_ladder_again():
    link = keeping()
    for attempt in range(8):
        fail(link, "wss", attempt * 200.0)
    link.hurry(1600.0)
    assert fail(link, "wss", 1600.0).wait == 1


def test_each_protocol_has_its_turn_before_one_has_another():
    link, now, order = keeping("mqtt", "wss", "https"), 0.0, []
    protocol = link.start().protocol
    for _ in range(6):
        order.append(protocol)
        dial = fail(link, protocol, now)
        protocol, now = dial.protocol, now + dial.wait
    assert order == ["mqtt", "wss", "https"] * 2


def test_the_first_attempt_is_made_at_once():
    assert keeping("mqtt", "wss").start() == Dial("mqtt", 0.0)


def test_an_idle_device_whose_broker_went_is_on_another_protocol_within_30_seconds():
    link = keeping("mqtt", "wss", "https")
    link.after("mqtt", Outcome.UP, 0.0, 0.5)
    dial = link.after("mqtt", Outcome.DROPPED, 1000.0, 0.999)
    assert isinstance(dial, Dial)
    assert dial.protocol == "mqtt"
    assert dial.wait == pytest.approx(20, abs=0.1)
    assert fail(link, "mqtt", 1020.0) == Dial("wss", 1.0)
    assert fail(link, "wss", 1021.0) == Dial("https", 1.0)
    assert fail(link, "https", 1022.0) == Dial("mqtt", 120.0)


def test_an_idle_device_whose_hub_fell_silent_does_not_run_through_its_protocols():
    link = keeping("mqtt", "wss", "https")
    link.after("mqtt", Outcome.UP, 0.0, 0.5)
    assert link.after("mqtt", Outcome.DROPPED, 1000.0, 0.5, silent=True) == Dial("mqtt", 10.0)
    assert fail(link, "mqtt", 1010.0, 0.0) == Dial("wss", 60.0)


def test_a_link_that_held_is_dialled_again_over_the_same_protocol():
    link = keeping("mqtt", "wss")
    link.dialled(0.0)
    assert link.after("mqtt", Outcome.UP, 0.0, 0.5) == Hold()
    assert link.after("mqtt", Outcome.DROPPED, 500.0, 0.5, in_use=True) == Dial("mqtt", 0.5)


def test_a_link_lost_right_after_it_came_up_counts_as_a_failed_one():
    link = keeping("mqtt", "wss")
    link.after("mqtt", Outcome.UP, 0.0, 0.5)
    dial = link.after("mqtt", Outcome.DROPPED, 3.0, 1.0, in_use=True)
    assert dial == Dial("wss", 1.0)


def test_a_link_that_flaps_climbs_the_ladder():
    link, now = keeping(), 0.0
    waits = []
    for _ in range(5):
        link.dialled(now)
        link.after("wss", Outcome.UP, now, 1.0)
        dial = link.after("wss", Outcome.DROPPED, now + 1.0, 1.0, in_use=True)
        assert isinstance(dial, Dial)
        waits.append(dial.wait)
        now += 1.0 + dial.wait
    assert waits == [1, 2, 4, 8, 16]


def test_an_idle_fleet_that_loses_its_hub_dials_at_under_two_percent_a_second():
    chance = random.Random(4)
    first_waits = []
    for _ in range(10_000):
        link = keeping("wss")
        link.after("wss", Outcome.UP, 0.0, chance.random())
        dial = link.after("wss", Outcome.DROPPED, 1000.0, chance.random())
        assert isinstance(dial, Dial)
        first_waits.append(dial.wait)
    busiest = max(sum(second <= wait < second + 1 for wait in first_waits) for second in range(91))
    assert busiest <= 200


def test_a_device_dismissed_on_mqtt_is_back_before_anybody_misses_it():
    link = keeping("mqtt")
    link.after("mqtt", Outcome.UP, 0.0, 0.9)
    dial = link.after("mqtt", Outcome.DROPPED, 1000.0, 0.999)
    assert isinstance(dial, Dial)
    assert dial.wait < 20


def test_a_device_in_use_waits_a_second_at_most_after_a_drop():
    link = keeping("wss")
    link.after("wss", Outcome.UP, 0.0, 0.9)
    dial = link.after("wss", Outcome.DROPPED, 1000.0, 0.9, in_use=True)
    assert isinstance(dial, Dial)
    assert dial.wait <= 1


@pytest.mark.parametrize("outcome", [Outcome.KEY_CHANGED, Outcome.CLIENT_KEY_REJECTED])
def test_what_a_person_must_mend_stops_the_link(outcome):
    assert keeping().after("wss", outcome, 0.0, 0.5) == Stop(outcome)


def test_a_rejection_the_carrier_only_hints_at_must_come_twice():
    link = keeping("mqtt")
    assert isinstance(link.after("mqtt", Outcome.CLIENT_KEY_REJECTED, 0.0, 0.5, certain=False), Dial)
    assert link.after("mqtt", Outcome.CLIENT_KEY_REJECTED, 5.0, 0.5, certain=False) == Stop(Outcome.CLIENT_KEY_REJECTED)


def test_anything_between_two_hints_takes_the_first_one_back():
    link = keeping("mqtt")
    link.after("mqtt", Outcome.CLIENT_KEY_REJECTED, 0.0, 0.5, certain=False)
    link.after("mqtt", Outcome.UP, 5.0, 0.5)
    assert isinstance(link.after("mqtt", Outcome.CLIENT_KEY_REJECTED, 50.0, 0.5, certain=False), Dial)


def test_a_new_device_awaits_admission_and_an_old_one_was_removed():
    new, old = keeping(), Keeping(("wss",), admitted=True)
    for link in (new, old):
        link.after("wss", Outcome.REFUSED, 0.0, 0.5)
    assert new.awaiting_admission(100.0)
    assert not new.awaiting_admission(601.0)
    assert not old.awaiting_admission(100.0)


def test_a_protocol_without_a_word_for_a_refusal_does_not_unsay_another_ones():
    link = keeping("mqtt", "wss")
    link.after("wss", Outcome.REFUSED, 0.0, 0.5)
    link.after("mqtt", Outcome.FAILED, 10.0, 0.5)
    assert link.awaiting_admission(20.0)
    link.after("wss", Outcome.REFUSED, 590.0, 0.5)
    assert not link.awaiting_admission(601.0)
    link.after("wss", Outcome.FAILED, 610.0, 0.5)
    link.after("wss", Outcome.REFUSED, 620.0, 0.5)
    assert link.awaiting_admission(630.0), "its own failure does: the row may be new"


def test_a_refused_device_asks_on():
    link, now = keeping(), 0.0
    for _ in range(20):
        decision = link.after("wss", Outcome.REFUSED, now, 1.0)
        assert isinstance(decision, Dial)
        now += decision.wait
    assert now > 1200


def test_a_better_protocol_is_looked_at_more_rarely_each_time_it_fails():
    link = keeping("mqtt", "wss")
    link.after("wss", Outcome.UP, 0.0, 0.0)
    moments = []
    for _ in range(7):
        assert link.offer_at is not None
        now = link.offer_at
        assert link.offer_due(now - 0.01) is None
        assert link.offer_due(now) == "mqtt"
        moments.append(now)
        link.offer_ended("mqtt", Outcome.FAILED, now, 0.0)
    assert [later - earlier for earlier, later in pairwise([0.0, *moments])] == [20, 20, 40, 80, 160, 320, 600]


def test_the_best_protocol_has_no_better_one():
    link = keeping("mqtt", "wss")
    link.after("mqtt", Outcome.UP, 0.0, 0.0)
    assert link.offer_at is None
    assert link.better == ()


def test_an_offer_that_was_found_is_looked_for_no_more_until_it_was_taken_and_lost():
    link = keeping("mqtt", "wss")
    link.after("wss", Outcome.UP, 0.0, 0.0)
    link.offer_ended("mqtt", Outcome.UP, 30.0, 0.0)
    assert link.offer_due(10_000.0) is None
    link.after("mqtt", Outcome.UP, 31.0, 0.0)
    assert link.offer_due(10_000.0) is None


def test_a_pulse_asks_twice_before_it_gives_up():
    pulse = Pulse(0.0, PulseTerms(idle=100, doubt=5, dead=10))
    assert (pulse.due(99.9), pulse.due(100.0), pulse.deadline()) == (False, True, 100)
    pulse.sent(100.0)
    assert (pulse.due(104.9), pulse.doubtful, pulse.due(105.0)) == (False, False, True)
    pulse.sent(105.0)
    assert (pulse.doubtful, pulse.dead(114.9), pulse.dead(115.0), pulse.deadline()) == (True, False, True, 115)


def test_an_answered_pulse_is_quiet_until_the_next_is_due():
    pulse = Pulse(0.0, PulseTerms(idle=100, doubt=5, dead=10))
    pulse.suspect(10.0)
    assert pulse.due(10.0)
    pulse.sent(10.0)
    pulse.answered(10.1)
    assert not pulse.due(110.0)
    assert pulse.due(110.1)


def test_suspicion_does_not_ask_again_while_an_answer_is_due():
    pulse = Pulse(0.0, PulseTerms(idle=100, doubt=5, dead=10))
    pulse.sent(0.0)
    pulse.suspect(1.0)
    assert not pulse.due(1.0)


@pytest.mark.parametrize(
    ("code", "since", "late", "heard", "refusal"),
    [
        (1008, None, 0.0, False, True),
        (1005, None, 0.0, False, True),
        (1013, None, 0.0, False, False),
        (None, None, 0.0, False, False),
        (1008, 0.75, 0.0, False, True),
        (1008, 0.76, 0.0, False, False),
        (1000, 0.1, 0.0, True, False),
        (1000, 0.1, 0.25, False, True),
        (1000, 0.1, 0.26, False, False),
    ],
)
def test_a_close_is_read_by_its_code_its_time_and_what_came_before(code, since, late, heard, refusal):
    assert is_refusal(code, since_handshake=since, code_late=late, heard=heard) is refusal


@pytest.mark.parametrize("seed", range(500))
def test_whatever_the_faults_the_link_is_up_again_within_the_ceiling_of_their_end(seed):
    """An hour of random faults, each taking some of the protocols down for a while; no attempt is closer than the
    floor."""
    chance = random.Random(seed)
    protocols = ("mqtt", "wss", "https")[: chance.randint(1, 3)]
    faults = sorted((chance.uniform(0, 3000), chance.uniform(1, 600), chance.random() < 0.5) for _ in range(8))

    def works(protocol: str, now: float) -> bool:
        return not any(
            start <= now < start + length and (everything or protocol == protocols[0])
            for start, length, everything in faults
        )

    link = Keeping(protocols)
    now, attempts = 0.0, []
    decision: object = link.start()
    while now < 3600:
        assert isinstance(decision, Dial)
        now += decision.wait
        attempts.append(now)
        link.dialled(now)
        protocol = decision.protocol
        if not works(protocol, now):
            decision = link.after(protocol, DOWN, now, chance.random())
            continue
        link.after(protocol, Outcome.UP, now, chance.random())
        now = min((start for start, _, _ in faults if start > now and not works(protocol, start)), default=3600)
        decision = link.after(protocol, Outcome.DROPPED, now, chance.random(), in_use=chance.random() < 0.5)
    last_end = max(start + length for start, length, _ in faults)
    assert now >= 3600
    assert all(later - earlier >= 1.0 - 1e-6 for earlier, later in pairwise(attempts))
    assert min((moment for moment in attempts if moment >= last_end), default=0) <= last_end + len(protocols) * 120
