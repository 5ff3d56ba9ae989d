"""Waiting for something to be plugged in.

The kernel tells of every device, and udev tells on once its links stand (netlink, group 2). Where that cannot be heard,
as in a unit without AF_NETLINK, and beside it, looking once in a while does: a missed event costs a second, not a
scanner.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from hardware.stopping import wait_readable

_UEVENTS = 15  # NETLINK_KOBJECT_UEVENT
_AFTER_UDEV = 2


class Hotplug:
    """Hears of devices from when it is made until it is closed. One thread uses it; a `with` closes it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        try:
            heard = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, _UEVENTS)
        except OSError:
            return
        try:
            heard.bind((0, _AFTER_UDEV))
        except OSError:
            heard.close()
        else:
            self._socket = heard

    @property
    def hears(self) -> bool:
        """Whether events reach us at all."""
        return self._socket is not None

    def wait(self, stop: threading.Event, timeout: float) -> bool:
        """Whether a device came or went; False after `timeout` seconds, or less, or when `stop` is set."""
        if self._socket is None:
            stop.wait(timeout)
            return False
        if not wait_readable(self._socket.fileno(), stop, timeout):
            return False
        with contextlib.suppress(OSError):  # none left, or so many that the kernel dropped some
            while self._socket.recv(8192):
                pass
        return True

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
