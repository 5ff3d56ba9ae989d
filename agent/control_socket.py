"""How the command line talks to the running agent: one JSON line asks, one JSON line answers, and the connection ends.

The server is the loop of one worker. It reads a request, hands it on and goes on; the answer may come at once or a
minute later, from any thread. Everything a client can do wrong (no line, an endless line, no end, too many at once)
costs it its connection and nobody else anything. Who may connect is a matter of the socket's mode: the agent's user and
group.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.hub.errors import ThalovantError
from hardware.stopping import StopEvent

log = logging.getLogger(__name__)

Reply = Callable[[Mapping[str, Any]], None]
Handler = Callable[[dict[str, Any], Reply], None]
"""Gets a request and a function for its answer: callable once, from any thread. Must not wait."""

_MODE = 0o660
_BACKLOG = 16
_BEAT_SECONDS = 90.0
_LOOK_SECONDS = 0.5
"""Between two looks at clients who are late, and at a `stop` that cannot be polled."""


class ControlError(ThalovantError):
    """The agent could not be asked, or its socket not be opened."""


class AgentNotRunningError(ControlError):
    """Nothing answers at the socket."""


class _Client:
    """One connection: first it asks, then it waits, then it is told."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self.deadline = deadline
        self.received = bytearray()
        self.asked = False
        self.excess = False
        self.answer: memoryview | None = None


class ControlServer:
    """Serves the socket at `path` until told to stop; `run` is the body of a worker.

    `request_seconds` is the time for a client to send its line and to read its answer, `answer_seconds` the time for
    `handler` to come up with one.
    """

    def __init__(
        self,
        path: Path,
        handler: Handler,
        *,
        most_clients: int = 16,
        longest_line: int = 65_536,
        request_seconds: float = 10.0,
        answer_seconds: float = 660.0,
    ) -> None:
        self._path = path
        self._handler = handler
        self._most_clients = most_clients
        self._longest_line = longest_line
        self._request_seconds = request_seconds
        self._answer_seconds = answer_seconds
        self._answers: queue.SimpleQueue[tuple[_Client, bytes]] = queue.SimpleQueue()
        self._clients: set[_Client] = set()
        self._selector: selectors.BaseSelector
        self._waking: socket.socket

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until `stop` is set; a StopEvent ends this at once. Calls `beat` at least every 90 s.

        Raises ControlError when the socket cannot be opened; a restart tries again.
        """
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(_listen(self._path))
            stack.callback(_remove_own, self._path, os.stat(self._path).st_ino)
            self._selector = stack.enter_context(selectors.DefaultSelector())
            woken, self._waking = socket.socketpair()
            stack.enter_context(woken)
            stack.enter_context(self._waking)
            stack.callback(self._hang_up)
            for end in (woken, self._waking):
                end.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
            self._selector.register(woken, selectors.EVENT_READ)
            watched = isinstance(stop, StopEvent)
            if isinstance(stop, StopEvent):
                self._selector.register(stop.fileno(), selectors.EVENT_READ)
            while not stop.is_set():
                beat()
                timeout = _BEAT_SECONDS if watched and not self._clients else _LOOK_SECONDS
                ready = [key for key, _ in self._selector.select(timeout)]
                for key in ready:
                    if key.fileobj is woken:
                        woken.recv(4096)
                    elif key.data is not None:
                        self._attend(key.data)
                # Last, so that those who went have made room for those who come.
                if any(key.fileobj is listener for key in ready):
                    self._accept(listener)
                self._take_answers()
                self._dismiss_the_late(time.monotonic())

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # gone already, or no descriptor left: the next round tries again
            return
        connection.setblocking(False)
        if len(self._clients) >= 2 * self._most_clients:
            connection.close()
            return
        # One too many is heard before it is refused: on a connection closed with its request unread, Linux gives the
        # client an error in place of the answer.
        client = _Client(connection, time.monotonic() + self._request_seconds)
        client.excess = len(self._clients) >= self._most_clients
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _attend(self, client: _Client) -> None:
        if client.answer is not None:
            self._send(client)
            return
        try:
            data = client.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)  # before it asked, since nobody reads from a client that has
            return
        client.received += data
        line, newline, _ = client.received.partition(b"\n")
        if len(line) > self._longest_line:
            self._tell(client, _encoded(_refusal(f"a request has at most {self._longest_line} bytes")))
        elif newline:
            self._ask(client, bytes(line))

    def _ask(self, client: _Client, line: bytes) -> None:
        # What the client does from here on is only seen when its answer is sent: it may have closed its sending side.
        self._selector.unregister(client.connection)
        client.asked = True
        client.deadline = time.monotonic() + self._answer_seconds
        if client.excess:
            self._tell(client, _encoded(_refusal("the agent has too many requests to answer; try again")))
            return
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict):
            self._tell(client, _encoded(_refusal("a request is one line with a JSON object")))
            return
        try:
            self._handler(request, lambda answer: self._reply(client, answer))
        except Exception:
            log.exception("control request failed", extra={"command": str(request.get("command", ""))})
            self._tell(client, _encoded(_refusal("the agent failed at this request; its journal says how")))

    def _reply(self, client: _Client, answer: Mapping[str, Any]) -> None:
        self._answers.put((client, _encoded(answer)))
        # Full: it will wake anyway. Closed: nobody is left to be told.
        with contextlib.suppress(OSError):
            self._waking.send(b"\0")

    def _take_answers(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                client, answer = self._answers.get_nowait()
                if client in self._clients and client.answer is None:
                    self._tell(client, answer)

    def _tell(self, client: _Client, answer: bytes) -> None:
        client.answer = memoryview(answer)
        client.deadline = time.monotonic() + self._request_seconds
        self._watch(client, selectors.EVENT_WRITE)

    def _watch(self, client: _Client, events: int) -> None:
        try:
            self._selector.modify(client.connection, events, client)
        except KeyError:
            self._selector.register(client.connection, events, client)

    def _send(self, client: _Client) -> None:
        assert client.answer is not None
        try:
            client.answer = client.answer[client.connection.send(client.answer) :]
        except BlockingIOError:
            return
        except OSError:
            client.answer = client.answer[:0]
        if not client.answer:
            self._drop(client)

    def _dismiss_the_late(self, now: float) -> None:
        for client in [client for client in self._clients if client.deadline <= now]:
            if client.asked and client.answer is None:
                self._tell(client, _encoded(_refusal("the agent found no answer in time")))
            else:
                self._drop(client)

    def _drop(self, client: _Client) -> None:
        self._clients.discard(client)
        with contextlib.suppress(KeyError):
            self._selector.unregister(client.connection)
        client.connection.close()

    def _hang_up(self) -> None:
        """At the end: what is ready to be said is said, as far as it goes without waiting."""
        self._take_answers()
        for client in list(self._clients):
            if client.answer is not None:
                self._send(client)
            self._drop(client)


def ask_agent(path: Path, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """The running agent's answer to `request`, within `timeout` seconds.

    Raises AgentNotRunningError when nothing listens at `path`, ControlError for everything else that keeps it from
    answering. An answer may well be a refusal: `{"ok": false, "error": "..."}`.
    """
    deadline = time.monotonic() + timeout
    received = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(_encoded(request))
            while not received.endswith(b"\n"):
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                data = connection.recv(65_536)
                if not data:
                    break
                received += data
        except (FileNotFoundError, ConnectionRefusedError):
            raise AgentNotRunningError(
                f"no agent is running here (nothing listens at {path}); start it with systemctl start thalovant-agent"
            ) from None
        except PermissionError:
            raise ControlError(
                f"you may not talk to the agent at {path}; use sudo, or join the group thalovant-agent"
            ) from None
        except TimeoutError:
            raise ControlError(f"the agent did not answer within {timeout:g} seconds") from None
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said before it hung up counts
        except OSError as error:
            raise ControlError(f"the agent cannot be asked at {path}: {error.strerror or error}") from None
    if not received:
        raise ControlError("the agent stopped before it answered")
    try:
        answer = json.loads(received)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ControlError(f"what answers at {path} is no agent")
    return answer


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`, taking the place of one that nobody serves any more.

    It is made under another name and moved into place, so that it never exists with another mode, and a client meets
    either the old socket or the one that works.
    """
    _check_place(path)
    temporary = path.with_name(f".{os.getpid()}.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        listener.bind(str(temporary))
        temporary.chmod(_MODE)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        temporary.replace(path)
    except OSError as error:
        listener.close()
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ControlError(f"the control socket {path} cannot be opened: {error.strerror or error}") from None
    return listener


def _check_place(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlError(f"the control socket {path} cannot be opened: {error.strerror or error}") from None
    if not stat.S_ISSOCK(mode):
        raise ControlError(f"{path} is in the way of the control socket and is none; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return
    raise ControlError(f"another agent is running (its control socket {path} answers)")


def _remove_own(path: Path, inode: int) -> None:
    with contextlib.suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()


def _refusal(sentence: str) -> dict[str, Any]:
    return {"ok": False, "error": sentence}


def _encoded(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
