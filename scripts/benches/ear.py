"""Hears when a speech program is first heard: its player is a `cat` into a pipe that is read here."""

from __future__ import annotations

import array
import os
import select
import threading
import time
from pathlib import Path
from typing import Self

_HEADER = 44
"""Bytes before the samples of a WAV file as speech programs write it."""
_LOUD = 328
"""1 % of the largest 16-bit sample: less is silence."""


class Ear:
    """Listens at a named pipe at `path`, within `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # also a writer, so that it never ends
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear")
        self._sound = bytearray()
        self.first = 0.0
        """When the first sample that is not silence came since `begin`, in seconds of `time.time()`; 0 for not yet."""
        self.last = 0.0
        """When anything came last."""

    @property
    def player(self) -> str:
        """The command that plays into this ear."""
        return f"cat > {self._path}"

    def begin(self) -> None:
        """Forget what was heard; nothing is being spoken."""
        self._sound.clear()
        self.first = self.last = 0.0

    def _listen(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._pipe], [], [], 0.2)[0]:
                continue
            data, at = os.read(self._pipe, 65_536), time.time()
            self.last = at
            if not self.first:
                self._sound += data
                if _loud(bytes(self._sound[_HEADER:])):
                    self.first = at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._pipe)


def _loud(samples: bytes) -> bool:
    values = array.array("h", samples[: len(samples) // 2 * 2])
    return any(abs(value) > _LOUD for value in values)
