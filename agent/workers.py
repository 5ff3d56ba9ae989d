"""The only place that starts threads.

A worker is a loop that runs until its `stop` event is set and calls `beat` each time round. Here it gets a name, a
watchdog limit, a restart when it fails and an end within a deadline. Nothing else in the agent knows what runs beside
it.

A failure that lasts is one line in the journal when it starts, one when it changes and one when it ends, however many
attempts lie between.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from agent.record import field, record
from agent.watchdog import Watchdog

log = logging.getLogger(__name__)

Run = Callable[[threading.Event, Callable[[], None]], None]
"""The body of a worker: loops until the event is set, and calls the second argument whenever it made progress."""


class ThreadFactory(Protocol):
    """`threading.Thread`, or what stands in for a machine that has no thread left."""

    def __call__(self, *, target: Callable[[], None], name: str, daemon: bool) -> threading.Thread: ...


@record(kw_only=True)
class Restart:
    """The wait before a failed worker runs again, in seconds: doubling, with a ceiling."""

    first: float = 1.0
    ceiling: float = 60.0
    stable: float = 60.0
    """A worker that ran for this time counts as recovered; its next failure starts from `first`."""

    def wait(self, attempt: int) -> float:
        """Seconds to wait after failure number `attempt`, counted from 0."""
        return min(self.first * 2.0 ** min(attempt, 30), self.ceiling)


@record(frozen=False, kw_only=True)
class _Worker:
    """One named thread. Its own thread writes everything but `stop`."""

    name: str
    run: Run
    restart: bool
    limit_seconds: float | None
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    started: float = 0.0
    attempt: int = 0
    failures: int = 0
    trouble: str | None = None  # the failure that lasts, as told


class Workers:
    """Starts, names, watches, restarts and stops the threads of the agent.

    `expected` are the errors of the outside world: one sentence in the journal. Any other exception is a mistake of
    ours and is written with its traceback, once.
    """

    def __init__(
        self,
        *,
        watchdog: Watchdog | None = None,
        expected: tuple[type[Exception], ...] = (),
        restart: Restart | None = None,
        most_jobs: int = 8,
        clock: Callable[[], float] = time.monotonic,
        thread: ThreadFactory = threading.Thread,
    ) -> None:
        self._watchdog = watchdog
        self._expected = expected
        self._restart = restart or Restart()
        self._clock = clock
        self._thread = thread
        self._most_jobs = most_jobs
        self._guard = threading.Lock()
        self._workers: dict[str, _Worker] = {}
        self._jobs: dict[threading.Thread, str] = {}
        self._stopped = False

    def start(self, name: str, run: Run, *, restart: bool = True, limit_seconds: float | None = None) -> None:
        """Run `run` on a thread of its own, named `name`, until `stop` or `end`.

        With `restart`, a failure or an early return is followed by another run after a growing wait. With
        `limit_seconds` the watchdog expects a beat at least that often, also while the worker waits to be run again
        (which beats by itself).
        """
        worker = _Worker(name=name, run=run, restart=restart, limit_seconds=limit_seconds)
        with self._guard:
            if self._stopped:
                raise RuntimeError("the workers have been stopped")
            if name in self._workers:
                raise ValueError(f"a worker named {name} runs already")
            worker.thread = self._thread(target=lambda: self._live(worker), name=name, daemon=True)
            self._workers[name] = worker
        if self._watchdog is not None and limit_seconds is not None:
            self._watchdog.register(name, limit_seconds, self._clock())
        try:
            worker.thread.start()
        except RuntimeError:
            self._forget(worker)
            raise

    def spawn_once(self, name: str, job: Callable[[], None]) -> bool:
        """Run a short job in the background, once; False when too many run already, or none may start any more.

        Nobody watches or stops a job: it must end by itself, soon.
        """
        with self._guard:
            if self._stopped or len(self._jobs) >= self._most_jobs:
                return False
            thread = self._thread(target=lambda: self._do(name, job), name=name, daemon=True)
            self._jobs[thread] = name
        try:
            thread.start()
        except RuntimeError:  # the unit's TasksMax is reached
            with self._guard:
                del self._jobs[thread]
            return False
        return True

    def end(self, name: str, timeout: float) -> bool:
        """Stop one worker; whether it ended within `timeout` seconds. A name that does not run has ended."""
        with self._guard:
            worker = self._workers.get(name)
        if worker is None or worker.thread is None:
            return True
        worker.stop.set()
        worker.thread.join(max(timeout, 0.0))
        return not worker.thread.is_alive()

    def stop(self, timeout: float) -> list[str]:
        """Stop all workers and wait for them and the jobs; the names of those still running after `timeout` seconds.

        Nothing can be started afterwards. Threads are daemons: one that hangs does not keep the process.
        """
        with self._guard:
            self._stopped = True
            running = [(worker.name, worker.thread) for worker in self._workers.values()]
            running += [(name, thread) for thread, name in self._jobs.items()]
            for worker in self._workers.values():
                worker.stop.set()
        deadline = time.monotonic() + timeout
        hanging = []
        for name, thread in running:
            if thread is None or thread is threading.current_thread():
                continue
            thread.join(max(deadline - time.monotonic(), 0.0))
            if thread.is_alive():
                hanging.append(name)
        if hanging:
            facts = {"workers": ", ".join(hanging), "timeout_seconds": timeout}
            log.warning("workers did not stop in time", extra=facts)
        return hanging

    @property
    def names(self) -> Sequence[str]:
        """The workers that have not ended."""
        with self._guard:
            return tuple(self._workers)

    def failures(self, name: str) -> int:
        """How often the worker of that name, while it lives, has failed."""
        with self._guard:
            return self._workers[name].failures if name in self._workers else 0

    def _live(self, worker: _Worker) -> None:
        try:
            while self._run_once(worker) and worker.restart and not worker.stop.is_set():
                self._wait(worker, self._restart.wait(worker.attempt))
                worker.attempt += 1
        finally:
            self._forget(worker)

    def _run_once(self, worker: _Worker) -> bool:
        """One run; whether it failed."""
        worker.started = self._clock()
        try:
            worker.run(worker.stop, lambda: self._beat(worker))
        except self._expected as error:
            self._failed(worker, str(error) or type(error).__name__, None)
        except Exception as error:  # noqa: BLE001  this is the place where a worker's mistake is told and mended
            self._failed(worker, f"{type(error).__name__}: {error}", error)
        else:
            if worker.stop.is_set() or not worker.restart:
                return False
            self._failed(worker, "ended without being told to", None)
        return True

    def _failed(self, worker: _Worker, trouble: str, mistake: Exception | None) -> None:
        self._recover_if_stable(worker)
        worker.failures += 1
        if trouble == worker.trouble:
            return
        worker.trouble = trouble
        facts = {"worker": worker.name, "failures": worker.failures, "cause": trouble}
        if mistake is None:
            log.warning("worker failed", extra=facts)
        else:
            log.error("worker failed", extra=facts, exc_info=mistake)

    def _beat(self, worker: _Worker) -> None:
        self._feed(worker)
        if worker.trouble is not None:
            self._recover_if_stable(worker)

    def _recover_if_stable(self, worker: _Worker) -> None:
        if self._clock() - worker.started < self._restart.stable:
            return
        if worker.trouble is not None:
            log.info("worker runs again", extra={"worker": worker.name, "failures": worker.failures})
        worker.trouble = None
        worker.attempt = 0

    def _wait(self, worker: _Worker, seconds: float) -> None:
        """Wait to be run again, which is progress too: a worker that cannot work must not restart all the others."""
        until = self._clock() + seconds
        step = seconds if worker.limit_seconds is None else worker.limit_seconds / 2
        while (left := until - self._clock()) > 0 and not worker.stop.wait(min(left, step)):
            self._feed(worker)

    def _feed(self, worker: _Worker) -> None:
        if self._watchdog is not None and worker.limit_seconds is not None:
            self._watchdog.beat(worker.name, self._clock())

    def _forget(self, worker: _Worker) -> None:
        if self._watchdog is not None:
            self._watchdog.unregister(worker.name)
        with self._guard:
            self._workers.pop(worker.name, None)

    def _do(self, name: str, job: Callable[[], None]) -> None:
        try:
            job()
        except self._expected as error:
            log.warning("job failed", extra={"job": name, "cause": str(error) or type(error).__name__})
        except Exception as error:
            log.exception("job failed", extra={"job": name, "cause": f"{type(error).__name__}: {error}"})
        finally:
            with self._guard:
                self._jobs.pop(threading.current_thread(), None)
