from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats

from agent.parcel import dated
from agent.stamps import Stamp, SystemStamps, age, wall_time
from tests.agent.stores import parcel

HOUR = 3600.0
DECADE = 10 * 365.25 * 24 * HOUR
THEN = Stamp(boot="one", since_boot=100.0, wall=1.8e9, sure=True)


def stamp(boot="one", since_boot=100.0, wall=1.8e9, sure=True):
    return Stamp(boot=boot, since_boot=since_boot, wall=wall, sure=sure)


@given(jump=floats(-3 * DECADE, 3 * DECADE), sure=booleans(), passed=floats(0, 30 * 24 * HOUR))
def test_within_a_boot_no_jump_of_the_wall_clock_changes_an_age(jump, sure, passed):
    now = stamp(since_boot=100.0 + passed, wall=1.8e9 + jump, sure=sure)
    assert age(THEN, now) == pytest.approx(passed)


@pytest.mark.parametrize(
    ("before", "now", "seconds"),
    [
        (stamp(), stamp("two", 50.0, 1.8e9 + HOUR), HOUR),
        (stamp(), stamp("two", 50.0, 1.8e9 + DECADE, sure=False), 50.0),
        (stamp(sure=False), stamp("two", 50.0, 1.8e9 + DECADE), 50.0),
        (stamp(), stamp("two", 50.0, 1.8e9 - DECADE), 50.0),
        (stamp(), stamp("one", 40.0), 0.0),
    ],
)
def test_over_a_reboot_only_what_is_certain_counts(before, now, seconds):
    assert age(before, now) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("made", "now", "wall", "sure"),
    [
        (THEN, stamp(since_boot=900.0, wall=5.0), 1.8e9, True),
        (stamp(wall=17.0, sure=False), stamp(since_boot=400.0), 1.8e9 - 300, True),
        (stamp(wall=17.0, sure=False), stamp(since_boot=400.0, sure=False), 17.0, False),
        (stamp(wall=17.0, sure=False), stamp("two", 400.0), 17.0, False),
        (stamp(wall=-5.0, sure=False), stamp("two", 400.0), 0.0, False),
    ],
)
def test_a_clock_set_while_a_message_waits_says_when_it_was_made(made, now, wall, sure):
    seconds, certain = wall_time(made, now)
    assert seconds == pytest.approx(wall)
    assert certain is sure


def test_a_message_says_when_it_was_made_and_how_sure_that_is():
    one = replace(parcel("a"), made=stamp(wall=1.8e9, sure=False))
    context = dated(one, stamp(since_boot=160.0, wall=1.9e9, sure=False)).context
    assert context["made_at"] == {"time": "2027-01-15T08:00:00.000Z", "sure": False, "age_seconds": 60.0}
    assert context["request_id"] == "a"
    assert "made_at" not in one.message.context, "what is stored stays as it was built"


@given(wall=floats(-1e12, 1e12))
def test_any_clock_can_be_written_down(wall):
    one = replace(parcel("a"), made=stamp(wall=wall, sure=False))
    assert dated(one, stamp("two", 1.0)).context["made_at"]["time"].endswith("Z")


def test_the_machines_own_clocks(tmp_path):
    first, second = SystemStamps()(), SystemStamps()()
    assert first.boot == second.boot
    assert 0 <= age(first, second) < 5
    timesync = tmp_path / "timesync"
    timesync.mkdir()
    own = SystemStamps(clock_was_set=timesync / "synchronized")
    assert not own().sure
    (timesync / "synchronized").touch()
    assert own().sure


def test_a_machine_that_hides_its_boot_counts_each_run_as_one(tmp_path):
    assert SystemStamps(tmp_path / "none")().boot != SystemStamps(tmp_path / "none")().boot
