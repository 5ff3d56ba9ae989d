"""What the hub saw, as JSON lines that outlive its process."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from tests.peers.tail import Tail

Row = dict[str, Any]
"""`t` (seconds since 1970) and the fields of the record."""


class Recorder:
    """Appends rows, each one written out whole before the hub goes on: a SIGKILL loses none."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, **row: Any) -> None:
        line = json.dumps({"t": time.time(), **row}) + "\n"
        with self._lock:
            self._file.write(line)


class Records:
    """Reads the rows written so far; each row is parsed once however often it is asked for."""

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        self._rows += [json.loads(line) for line in self._tail.new()]
        return list(self._rows)
