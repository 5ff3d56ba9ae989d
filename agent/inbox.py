"""The one queue through which everything that happens reaches the core.

Inputs put, from whatever thread or signal handler they run on; the core takes. A full inbox refuses: an input that
waited for room would stop reading its device, and the person would never hear the refusal.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Generic, TypeVar

E = TypeVar("E")

_PATIENCE_SECONDS = 1.0
_LOOK_SECONDS = 0.005


class Inbox(Generic[E]):
    """A bounded queue with many writers and one reader."""

    def __init__(self, capacity: int = 1000) -> None:
        if capacity < 1:
            raise ValueError("an inbox holds at least one event")
        # SimpleQueue's put is reentrant: a signal handler may put while the thread it interrupted takes. A
        # Condition's is not.
        self._events: queue.SimpleQueue[E] = queue.SimpleQueue()
        self._capacity = capacity
        self._refused = 0
        self._counting = threading.RLock()  # reentrant for the same reason

    def put(self, event: E) -> bool:
        """Whether the inbox took the event. Any thread; never waits.

        Writers racing for the last places may exceed the capacity by one each, which bounds memory all the same.
        """
        if self._events.qsize() >= self._capacity:
            with self._counting:
                self._refused += 1
            return False
        self._events.put(event)
        return True

    def put_with_room(self, event: E) -> bool:
        """As `put`, but waits up to a second for the inbox to be less than half full.

        For a thread that can be held up, as a scanner's can: what it does not read yet waits in the port. The other
        half stays free for those who cannot wait, the hub's answers among them.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._events.qsize() >= (self._capacity + 1) // 2 and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return self.put(event)

    def take(self, timeout: float | None = None) -> list[E]:
        """What has arrived, in order: waits up to `timeout` seconds for the first event, and for none after it.

        Empty when nothing came; None waits without end. At most `capacity` events, so that a flood cannot keep the
        reader here.
        """
        try:
            batch = [self._events.get(timeout=None if timeout is None else max(timeout, 0.0))]
        except queue.Empty:
            return []
        while len(batch) < self._capacity:
            try:
                batch.append(self._events.get_nowait())
            except queue.Empty:
                break
        return batch

    @property
    def refused(self) -> int:
        """How many events found no room since the start."""
        return self._refused

    def __len__(self) -> int:
        return self._events.qsize()
