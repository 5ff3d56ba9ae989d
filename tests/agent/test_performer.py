from __future__ import annotations

import logging

import pytest

from agent.commits import Commits
from agent.effects import (
    Answer,
    Fetch,
    Hurry,
    Hush,
    Mark,
    Note,
    Play,
    ProbeSoon,
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
from agent.events import Fetched, StoreFailed
from agent.parcel import Outcome
from agent.performer import Performer
from agent.screen import Screen
from tests.agent.stages import Recorder
from tests.agent.stores import STAMP, Disk, parcel


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path, max_messages=3)
    yield disk
    disk.outbox.close()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def performer(disk, recorder):
    return perform_with(disk, recorder)


def perform_with(disk, recorder):
    return Performer(
        Commits(disk.outbox, lambda: STAMP),
        link=recorder,
        outputs=recorder,
        answer=recorder.answer,
        report=recorder.report,
    )


def test_every_order_reaches_whom_it_is_for_in_its_order(performer, recorder):
    message = parcel("a").message
    effects = [
        Hurry(),
        ProbeSoon(),
        TakeOffer(),
        Signal("done"),
        Rest("offline"),
        Show(Screen(answer="Ready")),
        Say("Hello", "en-us"),
        Play(b"gong", "a"),
        Hush(),
        Send(message, 3),
        Report(3, "ready"),
        Answer("7", {"ok": True}),
    ]
    assert performer.carry_out([effects], 0.0) == []
    assert recorder.orders == [
        ("hurry",),
        ("probe_soon",),
        ("take_offer",),
        ("signal", "done"),
        ("rest", "offline"),
        ("show", Screen(answer="Ready")),
        ("say", "Hello", "en-us"),
        ("play", b"gong", "a", ""),
        ("hush",),
        ("send", message, 3),
        ("report", 3, "ready"),
        ("answer", "7", {"ok": True}),
    ]


def test_a_note_is_a_line_in_the_journal_with_its_facts(performer, caplog):
    with caplog.at_level(logging.INFO, logger="agent"):
        performer.carry_out([[Note("warning", "100 % full", {"scanner": "counter"})]], 0.0)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage(), record.scanner) == ("WARNING", "100 % full", "counter")


def test_nobody_is_told_of_what_is_not_on_the_disk_yet(disk, recorder):
    class Watching(Recorder):
        def signal(self, name, origin):
            super().signal(name, origin)
            self.orders.append(("on disk", disk.waiting()))

    watching = Watching()
    perform_with(disk, watching).carry_out(
        [[Store(parcel("a")), Signal("accepted")], [Store(parcel("b")), Signal("accepted")]], 0.0
    )
    assert watching.of("on disk") == [(["a", "b"],), (["a", "b"],)]


def test_behind_what_could_not_be_kept_nothing_happens(performer, recorder):
    full = [[Store(parcel(name)), Signal(f"accepted {name}")] for name in "abcd"]
    events = performer.carry_out([*full, [Say("Hello", "en-us")]], 0.0)
    assert recorder.of("signal") == [("accepted a",), ("accepted b",), ("accepted c",)]
    assert recorder.of("say") == [("Hello", "en-us")]
    (failed,) = events
    assert failed.changes == (Store(parcel("d")),)
    assert "the store is full" in failed.reason


def test_what_comes_before_it_has_happened(performer, recorder, disk):
    disk.fail()
    effects = [Hurry(), Mark("a"), Send(parcel("a").message, 1), Store(parcel("b")), Signal("x")]
    (failed,) = performer.carry_out([effects], 0.0)
    assert recorder.names() == ["hurry"]
    assert failed.held_back == tuple(effects[1:]), "who decides must hear of all that did not happen"


def test_what_was_answered_is_off_the_disk_before_the_next_message_leaves(disk):
    class Watching(Recorder):
        def send(self, message, session):
            self.orders.append(("on disk", disk.waiting()))

    watching = Watching()
    performer = perform_with(disk, watching)
    performer.carry_out([[Store(parcel("a")), Store(parcel("b"))]], 0.0)
    performer.carry_out([[Settle("a", Outcome.DONE), Send(parcel("b").message, 1)]], 0.0)
    assert watching.of("on disk") == [(["b"],)]


def test_an_outcome_is_told_even_where_its_row_stays_for_now(performer, recorder, disk):
    disk.fail()
    events = performer.carry_out(
        [[Settle("a", Outcome.REFUSED, "no"), Signal("refused"), Answer("1", {"ok": True})]], 0.0
    )
    assert recorder.names() == ["signal", "answer"]
    (failed,) = events
    assert failed.changes == (Settle("a", Outcome.REFUSED, "no"),)
    assert failed.held_back == ()


def test_what_was_fetched_comes_back_as_an_event(performer, disk):
    events = performer.carry_out([[Store(parcel("a"))], [Fetch(0, 64)]], 0.0)
    (fetched,) = events
    assert isinstance(fetched, Fetched)
    assert [one.request_id for one in fetched.parcels] == ["a"]
    disk.fail()
    (failed,) = performer.carry_out([[Fetch(0, 64)]], 0.0)
    assert isinstance(failed, StoreFailed)
    assert failed.changes == ()


def test_one_order_that_fails_does_not_take_the_others_along(disk, caplog):
    class Broken(Recorder):
        def show(self, screen):
            raise RuntimeError("no such screen")

    broken = Broken()
    perform_with(disk, broken).carry_out([[Show(Screen()), Signal("done")]], 0.0)
    assert broken.names() == ["signal"]
    assert "an order could not be carried out" in caplog.text
