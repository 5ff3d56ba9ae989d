"""What wakes the link while it waits: another thread that wants something, and what changes around the device."""

from __future__ import annotations

import contextlib
import os
import select
from typing import Protocol

from agent.hub.surroundings import Change, Surroundings


class Watch(Protocol):
    """What tells of changes around the link: `agent.hub.surroundings.Surroundings`, or what stands in for it."""

    @property
    def descriptors(self) -> tuple[int, ...]: ...
    def changes(self) -> set[Change]: ...
    def close(self) -> None: ...


class Bell:
    """Rung by any thread, and by the kernel; waited for and hushed by the link's alone."""

    def __init__(self, surroundings: Watch | None = None) -> None:
        """`surroundings` are the kernel's own when left out."""
        self._surroundings: Watch = surroundings or Surroundings()
        self._rung = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._any = select.epoll()
        for descriptor in (self._rung, *self._surroundings.descriptors):
            self._any.register(descriptor, select.EPOLLIN)
        self._changes: set[Change] = set()

    def ring(self) -> None:
        """Wake who waits. From any thread."""
        os.eventfd_write(self._rung, 1)

    def fileno(self) -> int:
        """A descriptor that is readable while the bell rings."""
        return self._any.fileno()

    def wait(self, seconds: float) -> None:
        """Wait at most that long for the bell, and hush it."""
        poll = select.poll()
        poll.register(self._any.fileno(), select.POLLIN)
        poll.poll(max(seconds, 0.0) * 1000)
        self.hush()

    def hush(self) -> None:
        """Take note of what rang, and be ready for the next time."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._rung)
        self._changes |= self._surroundings.changes()

    def changes(self) -> set[Change]:
        """What changed since this was last asked."""
        changes, self._changes = self._changes, set()
        return changes

    def __del__(self) -> None:
        if hasattr(self, "_changes"):
            self._surroundings.close()
            self._any.close()
            os.close(self._rung)
