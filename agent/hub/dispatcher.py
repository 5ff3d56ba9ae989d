"""The thread on which a client calls its handlers, so that they may wait for the hub and the hub is heard meanwhile."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

_MOST_WAITING = 1024
"""Calls of handlers that may wait for their turn. Handlers slower than the hub for so long lose the newest."""


class Dispatcher:
    """Runs handlers in the order of what they are told, on a daemon thread that starts with the first."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], object] | None] = queue.Queue(_MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._losing = False

    def call_soon(self, call: Callable[[], object]) -> None:
        """Run `call` after those before it. Never waits: behind too many it is dropped, and the log says so."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="thalovant-handlers", daemon=True)
                self._thread.start()
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            if not self._losing:
                self._losing = True
                log.warning("events are lost: their handlers are too slow", extra={"waiting": _MOST_WAITING})
        else:
            self._losing = False

    def close(self, deadline: float) -> None:
        """End after the handler that is running; waits for it until `deadline`, unless it is the one who calls."""
        with self._lock:
            thread, self._thread = self._thread, None
            calls, self._calls = self._calls, queue.Queue(_MOST_WAITING)
        if thread is None:
            return
        while True:  # what waits is dropped: whoever closes wants no more
            try:
                calls.get_nowait()
            except queue.Empty:
                break
        calls.put(None)
        if thread is not threading.current_thread():
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _run(self) -> None:
        calls = self._calls
        while (call := calls.get()) is not None:
            try:
                call()
            except Exception:
                # The caller's own code: its traceback is what mends it, and the handlers after it run all the same.
                log.exception("a handler of a hub event failed")
