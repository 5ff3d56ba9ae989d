from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from agent.watchdog import Notifier, Watchdog
from agent.workers import Restart, Workers

AT_ONCE = Restart(first=0.0, ceiling=0.0, stable=60.0)
DEADLINE = 30.0


class OutsideError(Exception):
    pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A worker that does one thing per run, and tells when it has done all."""

    def __init__(self, *runs: Callable[[], None]) -> None:
        self._runs = list(runs)
        self.done = threading.Event()

    def __call__(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        beat()
        if self._runs:
            self._runs.pop(0)()
            return
        self.done.set()
        stop.wait()


def raises(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def told(record: logging.LogRecord) -> str:
    return ": ".join([record.message, *filter(None, [record.__dict__.get("cause")])])


def until_told(stop: threading.Event, beat: Callable[[], None]) -> None:
    stop.wait()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workers(clock) -> Iterator[Workers]:
    made = Workers(restart=AT_ONCE, expected=(OutsideError,), clock=clock)
    yield made
    made.stop(DEADLINE)


def test_a_worker_runs_on_a_thread_of_its_name_until_it_is_stopped(workers):
    names: list[str] = []
    started = threading.Event()

    def run(stop: threading.Event, beat: Callable[[], None]) -> None:
        names.append(threading.current_thread().name)
        started.set()
        stop.wait()

    workers.start("link", run)
    assert started.wait(DEADLINE)
    assert workers.names == ("link",)
    assert workers.stop(DEADLINE) == []
    assert (names, workers.names) == (["link"], ())


def test_a_failed_worker_runs_again(workers):
    run = Scripted(raises(OutsideError("port gone")), raises(OutsideError("port gone")))
    workers.start("scanner", run)
    assert run.done.wait(DEADLINE)
    assert workers.failures("scanner") == 2


def test_a_failure_that_lasts_is_told_when_it_starts_and_when_it_changes(workers, caplog):
    gone, denied = OutsideError("port gone"), OutsideError("no permission")
    run = Scripted(*[raises(gone)] * 20, raises(denied))
    workers.start("scanner", run)
    assert run.done.wait(DEADLINE)
    assert [told(record) for record in caplog.records] == [
        "worker failed: port gone",
        "worker failed: no permission",
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_mistake_of_ours_is_told_with_its_traceback_once(workers, caplog):
    run = Scripted(*[raises(ZeroDivisionError("division by zero"))] * 3)
    workers.start("core", run)
    assert run.done.wait(DEADLINE)
    (record,) = caplog.records
    assert told(record) == "worker failed: ZeroDivisionError: division by zero"
    assert record.exc_info


def test_the_end_of_a_failure_is_told_once_the_worker_has_run_for_a_while(workers, clock, caplog):
    caplog.set_level(logging.INFO)
    beaten = threading.Event()
    runs = 0

    def run(stop: threading.Event, beat: Callable[[], None]) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise OutsideError("port gone")
        beat()
        clock.now += 60.0
        beat()
        beat()
        beaten.set()
        stop.wait()

    workers.start("scanner", run)
    assert beaten.wait(DEADLINE)
    assert [told(record) for record in caplog.records] == ["worker failed: port gone", "worker runs again"]


def test_a_worker_that_returns_too_early_runs_again(workers, caplog):
    run = Scripted(lambda: None)
    workers.start("link", run)
    assert run.done.wait(DEADLINE)
    assert [told(record) for record in caplog.records] == ["worker failed: ended without being told to"]


def test_without_restart_a_worker_ends_for_good(workers, caplog):
    ended = Scripted(raises(OutsideError("port gone")))
    workers.start("once", ended, restart=False)
    assert workers.end("once", DEADLINE)
    assert not ended.done.is_set()
    assert len(caplog.records) == 1


def test_the_wait_before_the_next_run_doubles_up_to_its_ceiling():
    restart = Restart(first=1.0, ceiling=60.0)
    assert [restart.wait(attempt) for attempt in (0, 1, 2, 5, 6, 10_000)] == [1, 2, 4, 32, 60, 60]


def test_stopping_does_not_wait_for_a_backoff():
    failed = threading.Event()

    def run(stop: threading.Event, beat: Callable[[], None]) -> None:
        failed.set()
        raise OutsideError("port gone")

    workers = Workers(restart=Restart(first=3600.0, ceiling=3600.0), expected=(OutsideError,))
    workers.start("scanner", run)
    assert failed.wait(DEADLINE)
    assert workers.stop(DEADLINE) == []


def test_one_worker_can_be_ended_while_others_run(workers):
    workers.start("link", until_told)
    workers.start("core", until_told)
    assert workers.end("link", DEADLINE)
    assert workers.names == ("core",)
    assert workers.end("link", DEADLINE)


def test_those_who_hang_are_named_and_do_not_hold_up_the_end(workers, caplog):
    release = threading.Event()
    workers.start("stuck", lambda stop, beat: bool(release.wait()) and None)
    workers.start("core", until_told)
    assert workers.stop(0.2) == ["stuck"]
    assert caplog.records[-1].__dict__["workers"] == "stuck"
    release.set()
    assert workers.stop(DEADLINE) == []


def test_nothing_starts_after_the_stop(workers):
    workers.stop(0)
    with pytest.raises(RuntimeError):
        workers.start("link", until_told)
    assert not workers.spawn_once("job", lambda: None)


def test_a_name_belongs_to_one_worker_at_a_time(workers):
    workers.start("link", until_told)
    with pytest.raises(ValueError, match="link runs already"):
        workers.start("link", until_told)


def test_jobs_are_bounded_and_their_failure_is_told(caplog):
    workers = Workers(expected=(OutsideError,), most_jobs=2)
    release = threading.Event()

    def job() -> None:
        release.wait()
        raise OutsideError("no sound card")

    assert [workers.spawn_once(f"job {n}", job) for n in range(3)] == [True, True, False]
    release.set()
    assert workers.stop(DEADLINE) == []
    assert [told(record) for record in caplog.records] == ["job failed: no sound card"] * 2


def test_a_machine_out_of_threads_refuses_a_job_and_keeps_its_place_free():
    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    workers = Workers(most_jobs=1, thread=NoThread)
    assert [workers.spawn_once("job", lambda: None) for _ in range(3)] == [False] * 3
    with pytest.raises(RuntimeError):
        workers.start("link", until_told)
    assert workers.names == ()


def test_the_watchdog_hears_every_beat_and_forgets_a_worker_that_ended(clock):
    watchdog = Watchdog(Notifier(lambda message: True), interval=30.0)
    workers = Workers(watchdog=watchdog, clock=clock)
    beaten, go = threading.Event(), threading.Event()

    def run(stop: threading.Event, beat: Callable[[], None]) -> None:
        go.wait()
        beat()
        beaten.set()
        stop.wait()

    workers.start("link", run, limit_seconds=10.0)
    clock.now = 11.0
    assert not watchdog.tick(clock.now)
    go.set()
    assert beaten.wait(DEADLINE)
    assert watchdog.tick(clock.now)
    assert workers.stop(DEADLINE) == []
    assert watchdog.tick(1000.0)


def test_waiting_to_run_again_counts_as_progress():
    watchdog_beats = threading.Semaphore(0)

    class Listening(Watchdog):
        def beat(self, name: str, now: float) -> None:
            super().beat(name, now)
            watchdog_beats.release()

    workers = Workers(
        watchdog=Listening(Notifier(lambda message: True), interval=30.0),
        restart=Restart(first=3600.0, ceiling=3600.0),
        expected=(OutsideError,),
    )
    workers.start("scanner", Scripted(raises(OutsideError("port gone"))), limit_seconds=0.02)
    for _ in range(5):
        assert watchdog_beats.acquire(timeout=DEADLINE)
    assert workers.stop(DEADLINE) == []
