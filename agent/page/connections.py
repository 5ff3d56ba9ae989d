"""The connections of the page's server: one loop, a bounded number of clients, no thread.

A client that sends nothing, too much, or does not read loses its connection after seconds and costs nobody else
anything. What is asked and answered is not known here.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from agent.hub.errors import ThalovantError
from agent.page import http1
from agent.page.http1 import Request, RequestReader, RequestRefusedError
from agent.record import field, record

log = logging.getLogger(__name__)

_BACKLOG = 16
_LOOK_SECONDS = 0.5


class PageError(ThalovantError):
    """Nothing can be served; the text says why and what to do."""


@record(frozen=False, eq=False)
class Client:
    """One connection: a request, then what is left to send."""

    connection: socket.socket
    deadline: float
    reader: RequestReader = field(default_factory=RequestReader)
    out: bytearray = field(default_factory=bytearray)
    waiting_for: str = ""
    """What its answer depends on; empty while it is still asking."""
    streams: bool = False
    answered: bool = False
    seen: int = -1
    """For whoever streams: the number of what was sent last."""

    @property
    def asking(self) -> bool:
        """Whether its request is not complete yet."""
        return not (self.answered or self.streams or self.waiting_for)


class Connections:
    """Clients of one listening socket. `answer` is called with each request, and may raise RequestRefusedError.

    `headers` go with every response. One thread runs it; `wake` is for any.
    """

    def __init__(
        self,
        answer: Callable[[Client, Request], None],
        *,
        headers: Mapping[str, str],
        most: int,
        request_seconds: float,
    ) -> None:
        self._answer = answer
        self._headers = headers
        self._most = most
        self._request_seconds = request_seconds
        self._clients: set[Client] = set()
        self._waking: socket.socket | None = None
        self._selector: selectors.BaseSelector

    def run(self, listener: socket.socket, stop: threading.Event, each_round: Callable[[float], None]) -> None:
        """Serve until `stop` is set; `each_round` gets the time at least twice a second, after everything was read."""
        with contextlib.ExitStack() as stack:
            self._selector = stack.enter_context(selectors.DefaultSelector())
            woken, waking = socket.socketpair()
            stack.enter_context(woken)
            stack.enter_context(waking)
            stack.callback(self._hang_up)
            for end in (woken, waking):
                end.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
            self._selector.register(woken, selectors.EVENT_READ)
            self._waking = waking
            while not stop.is_set():
                for key, events in self._selector.select(_LOOK_SECONDS):
                    if key.fileobj is woken:
                        woken.recv(4096)
                    elif key.fileobj is listener:
                        self._accept(listener)
                    elif key.data in self._clients:
                        self._attend(key.data, events)
                now = time.monotonic()
                each_round(now)
                self._dismiss_the_late(now)

    def wake(self) -> None:
        """Let `run` go round once. From any thread."""
        waking = self._waking
        if waking is not None:
            with contextlib.suppress(OSError):  # full: it will look anyway; closed: nobody runs
                waking.send(b"\0")

    def streaming(self) -> list[Client]:
        """The clients that take events."""
        return [client for client in self._clients if client.streams]

    def waiting(self, what: str) -> Iterator[Client]:
        """The clients whose answer depends on `what`."""
        yield from [client for client in self._clients if client.waiting_for == what and not client.answered]

    def respond(self, client: Client, status: int, body: bytes = b"", content_type: str = "text/plain") -> None:
        """Answer, and end the connection once that is read."""
        client.answered = True
        client.deadline = time.monotonic() + self._request_seconds
        self.push(client, http1.response(status, body, content_type=content_type, headers=self._headers))

    def let_wait(self, client: Client, what: str, seconds: float) -> None:
        """Answer later, at the latest after `seconds`, when it is told that nobody knows."""
        client.waiting_for = what
        client.deadline = time.monotonic() + seconds

    def begin_stream(self, client: Client) -> None:
        """From now on events are pushed to it."""
        client.streams = True
        self.push(client, http1.stream_head(self._headers))

    def push(self, client: Client, data: bytes) -> None:
        """Send this after what is being sent."""
        client.out += data
        self._send(client)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # gone already, or no descriptor left: the next round tries again
            return
        connection.setblocking(False)
        if len(self._clients) >= self._most:
            connection.close()
            return
        client = Client(connection, time.monotonic() + self._request_seconds)
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _attend(self, client: Client, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send(client)
        if not events & selectors.EVENT_READ or client not in self._clients:
            return
        try:
            data = client.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
        elif client.asking:
            self._read(client, data)

    def _read(self, client: Client, data: bytes) -> None:
        try:
            request = client.reader.feed(data)
            if request is not None:
                self._answer(client, request)
        except RequestRefusedError as error:
            log.debug("page request refused", extra={"status": error.status, "reason": str(error)})
            self.respond(client, error.status, str(error).encode())

    def _send(self, client: Client) -> None:
        if client not in self._clients:
            return
        try:
            sent = client.connection.send(client.out) if client.out else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        if sent:
            del client.out[:sent]
            client.deadline = time.monotonic() + self._request_seconds
        if client.out:
            self._selector.modify(client.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
        elif client.answered:
            self._drop(client)
        else:
            self._selector.modify(client.connection, selectors.EVENT_READ, client)

    def _dismiss_the_late(self, now: float) -> None:
        for client in [client for client in self._clients if client.deadline <= now]:
            if client.waiting_for and not client.answered:
                self.respond(client, 504, b"nobody knows")
            elif not client.streams or client.out:  # a stream with nothing to read may be silent for ever
                self._drop(client)

    def _drop(self, client: Client) -> None:
        self._clients.discard(client)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(client.connection)
        client.connection.close()

    def _hang_up(self) -> None:
        self._waking = None
        for client in list(self._clients):
            self._drop(client)


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Raises PageError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise PageError(f"nothing can be served at 127.0.0.1:{port}: {error.strerror or error}") from None
    return listener
