"""Open ports that systemd holds while the agent is away (FileDescriptorStoreMax=, sd_pid_notify_with_fds(3)).

A scanner's port that is closed drops what is scanned meanwhile. One that systemd holds open goes on collecting it, up
to the 4 kB of the kernel's buffer, and the next agent gets the same open port back (sd_listen_fds(3)) and reads on.

systemd knows a descriptor by a name without colons, of at most 255 printable ASCII characters. A scanner may be called
anything, so its name is written as in a URL. A port that is unplugged leaves the store by itself: systemd polls it.

An agent that makes room for another in its own process is no restart to systemd. It passes the ports on itself, in the
same way.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import termios
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Protocol
from urllib.parse import quote, unquote

from agent.watchdog import sd_notify

log = logging.getLogger(__name__)

_FIRST = 3  # SD_LISTEN_FDS_START
_PREFIX = "scanner-"
_LONGEST = 255
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Notify(Protocol):
    """`sd_notify`, or what stands in for it."""

    def __call__(self, message: str, *, fds: Sequence[int] = ()) -> bool: ...


class DescriptorStore:
    """The ports that outlive this process. Any thread; raises nothing."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        pid: int,
        notify: Notify = sd_notify,
        first: int = _FIRST,
        close: Callable[[int], None] = os.close,
    ) -> None:
        """`environ` says what systemd handed to `pid`: descriptors from `first` on."""
        self._notify = notify
        self._close = close
        self._first = first
        self._adopted = _handed_over(environ, pid, first)
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}  # our own copies, by systemd's name, for who follows in this process

    def adopt(self) -> Mapping[str, int]:
        """The ports that were kept, by scanner; they are the caller's from now on. Empty the second time.

        A descriptor that is no scanner's is closed, and so is one of two with the same name.
        """
        handed, self._adopted = self._adopted, []
        ports: dict[str, int] = {}
        for name, descriptor in handed:
            try:
                os.set_inheritable(descriptor, False)
            except OSError:
                continue  # the environment speaks of a descriptor that is not there
            scanner = unquote(name.removeprefix(_PREFIX))
            if not name.startswith(_PREFIX) or scanner in ports:
                self._shut(descriptor)
                if not name.startswith(_PREFIX):
                    self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")
            else:
                ports[scanner] = descriptor
        if ports:
            log.info("ports kept over the restart", extra={"scanners": ", ".join(sorted(ports))})
        return ports

    def keep(self, scanner: str, descriptor: int) -> None:
        """Have the open port of a scanner held, in place of an earlier one."""
        name = _name_of(scanner)
        if name is None:
            return
        self._hold(name, descriptor)
        self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")
        self._notify(f"FDSTORE=1\nFDNAME={name}", fds=(descriptor,))

    def forget(self, scanner: str) -> None:
        """Have the port of a scanner held no longer."""
        name = _name_of(scanner)
        if name is not None:
            self._hold(name, None)
            self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def pass_on(self, environ: MutableMapping[str, str], *, pid: int) -> None:
        """Give the ports to the program that `pid` becomes, with `environ`. Only right before it does: the descriptors
        from `first` on are theirs from here.
        """
        with self._lock:
            held = list(self._held.items())
        if not held:
            for key in _VARIABLES:
                environ.pop(key, None)  # what it was handed itself is not there any more
            return
        # Out of the way first, or one would be put in another's place.
        away = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, self._first + len(held)) for _, descriptor in held]
        for at, descriptor in enumerate(away, self._first):
            os.dup2(descriptor, at)
        names = ":".join(name for name, _ in held)
        environ.update(zip(_VARIABLES, (str(pid), str(len(held)), names), strict=True))

    def drop(self, unclaimed: Mapping[str, int]) -> None:
        """Close ports that nobody wants any more, and have them held no longer."""
        for scanner, descriptor in unclaimed.items():
            # A pseudo-terminal stays closed to all others as long as its far end is open, whoever closes this one.
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, termios.TIOCNXCL)
            self._shut(descriptor)
            self.forget(scanner)

    def close(self) -> None:
        """Give up our own copies, where nobody follows; systemd keeps its own."""
        with self._lock:
            held, self._held = self._held, {}
        for descriptor in held.values():
            self._shut(descriptor)

    def _hold(self, name: str, descriptor: int | None) -> None:
        try:
            copy = None if descriptor is None else os.dup(descriptor)
        except OSError:
            copy = None
        with self._lock:
            before = self._held.pop(name, None)
            if copy is not None:
                self._held[name] = copy
        if before is not None:
            self._shut(before)

    def _shut(self, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            self._close(descriptor)


def _handed_over(environ: Mapping[str, str], pid: int, first: int) -> list[tuple[str, int]]:
    """The names and numbers of the descriptors that are meant for `pid`."""
    try:
        if int(environ.get("LISTEN_PID", "")) != pid:
            return []
        count = int(environ.get("LISTEN_FDS", ""))
    except ValueError:
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return [(names[at] if at < len(names) else "unknown", first + at) for at in range(max(count, 0))]


def _name_of(scanner: str) -> str | None:
    """What systemd is to call the port; None for a name that is too long to be kept by."""
    name = _PREFIX + quote(scanner, safe="")
    return name if len(name) <= _LONGEST else None
