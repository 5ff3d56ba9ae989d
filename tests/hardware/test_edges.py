from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.edges import PressMachine

DEBOUNCE = 0.03


def presses(edges, *, pressed=False, debounce=DEBOUNCE):
    machine = PressMachine(debounce_seconds=debounce, pressed=pressed)
    return [at for level, at in edges if machine.edge(level, at)]


def test_a_press_counts_on_its_first_edge():
    assert presses([(True, 1.0), (False, 1.2), (True, 2.0), (False, 2.2)]) == [1.0, 2.0]


def test_a_tap_shorter_than_the_debounce_time_counts():
    assert presses([(True, 1.0), (False, 1.02), (True, 2.0), (False, 2.02)]) == [1.0, 2.0]


def test_bounces_on_the_way_down_and_on_the_way_up_are_one_press():
    down = [(level, 1.0 + 0.002 * step) for step, level in enumerate([True, False, True, False, True])]
    up = [(level, 1.3 + 0.002 * step) for step, level in enumerate([False, True, False, True, False])]
    assert presses(down + up) == [1.0]


def test_a_button_held_at_the_start_counts_only_after_it_was_let_go():
    edges = [(False, 5.0), (True, 5.002), (False, 5.004), (True, 6.0)]
    assert presses(edges, pressed=True) == [6.0]


def test_a_press_right_after_the_start_counts():
    assert presses([(True, 0.0)]) == [0.0]


def test_a_second_press_counts_only_once_the_level_was_quiet():
    assert presses([(True, 1.0), (False, 1.1), (True, 1.12), (False, 1.2), (True, 1.23)]) == [1.0, 1.23]


def test_an_edge_that_was_lost_makes_no_press_and_costs_no_later_one():
    # The release between the first two was lost; so was the press between the last two releases.
    assert presses([(True, 1.0), (True, 2.0), (False, 3.0), (False, 4.0), (True, 5.0)]) == [1.0, 5.0]


def test_a_press_whose_first_bounces_were_read_as_the_level_of_rest_counts():
    # Two pushes of 0.12 s as Linux told them on two slow processors: the level is that of when it came to read it.
    first = [(True, 0.995), (True, 1.0), (True, 1.003), (True, 1.115), (False, 1.117), (False, 1.12), (False, 1.13)]
    second = [
        (False, 1.295),
        (False, 1.297),
        (False, 1.3),
        (True, 1.304),
        (False, 1.415),
        (True, 1.416),
        (False, 1.421),
    ]
    assert presses(first + second) == [0.995, 1.304]


def test_an_edge_to_the_same_level_while_the_contact_bounces_is_a_bounce():
    assert presses([(True, 1.0), (False, 1.2), (False, 1.22), (True, 1.24), (False, 1.25)]) == [1.0]


def test_a_clock_that_starts_again_costs_no_press():
    assert presses([(True, 4294.0), (False, 4294.9), (True, 0.5), (False, 0.7)]) == [4294.0, 0.5]


def test_without_a_debounce_time_every_push_counts():
    assert presses([(True, 1.0), (False, 1.0), (True, 1.0)], debounce=0.0) == [1.0, 1.0]


@st.composite
def pushes(draw):
    """Pushes by a person, each with bounces shorter than the debounce time and pauses longer than it."""
    edges, starts, now = [], [], 0.0
    quiet = st.floats(DEBOUNCE + 0.001, 2.0)
    bounce = st.lists(st.floats(0.0001, DEBOUNCE - 0.001), max_size=6)
    for _ in range(draw(st.integers(0, 6))):
        for level in (True, False):
            now += draw(quiet)
            if level:
                starts.append(now)
            edges.append((level, now))
            gaps = draw(bounce)
            for gap in gaps[: len(gaps) // 2 * 2]:  # an even number comes back to the level
                now += gap
                edges.append((not edges[-1][0], now))
    return edges, starts


@given(pushes())
def test_as_many_presses_as_pushes_however_the_contact_bounces(push):
    edges, starts = push
    assert presses(edges) == starts


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=80), st.booleans(), st.floats(0, 0.5))
def test_whatever_the_edges_presses_are_at_least_the_debounce_time_apart(steps, pressed, debounce):
    now, edges = 0.0, []
    for level, gap in steps:
        now += gap
        edges.append((level, now))
    found = presses(edges, pressed=pressed, debounce=debounce)
    assert all(later - earlier >= debounce for earlier, later in pairwise(found))
    assert set(found) <= {at for level, at in edges if level}


@pytest.mark.parametrize("level", [True, False])
def test_the_last_level_is_known(level):
    machine = PressMachine(debounce_seconds=DEBOUNCE, pressed=not level)
    machine.edge(level, 1.0)
    assert machine.pressed is level
