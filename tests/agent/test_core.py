from __future__ import annotations

import threading

import pytest

from agent.behaviour import Behaviour
from agent.commits import Commits
from agent.config import ButtonConfig, Config, ScannerConfig
from agent.core import Core
from agent.events import Event, Requested
from agent.hub.link_events import LinkUp
from agent.inbox import Inbox
from agent.performer import Performer
from agent.tasks import Task
from agent.watchdog import Notifier, Watchdog
from hardware.facts import ButtonPressed, CodeScanned
from tests.agent.stages import Recorder
from tests.agent.stores import STAMP, Disk
from tests.peers.waiting import eventually

CONFIG = Config(
    scanners=(ScannerConfig(name="counter", port="/dev/null", repeat_seconds=0),),
    buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
)


class Stage:
    """A core with a real behaviour and a real store, and a clock moved by hand."""

    def __init__(self, folder, config=CONFIG, **store):
        self.now = 1000.0
        self.disk = Disk(folder, **store)
        self.recorder = Recorder()
        self.notified: list[str] = []
        self.moments: list[float] = []
        self.inbox: Inbox[Event | Task] = Inbox(1000)
        self.commits = Commits(self.disk.outbox, lambda: STAMP)
        self.behaviour = Behaviour(config, lambda: STAMP, chance=lambda: 0.0)
        self.core = Core(
            self.behaviour,
            self.commits,
            Performer(
                self.commits,
                link=self.recorder,
                outputs=self.recorder,
                answer=self.recorder.answer,
                report=self.recorder.report,
            ),
            self.inbox,
            watchdog=Watchdog(Notifier(self._notify), interval=30.0),
            each_round=self.moments.append,
            clock=lambda: self.now,
        )
        self.core.begin()

    def _notify(self, message):
        self.notified.append(message)
        return True

    def scan(self, *codes):
        for code in codes:
            self.inbox.put(CodeScanned("counter", code, code.encode(), self.now))

    def rounds(self, count=1):
        for _ in range(count):
            self.core.round(0.0)

    def shown(self):
        return [" / ".join(screen.lines()) for (screen,) in self.recorder.of("show")]


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    yield stage
    stage.disk.outbox.close()


def test_the_first_screen_is_there_before_anything_happens(stage):
    assert len(stage.shown()) == 1


def test_scans_are_stored_and_beeped_in_one_round(stage):
    stage.scan("A", "B", "C")
    stage.rounds()
    assert [title(one) for one in stage.disk.outbox.oldest(0, 10)] == ["A", "B", "C"]
    assert stage.recorder.of("signal") == [("accepted",)] * 3


def test_what_was_stored_is_fetched_and_sent_in_the_same_round(stage):
    stage.inbox.put(LinkUp(1, "mqtt"))
    stage.scan("A")
    stage.rounds()
    ((message, session),) = stage.recorder.of("send")
    assert (message.data["utterances"], session) == (["A"], 1)


def test_a_flood_is_taken_in_rounds_and_none_is_lost(stage):
    stage.scan(*map(str, range(200)))
    stage.rounds()
    assert len(stage.disk.waiting()) == 64
    stage.rounds(3)
    assert len(stage.disk.waiting()) == 200


def test_a_scan_the_store_has_no_room_for_is_refused_audibly_and_the_others_are_kept(tmp_path):
    stage = Stage(tmp_path, max_messages=2)
    stage.scan("A", "B", "C")
    stage.rounds()
    assert stage.recorder.of("signal") == [("accepted",), ("accepted",), ("refused",)]
    assert "NOT accepted" in stage.shown()[-1]


def test_a_disk_that_works_again_is_noticed(stage):
    stage.disk.fail()
    stage.scan("A")
    stage.rounds()
    assert stage.recorder.of("signal") == [("refused",)]
    assert "NOT accepted" in stage.shown()[-1]
    stage.disk.mend()
    stage.now += 2
    stage.rounds()
    stage.scan("B")
    stage.rounds()
    assert "NOT accepted" not in stage.shown()[-1]
    assert stage.recorder.of("signal") == [("refused",), ("accepted",)]


def test_a_request_whose_scan_could_not_be_stored_is_answered(stage):
    stage.disk.fail()
    stage.inbox.put(Requested(ticket="7", kind="code", text="A"))
    stage.rounds()
    ((ticket, answer),) = stage.recorder.of("answer")
    assert ticket == "7"
    assert answer["ok"] is False


def test_a_press_whose_time_is_over_is_told_when_it_is(stage):
    stage.inbox.put(ButtonPressed("help", stage.now))
    stage.rounds()
    stage.now += 15
    stage.rounds()
    assert "too late" in stage.shown()[-1]
    assert stage.disk.waiting() == []


def test_a_task_sees_the_store_as_what_came_before_it_has_left_it(stage):
    seen = []
    stage.scan("A")
    stage.inbox.put(Task(lambda now: seen.append((now, stage.disk.outbox.counts().waiting))))
    stage.scan("B")
    stage.rounds()
    assert seen == [(1000.0, 1)]
    assert len(stage.disk.waiting()) == 2


def test_an_event_nobody_was_prepared_for_does_not_end_the_device(stage, caplog):
    stage.inbox.put(CodeScanned("a scanner nobody configured", "A", b"A", stage.now))
    stage.inbox.put(Task(fail))
    stage.scan("B")
    stage.rounds()
    assert "an event could not be handled" in caplog.text
    assert "a request could not be carried out" in caplog.text
    assert stage.recorder.of("signal") == [("accepted",)]


def test_the_watchdog_is_fed_by_the_rounds(stage):
    stage.rounds()
    assert stage.notified == ["WATCHDOG=1"]
    stage.rounds()
    stage.now += 15
    stage.rounds()
    assert stage.notified == ["WATCHDOG=1"] * 2


def test_it_ends_when_told_to_also_with_a_full_inbox(tmp_path):
    stage = Stage(tmp_path)
    running = threading.Thread(target=stage.core.run)
    running.start()
    stage.core.stop()
    running.join(10)
    assert not running.is_alive()


def test_what_is_left_in_the_inbox_is_stored_before_the_goodbye(stage):
    stage.scan(*map(str, range(100)))
    stage.core.finish()
    assert len(stage.disk.waiting()) == 100
    assert "Out of service" in stage.shown()[-1]


def test_a_core_with_nothing_to_do_rests(tmp_path):
    stage = Stage(tmp_path)
    running = threading.Thread(target=stage.core.run)
    running.start()
    stage.scan("A")
    eventually(lambda: stage.recorder.of("signal"), what="the scan")
    stage.core.stop()
    running.join(10)
    assert len(stage.moments) <= 4


def fail(now):
    raise ZeroDivisionError


def title(one):
    return one.message.data["utterances"][0]
