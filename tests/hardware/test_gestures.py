"""The table of hardware/wiring/buttons-and-lights.md: on gpiozero's mock pins, and on the machine alone."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.board import Board
from hardware.buttons import Buttons, ButtonSpec, KnobSpec
from hardware.edges import PressMachine
from hardware.facts import ButtonPressed, DeviceError
from hardware.gestures import BUTTON_GESTURES, ButtonMachine, Chord, KnobMachine, Timing
from tests.hardware.gesture_table import RECORDINGS, GestureRow, rows
from tests.peers.pins import Pins

PINS = {"help": 17, "left": 22, "right": 23, "volume/a": 5, "volume/b": 6}


def on_no_pins(row):
    return row.replayed(row.records)


def on_mock_pins(row):
    recorded = row.records
    pins = Pins()
    facts: list = []
    names = row.contacts
    knobs = [KnobSpec(name="volume", a=PINS["volume/a"], b=PINS["volume/b"])] if "volume/a" in names else []
    # A pull of "none", so that a pin can be low before anybody looks.
    specs = [ButtonSpec(name=n, pin=PINS[n], pull="none", gestures=tuple(row.gestures)) for n in names if "/" not in n]
    for record in recorded:
        if record.kind == "level":
            pins.drive(PINS[record.name], high=(record.data == "1") == ("/" in record.name))
    buttons = Buttons(specs, facts.append, factory=pins, clock=pins.ticks, knobs=knobs, chords=row.chords)
    buttons.open()
    last = recorded[0].at
    for record in [*recorded, None]:
        until = pins.now + (record.at - last if record else 1.0)
        while (wait := buttons.patience()) <= until - pins.now and pins.now < until:
            pins.advance(max(wait, 1e-6))
            buttons.turn()
        pins.now = until
        if record and record.kind == "edge":
            pins.drive(PINS[record.name], high=(record.data == "1") == ("/" in record.name))
        last = record.at if record else last
    buttons.close()
    pins.reset()
    return facts


@pytest.mark.parametrize("play", [on_no_pins, on_mock_pins])
@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.name}-{row.wanted}")
def test_each_row_of_the_table_is_what_comes_out(row, play):
    assert row.words(play(row)) == row.told


def test_every_recording_is_in_the_table_and_every_gesture_too():
    assert {row.name for row in rows()} == {path.stem for path in RECORDINGS.glob("*.rec")}
    assert {word for row in rows() for word in re.findall("[a-z]+", row.told)} >= BUTTON_GESTURES | {"chord"}


def test_a_gesture_bears_the_time_at_which_it_was_complete():
    row = GestureRow("long", "press, long, release", "")
    facts = [fact for fact in on_no_pins(row) if isinstance(fact, ButtonPressed)]
    first = next(record.at for record in row.records if record.kind == "edge")
    last = max(record.at for record in row.records)
    assert [(fact.gesture, fact.at) for fact in facts] == [
        ("press", first),
        ("long", first + Timing().hold_seconds),
        ("release", last),
    ]


@pytest.mark.parametrize("gestures", [["clock"], ["clockwise"], ["chord"]])
def test_a_gesture_that_no_button_makes_is_refused(gestures):
    with pytest.raises(DeviceError, match="no button makes"):
        Board().add_button("help", gestures)


def test_a_chord_of_one_and_a_knob_of_three_edges_are_refused():
    with pytest.raises(DeviceError, match="two buttons"):
        Board([Chord(name="one", buttons=frozenset({"left"}))])
    with pytest.raises(DeviceError, match="1, 2 or 4"):
        Board().add_knob("volume", edges_per_step=3)


def test_an_edge_that_comes_late_counts_as_of_what_was_told_already():
    board = Board()
    board.add_button("help", ["click", "long"])
    board.edge("help", True, 1.0)
    assert board.tick(1.81) == [ButtonPressed("help", 1.8, "long")]
    at, facts = board.edge("help", False, 1.7)  # its callback was busy
    assert (at, facts) == (1.81, [])
    assert board.tick(3.0) == []


@st.composite
def edge_streams(draw):
    steps = draw(
        st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.001, 0.01, 0.03, 0.1, 0.4, 0.9])), max_size=60)
    )
    now, edges = 10.0, []
    for level, gap in steps:
        now += gap
        edges.append((level, now))
    return edges


ALL = frozenset(BUTTON_GESTURES)
GESTURES = st.sets(st.sampled_from(sorted(ALL))).map(frozenset)


def made(edges, wanted, *, pressed=False, ticks=()):
    machine = ButtonMachine(wanted, pressed=pressed, at=9.0)
    out = []
    for level, at in edges:
        for tick in ticks:
            if at - tick >= 9.0:
                out += machine.tick(at - tick)
        out += machine.edge(level, at)
    return out + machine.tick(1000.0)


@given(edge_streams(), st.booleans(), GESTURES)
def test_presses_are_those_of_the_press_machine_whatever_else_is_wanted(edges, pressed, wanted):
    simple = PressMachine(debounce_seconds=0.03, pressed=pressed)
    expected = [at for level, at in edges if simple.edge(level, at)]
    assert [one.at for one in made(edges, wanted | {"press"}, pressed=pressed) if one.what == "press"] == expected


@given(edge_streams(), st.booleans(), GESTURES)
def test_what_was_not_wanted_is_not_told_and_no_release_is_without_its_press(edges, pressed, wanted):
    told = made(edges, wanted, pressed=pressed)
    assert {one.what for one in told} <= wanted | {"click", "stuck", "stuck at the start", "free"}
    assert "click" in wanted or not any(one.what == "click" for one in told)
    both = [one.what for one in made(edges, frozenset({"press", "release"}), pressed=pressed)]
    both = [what for what in both if what in {"press", "release"}]
    assert both == (["press", "release"] * len(both))[: len(both)]


@given(edge_streams(), st.booleans(), GESTURES)
def test_looking_at_the_clock_more_often_changes_nothing(edges, pressed, wanted):
    def gestures(ticks):
        told = [(one.what, one.at) for one in made(edges, wanted, pressed=pressed, ticks=ticks)]
        return [one for one in told if "stuck" not in one[0]]

    times = [at for _, at in edges]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    ticks = [0.0005] if all(gap > 0.0005 or gap == 0.0 for gap in gaps) and 0.0 not in gaps else []
    assert gestures(ticks) == gestures(())


@given(edge_streams(), st.booleans(), GESTURES)
def test_a_machine_always_comes_to_rest(edges, pressed, wanted):
    machine = ButtonMachine(wanted, pressed=pressed, at=9.0)
    for level, at in edges:
        machine.edge(level, at)
    for _ in range(2000):
        due = machine.due()
        if due is None:
            return
        machine.tick(due)
    raise AssertionError("it always has something to do")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=200))
def test_a_knob_tells_no_more_steps_than_its_contacts_could_make(edges):
    knob = KnobMachine()
    steps = [step for contact, high in edges if (step := knob.edge(contact, high))]
    assert len(steps) * 2 <= len(edges)


@pytest.mark.parametrize(("edges_per_step", "steps"), [(4, 1), (2, 2), (1, 4)])
def test_a_knob_may_rest_more_often_in_a_turn(edges_per_step, steps):
    knob = KnobMachine(edges_per_step=edges_per_step)
    turn: list = [("a", False), ("b", False), ("a", True), ("b", True)]
    assert [step for one in turn if (step := knob.edge(*one))] == ["clockwise"] * steps
    assert [step for c, high in reversed(turn) if (step := knob.edge(c, not high))] == ["counterclockwise"] * steps
