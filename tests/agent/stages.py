"""What stands around the core, and around the command line, where the real thing cannot be had or is not meant."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.control_socket import ControlServer, Handler
from agent.hub.errors import ThalovantConnectionError
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkEvent, LinkProved, LinkTrouble, LinkUp
from agent.hub.link_report import LinkSnapshot
from agent.hub.messages import BusMessage
from agent.hub.protocol.causes import Cause
from agent.screen import Screen


def poke(path: Path) -> None:
    """Have a control server look whether it was told to stop, now instead of half a second later."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))


@contextmanager
def control_server(path: Path, handler: Handler) -> Iterator[None]:
    """A control socket at `path` with something behind it that is no agent."""
    stop, started = threading.Event(), threading.Event()
    server = ControlServer(path, handler)
    thread = threading.Thread(target=lambda: server.run(stop, started.set))
    thread.start()
    assert started.wait(10)
    try:
        yield
    finally:
        stop.set()
        poke(path)
        thread.join(10)


class Recorder:
    """Link, outputs and answers in one: every order, in the order given."""

    def __init__(self) -> None:
        self.orders: list[tuple[Any, ...]] = []

    def names(self) -> list[str]:
        return [order[0] for order in self.orders]

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [order[1:] for order in self.orders if order[0] == name]

    def send(self, message: BusMessage, session: int) -> None:
        self.orders.append(("send", message, session))

    def probe_soon(self) -> None:
        self.orders.append(("probe_soon",))

    def hurry(self) -> None:
        self.orders.append(("hurry",))

    def take_offer(self) -> None:
        self.orders.append(("take_offer",))

    def signal(self, name: str, origin: str) -> None:
        self.orders.append(("signal", name))

    def rest(self, name: str) -> None:
        self.orders.append(("rest", name))

    def show(self, screen: Screen) -> None:
        self.orders.append(("show", screen))

    def say(self, text: str, language: str, about: str) -> None:
        self.orders.append(("say", text, language))

    def play(self, sound: bytes, about: str, says: str) -> None:
        self.orders.append(("play", sound, about, says))

    def hush(self) -> None:
        self.orders.append(("hush",))

    def report(self, session: int, state: str) -> None:
        self.orders.append(("report", session, state))

    def answer(self, ticket: str, answer: Any) -> None:
        self.orders.append(("answer", ticket, answer))


class HubInside:
    """A link to a hub that is in this process: it comes up at once, and answers every message it is sent.

    `down` loses the session and `up` brings another; a `silent` one answers nothing. `crash` ends `run` as a mistake in
    it would.
    """

    def __init__(self, emit: Callable[[LinkEvent], object], *, silent: bool = False) -> None:
        self._emit = emit
        self.silent = silent
        self.sent: list[tuple[BusMessage, int]] = []
        self.hurries = 0
        self.running = threading.Event()
        self.left = threading.Event()
        self._crash = threading.Event()
        self._woken = threading.Event()
        self._session = 0
        self._state: LinkSnapshot = self._snapshot("connecting")

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        self.up()
        self.running.set()
        try:
            while not stop.is_set():
                beat()
                self._woken.wait(0.05)
                self._woken.clear()
                if self._crash.is_set():
                    raise ThalovantConnectionError("the link crashed")
        finally:
            self.left.set()

    def up(self) -> None:
        self._session += 1
        self._state = self._snapshot("up")
        self._emit(LinkUp(self._session, "mqtt"))

    def down(self, cause: Cause = Cause.DROPPED) -> None:
        self._state = self._snapshot("offline", cause)
        self._emit(LinkDown(self._session, cause))
        self._emit(LinkTrouble(cause))

    def crash(self) -> None:
        self._crash.set()
        self.wake()

    def send(self, message: BusMessage, session: int) -> None:
        self.sent.append((message, session))
        if self.silent or session != self._session:
            return
        said = (message.data.get("utterances") or [""])[0]
        for name, data in (("speak", {"utterance": f"You sent {said}."}), ("ovos.utterance.handled", {})):
            self._emit(HubSaid(ThalovantEvent(name=name, data=data, context=message.context)))

    def probe_soon(self) -> None:
        self._emit(LinkProved(time.monotonic()))

    def hurry(self) -> None:
        self.hurries += 1

    def take_offer(self) -> None:
        pass

    def wake(self) -> None:
        self._woken.set()

    def snapshot(self) -> LinkSnapshot:
        return self._state

    def _snapshot(self, state: Any, cause: Cause | None = None) -> LinkSnapshot:
        return LinkSnapshot(state=state, protocol="mqtt", since=time.monotonic(), drops=0, cause=cause)
