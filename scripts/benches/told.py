"""A whole device whose hub is whoever writes to it: the real runtime, with a link that says what it is told.

`python -m scripts.benches.told CONFIG` reads what the hub says to whoever stands there from its standard input, one
JSON object a line. For each it prints, on standard error, `{"at": SECONDS}`: the moment of `time.time()` at which the
link hands it out.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.config import load
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkUp
from agent.hub.link_report import LinkSnapshot
from agent.hub.messages import BusMessage
from agent.linking import EmitLink
from agent.runtime import Runtime


class ToldLink:
    """A link that is up, and over which comes what `tell` is given."""

    def __init__(self, emit: EmitLink, told: queue.SimpleQueue[dict[str, Any] | None]) -> None:
        self._emit = emit
        self._told = told

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        self._emit(LinkUp(1, "wss"))
        while not stop.is_set():
            beat()
            data = self._told.get()
            if data is None:
                continue
            event = ThalovantEvent(name="speak", data=data, context={})
            at = time.time()
            self._emit(HubSaid(event))
            print(json.dumps({"at": at}), file=sys.stderr, flush=True)  # the display has the other one

    def send(self, message: BusMessage, session: int) -> None: ...
    def probe_soon(self) -> None: ...
    def hurry(self) -> None: ...
    def take_offer(self) -> None: ...

    def wake(self) -> None:
        self._told.put(None)

    def snapshot(self) -> LinkSnapshot:
        return LinkSnapshot(state="up", protocol="wss", since=time.monotonic(), drops=0, cause=None)


def main() -> None:
    told: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    runtime = Runtime(
        load(Path(sys.argv[1])),
        make_link=lambda _config, _state, _identity, emit, _spawn: ToldLink(emit, told),
        environ=os.environ,
    )
    thread = threading.Thread(target=runtime.run, name="core")
    thread.start()
    for line in sys.stdin:
        told.put(json.loads(line))
    runtime.stop()
    thread.join(10)


if __name__ == "__main__":
    main()
