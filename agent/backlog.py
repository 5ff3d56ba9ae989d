"""What waits to be sent: the store's oldest parcels, a batch of them in memory.

However much waits in the store, a batch is all that is held; the rest is read when that is gone. Parcels that come back
from a lost link go to the front, so that the order of the first sending stays.
"""

from __future__ import annotations

from collections import deque

from agent.effects import Effect, Fetch
from agent.events import Fetched
from agent.parcel import Parcel

_BATCH = 64
"""Parcels read at a time: enough to keep any window full."""


class Backlog:
    """The parcels next in line. Not thread-safe: the core's."""

    def __init__(self) -> None:
        self._parcels: deque[Parcel] = deque()
        self._cursor = 0
        self._more = True  # the store may hold parcels from before this start
        self._fetching = False

    def __len__(self) -> int:
        return len(self._parcels)

    def take(self) -> Parcel:
        """The parcel that is to go out next, which is no longer in line. IndexError when there is none."""
        return self._parcels.popleft()

    def put_back(self, parcel: Parcel) -> None:
        """The parcel goes out before all others."""
        self._parcels.appendleft(parcel)

    def withdraw(self, request_id: str) -> Parcel | None:
        """Take the parcel out of the line, if it is in memory."""
        found = next((parcel for parcel in self._parcels if parcel.request_id == request_id), None)
        if found is not None:
            self._parcels.remove(found)
        return found

    # -- the store

    def added(self) -> None:
        """The store got another parcel."""
        self._more = True

    def not_read(self) -> None:
        """The store could not be read, or was not: ask again when there is reason to."""
        self._fetching = False

    def fetch(self) -> list[Effect]:
        """Have the next batch read, when this one is gone and there may be one."""
        if self._parcels or not self._more or self._fetching:
            return []
        self._fetching = True
        return [Fetch(self._cursor, _BATCH)]

    def fetched(self, event: Fetched) -> None:
        """The store's answer: the oldest parcels behind the cursor."""
        self._fetching = False
        self._more = not event.last
        for parcel in event.parcels:
            # What was read before may be read again after a failure; it is on its way, or ended.
            if parcel.sequence > self._cursor:
                self._cursor = parcel.sequence
                self._parcels.append(parcel)
