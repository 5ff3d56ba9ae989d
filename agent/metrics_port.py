"""The metrics at `http://127.0.0.1:PORT/metrics`, for a Prometheus or an agent of its on this device.

Who asks has the numbers of that moment: they are the core's, and it is asked in its turn. The same rules as for the
kiosk page keep browsers of elsewhere out, though there is nothing secret in a number.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import secrets
import threading
from collections.abc import Callable

from agent.page.connections import Client, Connections, listen
from agent.page.guard import HEADERS, Guard
from agent.page.http1 import Request, RequestRefusedError
from agent.tasks import Task
from agent.workers import Workers

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""

_MOST_CLIENTS = 8
_REQUEST_SECONDS = 5.0
_CORE_SECONDS = 5.0
"""For the core to come up with the numbers; a scraper waits ten."""
_LIMIT_SECONDS = 60.0


class MetricsPort:
    """Serves the metrics; `start` and `end` are the core's thread's."""

    def __init__(self, port: int, put: Callable[[Task], bool], read: Callable[[float], str]) -> None:
        """`read` gives the text, on the core's thread, to which `put` hands tasks; False: it has too much to do."""
        self._port = port
        self._put = put
        self._read = read
        self._numbers = itertools.count(1)
        self._texts: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._connections = Connections(
            self._answer, headers=HEADERS, most=_MOST_CLIENTS, request_seconds=_REQUEST_SECONDS
        )
        self._guard = Guard(port, secrets.token_urlsafe(32))  # nobody is given the token: there is nothing to post
        self._end = threading.Event()

    def start(self, workers: Workers) -> None:
        """Serve from now on; a port that is taken is tried again."""
        workers.start("metrics", self._serve, limit_seconds=_LIMIT_SECONDS)

    def end(self) -> None:
        """Serve no more."""
        self._end.set()
        self._connections.wake()

    def _serve(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        with listen(self._port) as listener:

            def each_round(_: float) -> None:
                beat()
                self._give()

            self._connections.run(listener, self._end, each_round)
        stop.wait(_LIMIT_SECONDS)

    def _answer(self, client: Client, request: Request) -> None:
        self._guard.check(request)
        if request.path.partition("?")[0] != PATH:
            raise RequestRefusedError(404, f"the metrics are at {PATH}")
        name = str(next(self._numbers))
        self._connections.let_wait(client, name, _CORE_SECONDS)
        if not self._put(Task(lambda now: self._put_text(name, now))):
            raise RequestRefusedError(503, "the agent has too much to do; try again")

    def _put_text(self, name: str, now: float) -> None:
        self._texts.put((name, self._read(now).encode()))
        self._connections.wake()

    def _give(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                name, text = self._texts.get_nowait()
                for client in self._connections.waiting(name):
                    self._connections.respond(client, 200, text, CONTENT_TYPE)
