"""A long life in a short time: the whole runtime, with a link that answers at once and drops now and then.

`python -m scripts.benches.long_run FOLDER SCANS RECONNECTS` prints its RSS in MiB, after a tenth and at the end.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.config import load
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkUp
from agent.hub.link_report import LinkSnapshot
from agent.hub.messages import BusMessage
from agent.hub.protocol.causes import Cause
from agent.linking import EmitLink
from agent.runtime import Runtime
from scripts.benches.bed import Device
from scripts.benches.process import memory

_AHEAD = 200


class AnsweringLink:
    """A hub that answers at once, over a link that drops after every so many messages."""

    def __init__(self, emit: EmitLink, every: int, heard: Callable[[], None]) -> None:
        self._emit = emit
        self._every = every
        self._heard = heard
        self._sent: queue.SimpleQueue[tuple[BusMessage, int] | None] = queue.SimpleQueue()
        self._session = 0

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        while not stop.is_set():
            self._session += 1
            self._emit(LinkUp(self._session, "wss"))
            self._serve(stop, beat)
            self._emit(LinkDown(self._session, Cause.DROPPED))

    def _serve(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        answered = 0
        while answered < self._every and not stop.is_set():
            beat()
            got = self._sent.get()
            if got is None:
                return
            message, session = got
            if session != self._session or message.request_id is None:
                continue
            context = {"request_id": message.request_id}
            for name, data in (("speak", {"utterance": "done"}), ("ovos.utterance.handled", {})):
                self._emit(HubSaid(_event(name, data, context)))
            answered += 1
            self._heard()

    def send(self, message: BusMessage, session: int) -> None:
        self._sent.put((message, session))

    def probe_soon(self) -> None: ...
    def hurry(self) -> None: ...
    def take_offer(self) -> None: ...

    def wake(self) -> None:
        self._sent.put(None)

    def snapshot(self) -> LinkSnapshot:
        return LinkSnapshot(state="up", protocol="wss", since=time.monotonic(), drops=self._session - 1, cause=None)


def _event(name: str, data: Mapping[str, Any], context: Mapping[str, Any]) -> ThalovantEvent:
    return ThalovantEvent(name=name, data=dict(data), context=dict(context))


def main() -> None:
    folder, scans, reconnects = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    identity = folder / "identity.json"
    identity.write_text(
        json.dumps(
            {"access_key": "k" * 16, "password": "p" * 16, "site_id": "long", "default_master": "wss://localhost"}
        )
    )
    identity.chmod(0o600)
    device = Device(folder / "device", identity=identity, protocols=["wss"], scanners=2, hub={"in_flight": 8})
    text = device.config.read_text().replace('target = "-"', 'target = "/dev/null"')
    device.config.write_text(text)
    answered, pid = 0, os.getpid()
    tenth, done = threading.Event(), threading.Event()

    def heard() -> None:
        nonlocal answered
        answered += 1
        if answered == scans // 10:
            tenth.set()
        elif answered == scans:
            done.set()

    def scan(number: int) -> None:
        # Never far ahead of the answers: a backlog takes memory, and would hide what stays behind without one.
        for code in range(scans // 2):
            while 2 * code - answered > _AHEAD and not done.is_set():
                time.sleep(0.005)
            device.scanners[number].types(f"CODE-{number}-{code:06}\r".encode(), timeout=60)

    runtime = Runtime(
        load(device.config),
        make_link=lambda _config, _state, _identity, emit, _spawn: AnsweringLink(emit, scans // reconnects, heard),
        environ={},
    )
    thread = threading.Thread(target=runtime.run, name="core")
    thread.start()
    for number in range(2):
        threading.Thread(target=scan, args=(number,), daemon=True).start()
    if not tenth.wait(200):
        raise SystemExit(f"only {answered} scans were answered")
    first = memory(pid).rss
    if not done.wait(580):
        raise SystemExit(f"only {answered} scans were answered")
    time.sleep(1.0)
    last = memory(pid).rss
    print(json.dumps({"tenth": first, "end": last}), flush=True)
    runtime.stop()
    thread.join(10)


if __name__ == "__main__":
    main()
