"""What systemd is told: that the agent is ready, how it is, that it lives, that it stops.

The watchdog is fed by progress. Every worker beats in its own loop; the core's loop asks, each time round, whether all
of them did so within their limits, and only then pings. So one stuck thread is enough for systemd to start the agent
anew, and the core's own standstill is noticed because nobody pings. The network has no say in it: a hub that is away is
no reason to restart.

sd_notify(3) is one datagram; a library for that would be one more thing to install.
"""

from __future__ import annotations

import array
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)


def sd_notify(message: str, *, fds: Sequence[int] = (), address: str | None = None) -> bool:
    """Send `message` to the service manager; False when there is none or it does not listen. Any thread, no errors.

    `address` is the value of NOTIFY_SOCKET, read from the environment when None; a leading `@` means an abstract
    socket. `fds` go along for the descriptor store (`FDSTORE=1`).
    """
    target = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
    if not target:
        return False
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(1.0)  # a manager that does not read must not stop the agent
            channel.connect("\0" + target[1:] if target.startswith("@") else target)
            channel.sendmsg([message.encode()], ancillary)
    except OSError:
        return False
    return True


def watchdog_seconds(environ: Mapping[str, str], *, pid: int) -> float | None:
    """The time within which systemd wants to hear from `pid`; None when it does not (sd_watchdog_enabled(3))."""
    try:
        usec = int(environ.get("WATCHDOG_USEC", ""))
        meant = int(environ.get("WATCHDOG_PID", pid))
    except ValueError:
        return None
    return usec / 1e6 if usec > 0 and meant == pid else None


class Notifier:
    """The service manager's ear, in words. Quiet and harmless when the agent was started by hand."""

    def __init__(self, notify: Callable[[str], bool] = sd_notify) -> None:
        self._notify = notify
        self._last_status = ""

    def ready(self, status: str = "") -> bool:
        """The agent reads its inputs and stores what it reads."""
        return self._notify("READY=1" + self._status_line(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        line = self._status_line(text)
        if line and text != self._last_status:
            self._last_status = text
            self._notify(line.lstrip("\n"))

    def alive(self) -> bool:
        """Feed the watchdog."""
        return self._notify("WATCHDOG=1")

    def stopping(self, status: str = "stopping") -> bool:
        """The agent has begun to stop."""
        return self._notify("STOPPING=1" + self._status_line(status))

    @staticmethod
    def _status_line(text: str) -> str:
        return "\nSTATUS=" + " ".join(text.split()) if text else ""


class Progress:
    """When each worker last made progress, and who is late. Times are of a monotonic clock; any thread may call."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._limits: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def register(self, name: str, limit_seconds: float, now: float) -> None:
        """Expect a beat of `name` at least every `limit_seconds` from now on."""
        with self._guard:
            self._limits[name] = limit_seconds
            self._last[name] = now

    def unregister(self, name: str) -> None:
        """Expect nothing of `name` any more."""
        with self._guard:
            self._limits.pop(name, None)
            self._last.pop(name, None)

    def beat(self, name: str, now: float) -> None:
        """`name` made progress. A name that is not registered is nobody's concern."""
        with self._guard:
            if name in self._limits:
                self._last[name] = now

    def late(self, now: float) -> dict[str, float]:
        """Those past their limit, with the seconds since their last beat."""
        with self._guard:
            waits = {name: now - last for name, last in self._last.items()}
            return {name: wait for name, wait in waits.items() if wait > self._limits[name]}


class Watchdog:
    """Pings systemd while all workers make progress.

    `interval` is WatchdogSec in seconds, None when systemd wants no pings.
    """

    def __init__(self, notifier: Notifier, *, interval: float | None) -> None:
        self._notifier = notifier
        self._every = None if interval is None else interval / 2  # as sd_watchdog_enabled(3) recommends
        self._progress = Progress()
        self._pinged: float | None = None
        self._late: frozenset[str] = frozenset()

    def register(self, name: str, limit_seconds: float, now: float) -> None:
        """Expect a beat of `name` at least every `limit_seconds`. Any thread."""
        self._progress.register(name, limit_seconds, now)

    def unregister(self, name: str) -> None:
        """Expect nothing of `name` any more. Any thread."""
        self._progress.unregister(name)

    def beat(self, name: str, now: float) -> None:
        """`name` made progress. Any thread."""
        self._progress.beat(name, now)

    def due(self) -> float | None:
        """When `tick` wants to be called at the latest; None while systemd wants no pings."""
        if self._every is None:
            return None
        return 0.0 if self._pinged is None else self._pinged + self._every

    def tick(self, now: float) -> bool:
        """Ping if it is time and nobody is late; whether a ping went out. The core's loop calls it every time round."""
        late = self._progress.late(now)
        self._tell(late)
        if self._every is None or late or (self._pinged is not None and now - self._pinged < self._every):
            return False
        self._pinged = now
        return self._notifier.alive()

    def _tell(self, late: Mapping[str, float]) -> None:
        for name in sorted(late.keys() - self._late):
            log.error("worker makes no progress", extra={"worker": name, "silent_seconds": round(late[name], 1)})
        for name in sorted(self._late - late.keys()):
            log.warning("worker makes progress again", extra={"worker": name})
        self._late = frozenset(late)
