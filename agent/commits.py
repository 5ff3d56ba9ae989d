"""The durable half of what the core does: what must be on the disk before anybody is told.

All changes of one round go into one commit, since a flush is what a scan costs. When that fails, each event's changes
are tried alone, so that one that cannot be kept does not take the others along.

What the hub has answered is owed to the disk: its row goes with the next commit, at the latest before the next message
leaves or after some seconds, so that a person scanning at ease costs the card one flush a scan. Should the plug be
pulled first, the hub hears of it twice under one request id; never of more than were last sent. What fails to go is
owed as well.

While the disk fails it is tried with a parcel of no meaning, stored and settled in one commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

from agent.effects import Drop, Durable, Fetch, Settle, Store
from agent.events import Fetched, StoreFailed, StoreWorks
from agent.hub.messages import BusMessage
from agent.outbox import Outbox, OutboxCounts, OutboxError
from agent.parcel import Outcome, Parcel
from agent.record import record, replace
from agent.stamps import StampSource, age

log = logging.getLogger(__name__)

_PROBE_SECONDS = 2.0
_MOST_FAILURES = 3
"""Single commits that fail in a row in one round; on a dead disk each one takes its time, and scans wait behind it."""
_OWED_SECONDS = 5.0
"""Longer than it takes to pick up and scan the next thing."""
_PROBE = "probe"
_MISTAKE = "the store failed; the journal says how"
_Ends = Settle | Drop


@record
class Failure:
    """The changes of one event that are not on the disk."""

    changes: tuple[Durable, ...]
    reason: str

    @property
    def binding(self) -> tuple[Durable, ...]:
        """Those that what stands behind them had to wait for, in vain."""
        return tuple(change for change in self.changes if not isinstance(change, _Ends))


class Commits:
    """The outbox as the core writes it. The core's thread owns it."""

    def __init__(self, outbox: Outbox, stamps: StampSource, *, beat: Callable[[], None] = lambda: None) -> None:
        """`beat` is called before each attempt on a failing disk, for whoever watches that the core makes progress."""
        self._outbox = outbox
        self._stamps = stamps
        self._beat = beat
        self._owed: dict[str, Settle | Drop] = {}
        self._owed_until: float | None = None
        self._unread: Fetch | None = None
        self._probe_at: float | None = None
        self.trouble = ""
        """Why the disk takes nothing; empty while it does."""

    def open(self, now: float) -> StoreFailed | None:
        """Open the store. A failure is told, and mended by `tick` when it can be."""
        try:
            self._outbox.open()
        except OutboxError as error:
            return self._failed(str(error), now)
        return None

    def deadline(self) -> float | None:
        """When `tick` has something to do, or None."""
        return self._owed_until if self._probe_at is None else self._probe_at

    def counts(self) -> OutboxCounts:
        """How full the store is, without the rows that are owed to it."""
        counts = self._outbox.counts()
        return replace(counts, waiting=max(counts.waiting - len(self._owed), 0))

    def oldest_age(self) -> float | None:
        """Seconds that the oldest parcel has waited, at least; None when none does, or the disk does not say."""
        if self.counts().waiting == 0:
            return None
        try:
            oldest = self._outbox.oldest_made(len(self._owed) + 1)  # the owed are answered
        except OutboxError:
            return None  # which is told elsewhere
        return next((age(made, self._stamps()) for name, made in oldest if name not in self._owed), None)

    def commit(self, batches: Sequence[Sequence[Durable]], now: float, *, settle: bool = False) -> list[Failure | None]:
        """Put the changes of each event on the disk; for each event what failed, or None.

        With `settle`, what is owed goes as well, though nothing else may.
        """
        everything = [change for changes in batches for change in changes]
        can_wait = {change.request_id: change for change in everything if _can_wait(change)}
        if len(can_wait) == len(everything) and not settle:
            self._owe(can_wait, now)
            return [None] * len(batches)
        reason = self._try([*self._owed.values(), *everything])
        if not reason:
            self._paid()
            if self.trouble and any(isinstance(change, Store) for change in everything):
                self._probe_at = now  # it seems to work again: make sure at once
            return [None] * len(batches)
        failures: list[Failure | None] = []
        in_a_row = 0
        for changes in batches:
            failure = Failure(tuple(changes), reason) if in_a_row >= _MOST_FAILURES else self._alone(changes)
            if changes:
                in_a_row = in_a_row + 1 if failure else 0
            failures.append(failure if failure and failure.changes else None)
        for failure in filter(None, failures):
            self._failed(failure.reason, now)
            self._owe({change.request_id: change for change in failure.changes if isinstance(change, _Ends)}, now)
        return failures

    def flush(self) -> None:
        """Put on the disk what is owed to it, for the end. A failure only costs a repeat."""
        if not self._try(list(self._owed.values())):
            self._paid()

    def fetch(self, order: Fetch, now: float) -> Fetched | StoreFailed | None:
        """What the store has behind a place. A failure is told once, and made good by `tick`."""
        try:
            parcels = self._outbox.oldest(order.after, order.limit)
        except OutboxError as error:
            reason = str(error)
        except Exception:  # see `_try`
            log.exception("the store could not be read")
            reason = _MISTAKE
        else:
            self._unread = None
            return Fetched(tuple(parcels), last=len(parcels) < order.limit)
        self._unread = order
        return self._told_once(reason, now)

    def tick(self, now: float) -> list[StoreWorks | Fetched | StoreFailed]:
        """While the disk fails, try it when it is time. What to tell the behaviour."""
        if self._probe_at is None:
            if self._owed_until is None or now < self._owed_until:
                return []
            reason = self._try(list(self._owed.values()))
            if not reason:
                self._paid()
                return []
            return [self._failed(reason, now)]
        if now < self._probe_at:
            return []
        message = BusMessage(type=_PROBE, data={}, context={})
        probe = Parcel(
            request_id=_PROBE,
            kind=_PROBE,
            message=message,
            origin=_PROBE,
            replay=False,
            lifetime=0.0,
            made=self._stamps(),
        )
        reason = self._try([*self._owed.values(), Store(probe), Settle(_PROBE, Outcome.DONE)])
        if reason:
            failed = self._told_once(reason, now)
            return [failed] if failed else []
        self._paid()
        self._probe_at, self.trouble = None, ""
        log.info("the store takes changes again")
        works: list[StoreWorks | Fetched | StoreFailed] = [StoreWorks()]
        read = self.fetch(self._unread, now) if self._unread is not None else None
        return [*works, read] if read else works

    def _alone(self, changes: Sequence[Durable]) -> Failure | None:
        """One event's changes by themselves; when they cannot be had together, at least what ends parcels."""
        self._beat()
        reason = self._try(changes)
        if not reason:
            return None
        ends = [change for change in changes if isinstance(change, _Ends)]
        if 0 < len(ends) < len(changes) and not self._try(ends):
            return Failure(tuple(change for change in changes if not isinstance(change, _Ends)), reason)
        return Failure(tuple(changes), reason)

    def _try(self, changes: Sequence[Durable]) -> str:
        """Why the changes are not on the disk; empty when they are."""
        try:
            self._outbox.commit(changes)
        except OutboxError as error:
            return str(error)
        except Exception:
            # Whatever it is, these changes are not kept and somebody waits to hear it; the device must not die of it at
            # every start.
            log.exception("the store made a mistake")
            return _MISTAKE
        return ""

    def _owe(self, ends: Mapping[str, Settle | Drop], now: float) -> None:
        self._owed |= ends
        if self._owed and self._owed_until is None:
            self._owed_until = now + _OWED_SECONDS

    def _paid(self) -> None:
        self._owed.clear()
        self._owed_until = None

    def _told_once(self, reason: str, now: float) -> StoreFailed | None:
        known = self.trouble
        failed = self._failed(reason, now)
        return None if reason == known else failed

    def _failed(self, reason: str, now: float) -> StoreFailed:
        self._probe_at = now + _PROBE_SECONDS
        self.trouble = reason
        return StoreFailed((), reason)


def _can_wait(change: Durable) -> TypeGuard[Settle]:
    return isinstance(change, Settle) and not change.outcome.kept
