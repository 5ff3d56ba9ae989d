"""Waiting for a device, for the order to stop and for other orders, all at once, without looking at the clock all
day."""

from __future__ import annotations

import contextlib
import os
import select
import threading

_LOOK_SECONDS = 0.4


class StopEvent(threading.Event):
    """An Event that a poll can wait for, because a descriptor becomes readable when it is set."""

    def __init__(self) -> None:
        super().__init__()
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable while the event is set."""
        return self._descriptor

    def set(self) -> None:
        """Set the event. From any thread."""
        if not self.is_set():
            super().set()
            os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Unset the event. Not while another thread may set it."""
        super().clear()
        with contextlib.suppress(BlockingIOError):  # it was not set
            os.eventfd_read(self._descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


class Bell:
    """Wakes somebody who waits with a poll. From any thread, as often as one likes."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable from a ring until it was heard."""
        return self._descriptor

    def ring(self) -> None:
        """Wake the one who waits, or the next who would."""
        os.eventfd_write(self._descriptor, 1)

    def heard(self) -> None:
        """To be called before looking for what it rang for."""
        with contextlib.suppress(BlockingIOError):  # it did not ring
            os.eventfd_read(self._descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def wait_readable(descriptor: int, stop: threading.Event, timeout: float, wake: int = -1) -> bool:
    """Whether `descriptor` can be read, or has failed; False after `timeout` seconds or when `stop` is set.

    A `StopEvent` ends the wait at once. Any other Event cannot be polled: then the wait is cut short and the caller
    looks again. So it is when the descriptor `wake` can be read, which is left to the caller.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if wake >= 0:
        poll.register(wake, select.POLLIN)
    if isinstance(stop, StopEvent):
        poll.register(stop, select.POLLIN)
    else:
        timeout = min(timeout, _LOOK_SECONDS)
    return any(ready == descriptor for ready, _ in poll.poll(timeout * 1000))
