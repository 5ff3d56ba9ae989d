"""Trying a better protocol while a worse one works, on a thread of its own, one at a time."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable

from agent.hub.connection import Connection
from agent.hub.errors import ThalovantError
from agent.record import record

log = logging.getLogger(__name__)


@record
class Found:
    """What came of one look: the open connection, or None."""

    protocol: str
    connection: Connection | None


class Lookout:
    """Starts a look and keeps what it found until it is fetched. The link's thread uses it."""

    def __init__(self, spawn: Callable[[str, Callable[[], None]], bool], wake_up: Callable[[], None]) -> None:
        """`spawn` runs a job on a thread of its own and says whether it could; `wake_up` is called when it is done."""
        self._spawn = spawn
        self._wake_up = wake_up
        self._results: queue.SimpleQueue[Found] = queue.SimpleQueue()
        self.looking_at: str | None = None
        """The protocol being tried. Nobody else may dial it meanwhile: two sessions on one carrier break each other."""

    def look(self, protocol: str, dial: Callable[[], Connection]) -> None:
        """Try `protocol`, unless a look is out already."""
        if self.looking_at is not None:
            return

        def job() -> None:
            connection = None
            try:
                connection = dial()
            except ThalovantError as error:
                log.debug("a better protocol does not work yet", extra={"protocol": protocol, "detail": str(error)})
            finally:
                self._results.put(Found(protocol, connection))
                self._wake_up()

        if self._spawn("link-look", job):
            self.looking_at = protocol

    def fetch(self) -> Found | None:
        """What the last look found; None while there is nothing new."""
        try:
            found = self._results.get_nowait()
        except queue.Empty:
            return None
        self.looking_at = None
        return found
