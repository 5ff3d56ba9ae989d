"""A scanner on a pseudo-terminal, behind a link with a lasting name, to be unplugged at will."""

from __future__ import annotations

import fcntl
import os
import select
import termios
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Self


class PtyScanner:
    """A serial scanner as the system sees it: `link` is what by-id gives, the port behind it changes with each
    plugging in.

    Unplugging removes the link and hangs the port up, so that a read fails as it does for a scanner that is pulled
    out.
    """

    def __init__(self, link: Path, *, plugged_in: bool = True) -> None:
        self.link = link
        self._master = -1
        self._last_device = ""
        # Kept open so that the port stays raw, and what is typed stays readable, while no program has it open.
        self._slave = -1
        if plugged_in:
            self.plug_in()

    @property
    def port(self) -> str:
        """What to configure."""
        return str(self.link)

    @property
    def device(self) -> str:
        """The path behind the link, another one after each plugging in."""
        return os.ttyname(self._slave)

    def plug_in(self) -> None:
        """A new port, with nothing to read."""
        if self._master >= 0:
            raise RuntimeError(f"{self.link} is plugged in already")
        new = self.link.with_name(self.link.name + ".new")
        # The kernel gives a freed number away again at once: one that was had before is held while the next is taken.
        taken = os.openpty()
        self._master, self._slave = os.openpty() if os.ttyname(taken[1]) == self._last_device else taken
        if self._master != taken[0]:
            for descriptor in taken:
                os.close(descriptor)
        self._last_device = os.ttyname(self._slave)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        # Renamed into place, as udev does: nobody sees the link half made.
        new.unlink(missing_ok=True)
        new.symlink_to(os.ttyname(self._slave))
        new.rename(self.link)

    def unplug(self) -> None:
        """Take the port away. What was typed and not read yet is lost, as in the cable."""
        if self._master < 0:
            return
        self.link.unlink(missing_ok=True)
        os.close(self._master)  # hangs up every other descriptor of the port
        os.close(self._slave)
        self._master = self._slave = -1

    def types(self, data: bytes, timeout: float = 5.0) -> None:
        """Send bytes as a scanner does; TimeoutError when nobody reads and the port's buffer of 4 kB is full."""
        deadline = time.monotonic() + timeout
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [self._master], [], left)[1]:
                    raise TimeoutError(f"nobody reads {self.link}; {len(data)} bytes are left") from None

    def received(self, timeout: float = 0.0) -> bytes:
        """What the program sent to the scanner, waiting up to `timeout` seconds for a first byte."""
        if not select.select([self._master], [], [], timeout)[0]:
            return b""
        return os.read(self._master, 4096)

    def reader_killed(self) -> None:
        """To be called when the program that read was killed.

        A real port forgets the program's TIOCEXCL mark then; this one keeps it, and turns away all but root.
        """
        fcntl.ioctl(self._slave, termios.TIOCNXCL)

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
