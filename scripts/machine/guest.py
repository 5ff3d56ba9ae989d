"""Commands in the machine, through the port that `inside/command-port` serves."""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

_LOOK_SECONDS = 0.1  # a shell is not quick to start in there
_GRACE_SECONDS = 10.0
"""What a busy host may add to the time that a command takes."""


class GuestError(Exception):
    """The machine did not answer, or a command that had to succeed did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str


class Guest:
    """The machine from inside, as root. Any thread; commands may run beside each other."""

    def __init__(self, port: socket.socket) -> None:
        self._port = port
        self._ids = itertools.count(1)
        self._asking = threading.Lock()
        self._answers: dict[int, tuple[threading.Event, dict[str, Any]]] = {}
        threading.Thread(target=self._listen, daemon=True, name="guest").start()

    def answers(self, timeout: float) -> bool:
        """Whether it answers within `timeout` seconds."""
        try:
            self._ask({"ping": True}, timeout)
        except GuestError:
            return False
        return True

    def sh(self, script: str, *, stdin: bytes = b"", timeout: float = 120, check: bool = False) -> Done:
        """Run a shell script. Raises GuestError when there is no answer, and with `check` when it fails."""
        asked = {"sh": script, "stdin": base64.b64encode(stdin).decode(), "timeout": timeout}
        answer = self._ask(asked, timeout + _GRACE_SECONDS)
        out, err = (base64.b64decode(answer[name]).decode(errors="replace") for name in ("out", "err"))
        done = Done(code=answer["code"], out=out, err=err)
        if check and done.code:
            raise GuestError(f"{script[:300]}: exit code {done.code}\n{done.out[-1500:]}{done.err[-1500:]}")
        return done

    def put(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write a file, with the folders above. It is on the disk only after a `sync`."""
        data = data.encode() if isinstance(data, str) else data
        self._ask({"put": path, "data": base64.b64encode(data).decode(), "mode": mode}, 60)

    def wait(self, script: str, *, timeout: float = 60) -> str:
        """Until `script` succeeds; what it printed then. Raises GuestError after `timeout` seconds."""
        until = time.monotonic() + timeout
        while (done := self.sh(script)).code:
            if time.monotonic() >= until:
                raise GuestError(f"not within {timeout:.0f} s: {script[:300]}\n{(done.out + done.err)[-800:]}")
            time.sleep(_LOOK_SECONDS)
        return done.out.strip()

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        number = next(self._ids)
        slot = self._answers[number] = (threading.Event(), {})
        try:
            with self._asking:
                self._port.sendall(json.dumps({**request, "id": number}).encode() + b"\n")
            if not slot[0].wait(timeout):
                raise GuestError(f"no answer from the machine in {timeout:.0f} s")
        except OSError as error:
            raise GuestError(f"the machine is gone ({os.strerror(error.errno or 0)})") from None
        finally:
            del self._answers[number]
        if "error" in slot[1]:
            raise GuestError(f"{slot[1]['error']}: {str(request.get('sh', request.get('put')))[:300]}")
        return slot[1]

    def _listen(self) -> None:
        try:
            with self._port.makefile("rb") as lines:
                for line in lines:
                    self._take(line)
        except OSError:
            pass
        for event, answer in list(self._answers.values()):
            answer["error"] = "the machine is gone"
            event.set()

    def _take(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
        except ValueError:
            return  # the tail of what was being said when the machine was saved
        slot = self._answers.get(answer.get("id"))
        if slot is not None:
            slot[1].update(answer)
            slot[0].set()
