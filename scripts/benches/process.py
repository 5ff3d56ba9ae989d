"""One process under measurement: started, its lines stamped as they come, and what /proc says of it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of one process, in MiB."""

    rss: float
    uss: float
    """What would be free if it ended: its private pages."""
    peak: float
    """The largest RSS so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used since it started."""

    cpu: float
    """Seconds on a processor."""
    wakeups: int
    """Voluntary context switches, of all its threads."""
    written: int
    """Bytes it made the disk write."""
    threads: int


class Watched:
    """A process whose lines, of both outputs, carry the moment they came (seconds of `time.perf_counter`)."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._lines: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self.heard: list[str] = []
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            argv,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.pid = self._process.pid
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def wait(self, text: str, timeout: float = 30.0) -> float:
        """The moment of the next line with `text` in it. Raises AssertionError when none comes in time."""
        return self.line(text, timeout)[0]

    def line(self, text: str, timeout: float = 30.0) -> tuple[float, str]:
        """The next line with `text` in it, and its moment. Raises AssertionError when none comes in time."""
        deadline = time.perf_counter() + timeout
        while (left := deadline - time.perf_counter()) > 0:
            with contextlib.suppress(queue.Empty):
                at, line = self._lines.get(timeout=left)
                if text in line:
                    return at, line
        raise AssertionError(f"no line with {text!r} in {timeout:g} s; the last were {self.heard[-5:]}")

    def tell(self, line: str) -> None:
        """A line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Ask it to end, and wait for that."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The plug being pulled."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            at = time.perf_counter()
            text = line.decode("utf-8", "replace").rstrip()
            self.heard.append(text)
            self._lines.put((at, text))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.end()


def memory(pid: int) -> Memory:
    """From /proc/PID/smaps_rollup and status."""
    sizes = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    peak = _fields(Path(f"/proc/{pid}/status"))["VmHWM"]
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Memory(rss=sizes["Rss"] / 1024, uss=private / 1024, peak=peak / 1024)


def usage(pid: int) -> Usage:
    """From schedstat (nanoseconds), status and io of the process and its threads."""
    cpu, wakeups = 0, 0
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    for task in tasks:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            cpu += int((task / "schedstat").read_text().split()[0])
            wakeups += _fields(task / "status")["voluntary_ctxt_switches"]
    written = _fields(Path(f"/proc/{pid}/io"))["write_bytes"]
    return Usage(cpu=cpu / 1e9, wakeups=wakeups, written=written, threads=len(tasks))


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file of `name: number` lines."""
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    numbers = ((name, value.split()) for name, _, value in pairs)
    return {name: int(words[0]) for name, words in numbers if words and words[0].isdigit()}
