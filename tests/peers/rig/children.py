"""One process of the bench: started, stopped, killed, frozen, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

_STOP_SECONDS = 8.0


class Child:
    """A process that can be brought down in every way a real one goes down.

    A subclass says what it needs before it runs (`_prepare`) and when it serves (`_serves`). Starting happens on the
    `starter` thread: a process that dies with its parent in fact dies with the thread that started it, and a test's
    threads come and go.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        starter: Executor,
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> None:
        """What it writes is appended to `log`, standard output to `output` if that is given."""
        self.log = log
        self._output = output or log
        self.paused = False
        self._argv = list(argv)
        self._starter = starter
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, timeout: float = 30.0) -> None:
        """Start it and wait until it serves. Does nothing when it runs already."""
        if self.alive:
            return
        self._prepare()
        self._process = process = self._starter.submit(self._spawn).result()
        deadline = time.monotonic() + timeout
        while not self._serves():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._argv[0]} did not come up (exit {process.poll()}): {tail}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        self.resume()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the plug being pulled, with nothing said to anybody."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: its sockets stay open and nobody answers, as behind a network that swallows everything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            self.paused = self.alive

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.paused = False

    def _prepare(self) -> None:
        """Called before each start."""

    def _serves(self) -> bool:
        """Whether it does its work by now. Asked again and again while it starts."""
        raise NotImplementedError

    def _spawn(self) -> subprocess.Popen[bytes]:
        setpriv = shutil.which("setpriv")
        wrapper = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        with self._output.open("ab") as out, self.log.open("ab") as errors:
            return subprocess.Popen(
                [*wrapper, *self._argv], stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=self._environment
            )

    def _signalled(self, number: signal.Signals, timeout: float) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(number)  # does nothing when it is dead already
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._signalled(number, _STOP_SECONDS) is None:
            self._process.kill()
            self._process.wait()
        self.paused = False
