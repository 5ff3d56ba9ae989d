"""A terminal as a program sees it: a pseudo-terminal of a size."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import termios
import tty


class Terminal:
    """A terminal, 20 by 4 unless told, and what was written on it."""

    def __init__(self, columns: int = 20, rows: int = 4) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.path = os.ttyname(self._slave)

    def written(self) -> str:
        data = b""
        while select.select([self._master], [], [], 0.05)[0]:
            data += os.read(self._master, 65536)
        return data.decode()

    def rows(self) -> list[str]:
        """The rows of the last frame."""
        return re.findall(r"\x1b\[\d+;1H\x1b\[2K([^\x1b]*)", self.written())

    def hang_up(self) -> None:
        os.close(self._master)
        os.close(self._slave)
