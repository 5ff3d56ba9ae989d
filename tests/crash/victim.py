"""The real agent, many lives of it, each of which may be told at which step to die.

Run as `python -m tests.crash.victim`: for each JSON line it reads it forks one agent (so that the imports are paid
once), says its pid, and says how it ended. The step is a call of the agent's own; the fork is killed with SIGKILL
right before or right after it. Nothing of this is in the agent.

What beeps is written to a file at the moment of the signal, with the code it is for: that is what "accepted" means.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.behaviour import Behaviour
from agent.cli import main as agent_main
from agent.devices import Devices
from agent.effects import Settle, Store
from agent.hub.events import EVENT_UTTERANCE_HANDLED
from agent.hub.link_events import HubSaid
from agent.hub.protocol.bus import UTTERANCE
from agent.hub.protocol.session import Session
from agent.hub.transports.mqtt import MqttTransport
from agent.hub.transports.wss import WssTransport
from agent.inputs import Inputs
from agent.outbox import Outbox

STEPS = ("scan", "write", "store", "signal", "seal", "send", "answer", "delete")
"""In the order of a scan's way; "write" is inside the transaction that "store" commits."""


class Fuse:
    """Counts the visits to one step and ends the process at the last of them."""

    def __init__(self, step: str, when: str, visits: int) -> None:
        self._step, self._when, self._left = step, when, visits

    def at(self, step: str, when: str) -> None:
        """The agent is at this step."""
        if (step, when) != (self._step, self._when):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def around(owner: type, name: str, step: Callable[..., str], fuse: Fuse) -> None:
    """Have the fuse looked at before and after each call of the method; `step` names it, "" for none."""
    original = getattr(owner, name)

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        here = step(*arguments, **keywords)
        fuse.at(here, "before")
        result = original(*arguments, **keywords)
        fuse.at(here, "after")
        return result

    put(owner, name, wrapped)


def put(owner: type, name: str, method: Callable[..., Any]) -> None:
    """Give the class another method in the place of its own."""
    setattr(owner, name, method)


def lay(fuse: Fuse, beeps: int) -> None:
    """Lay the fuse along the whole way, and write down what beeps."""
    stored: deque[str] = deque()
    sealed: list[bool] = [False]

    def sealing(_: Any, envelope: Any) -> str:
        sealed[0] = (envelope.get("payload") or {}).get("type") == UTTERANCE
        return "seal" if sealed[0] else ""

    def commits(_: Any, changes: Any) -> str:
        if any(isinstance(change, Store) for change in changes):
            return "store"
        return "delete" if any(isinstance(change, Settle) for change in changes) else ""

    def answered(_: Any, event: Any, now: float) -> str:
        is_end = isinstance(event, HubSaid) and event.event.name == EVENT_UTTERANCE_HANDLED
        return "answer" if is_end else ""

    def signals(_: Any, name: str, __: str = "") -> str:
        return "signal" if name == "accepted" else ""

    original_commit, original_signal = Outbox.commit, Devices.signal

    def commit(outbox: Outbox, changes: Any) -> None:
        changes = list(changes)
        original_commit(outbox, changes)
        stored.extend(change.parcel.message.data["utterances"][0] for change in changes if isinstance(change, Store))

    def beep(devices: Devices, name: str, origin: str = "") -> None:
        original_signal(devices, name, origin)
        if name == "accepted":
            os.write(beeps, f"{stored.popleft()}\n".encode())

    put(Outbox, "commit", commit)
    put(Devices, "signal", beep)
    around(Inputs, "scan", lambda *_: "scan", fuse)
    around(Outbox, "_store", lambda *_: "write", fuse)
    around(Outbox, "_delete", lambda *_: "delete", fuse)
    around(Outbox, "commit", commits, fuse)
    around(Devices, "signal", signals, fuse)
    around(Session, "seal", sealing, fuse)
    for transport in (MqttTransport, WssTransport):
        around(transport, "send", lambda *_, **__: "send" if sealed[0] else "", fuse)
    around(Behaviour, "handle", answered, fuse)


def live(order: dict[str, Any]) -> int:
    """One life of the agent, in the process of its own that this is."""
    folder = Path(order["folder"])
    for descriptor, name in ((1, "display.log"), (2, "agent.log")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lay(
        Fuse(order["step"], order["when"], order["visits"]),
        os.open(folder / "beeps.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    )
    return agent_main(["run", "--config", order["config"]])


def main() -> None:
    """Until standard input ends."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = live(json.loads(line))
            finally:
                os._exit(code)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"exit": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    main()
