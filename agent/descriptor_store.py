"""Open ports that systemd holds while the agent is away (FileDescriptorStoreMax=, sd_pid_notify_with_fds(3)).

A scanner's port that is closed drops what is scanned meanwhile. One that systemd holds open goes on collecting it, up
to the 4 kB of the kernel's buffer, and the next agent gets the same open port back (sd_listen_fds(3)) and reads on.

systemd knows a descriptor by a name without colons, of at most 255 printable ASCII characters. A scanner may be called
anything, so its name is written as in a URL. A port that is unplugged leaves the store by itself: systemd polls it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from urllib.parse import quote, unquote

from agent.watchdog import sd_notify

log = logging.getLogger(__name__)

_FIRST = 3  # SD_LISTEN_FDS_START
_PREFIX = "scanner-"
_LONGEST = 255


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
        self._adopted = _handed_over(environ, pid, first)

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
        self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")
        self._notify(f"FDSTORE=1\nFDNAME={name}", fds=(descriptor,))

    def forget(self, scanner: str) -> None:
        """Have the port of a scanner held no longer."""
        name = _name_of(scanner)
        if name is not None:
            self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def drop(self, unclaimed: Mapping[str, int]) -> None:
        """Close ports that nobody wants any more, and have them held no longer."""
        for scanner, descriptor in unclaimed.items():
            self._shut(descriptor)
            self.forget(scanner)

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
