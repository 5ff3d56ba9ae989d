"""A recording in place of the inputs: what came in once comes in again, as fast as it did then.

It goes through the same machines as the inputs themselves, so that a fault somebody recorded at a counter can be seen
at a desk, with a hub behind it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from agent.config import Config
from agent.input_devices import LIMIT_SECONDS, Emit, machines
from agent.workers import Workers
from hardware.answers import Answer
from hardware.facts import DeviceError
from hardware.recording import Record, replay

log = logging.getLogger(__name__)

_LONGEST_WAIT = 10.0
"""Of a pause in the recording, which may be a night."""


class RecordedInputs:
    """The inputs of one device, from a recording of them. One thread owns it."""

    def __init__(self, config: Config, emit: Emit, workers: Workers, records: Sequence[Record]) -> None:
        """`emit` is called from a thread of this. Raises DeviceError for a configuration that cannot be read with."""
        self._emit = emit
        self._workers = workers
        self._records = records
        self._scanners, self._board = machines(config)
        self._end = threading.Event()

    def start(self) -> None:
        """Begin with the recording; pauses of more than 10 s are cut short."""
        # Once: another run after a line that cannot be read would send everything before it again.
        self._workers.start("replay", self._run, restart=False, limit_seconds=LIMIT_SECONDS)

    def end(self, timeout: float) -> None:
        """Play no more; what was begun gets `timeout` seconds."""
        self._end.set()
        self._workers.end("replay", timeout)

    def acknowledge(self, scanner: str, signal: str) -> None:
        """Nothing: there is no scanner to be told."""

    def drive(self, pin: int, level: str) -> None:
        """Raises DeviceError: there are no pins."""
        raise DeviceError("the inputs are a recording; there are no pins")

    def _run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        before = self._records[0].at if self._records else 0.0
        for record, facts in replay(self._records, self._scanners, self._board):
            beat()
            self._end.wait(min(max(record.at - before, 0.0), _LONGEST_WAIT))
            if self._end.is_set() or stop.is_set():
                break
            before = record.at
            for fact in facts:
                if not isinstance(fact, Answer):
                    self._emit(fact)
        else:
            log.info("the recording has ended", extra={"records": len(self._records)})
        while not stop.wait(_LONGEST_WAIT) and not self._end.is_set():
            beat()
