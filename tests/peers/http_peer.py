"""A real HTTP server on loopback that records what it is asked and can be told to misbehave.

It knows nothing of what it serves: a subclass answers requests in `respond`, and a test puts a `Fault` in the way of
some of them. Every fault is something a network, a proxy or a broken server does, so no client code needs a patch.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived: `path` as sent, still escaped, without its query; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def line(self) -> str:
        """`METHOD path`, with ` If-Match=<etag>` when the request carries one."""
        etag = self.headers.get("if-match")
        return f"{self.method} {self.path}" + (f" If-Match={etag}" if etag else "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds to sit on the answer; closing the peer ends the wait."""
    drop: bool = False
    """End the connection instead of answering."""
    drip: float = 0.0
    """Seconds between the bytes of the body."""


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode(), headers=headers or {})


def problem(status: int, detail: Any, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    """A refusal in the API's Problem+JSON form."""
    body = {"type": "about:blank", "title": "HTTPException", "status": status, "detail": detail} | members
    return Answer(status=status, body=json.dumps(body).encode(), content_type=PROBLEM, headers=headers or {})


def redirect(location: str, status: int = 307) -> Answer:
    return Answer(status=status, content_type="text/plain", headers={"Location": location})


HTML = Answer(body=b"<html><body>Welcome to the hotel. Please log in.</body></html>", content_type="text/html")
"""What a captive portal answers to anything."""
DROP = Answer(drop=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One answer put in the way of the peer's own."""

    answer: Answer
    method: str | None = None
    path: str | None = None
    """How the path starts; None for any."""
    processed: bool = False
    """The peer does what was asked first, and only its answer is lost."""
    times: int = 1

    def meets(self, request: Request) -> bool:
        return self.method in (None, request.method) and request.path.startswith(self.path or "")


class HttpPeer:
    """The server. Use it in a `with`; `requests` lists everything that reached it, in order."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host, self.port = "127.0.0.1", self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{self.host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="http-peer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        if error is None and self.failures:
            raise AssertionError(f"the peer itself failed: {self.failures[0]!r}") from self.failures[0]

    @property
    def lines(self) -> list[str]:
        return [request.line for request in self.requests]

    def put_in_the_way(
        self,
        answer: Answer,
        *,
        method: str | None = None,
        path: str | None = None,
        processed: bool = False,
        times: int = 1,
    ) -> None:
        """Answer the next matching `times` requests with this instead; faults are used up in the order given."""
        with self._lock:
            self._faults.append(Fault(answer=answer, method=method, path=path, processed=processed, times=times))

    def respond(self, request: Request) -> Answer:
        """What the peer itself answers; called with the lock held, one request at a time."""
        raise NotImplementedError

    def _decide(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            for index, fault in enumerate(self._faults):
                if fault.meets(request):
                    if fault.times > 1:
                        self._faults[index] = replace(fault, times=fault.times - 1)
                    else:
                        del self._faults[index]
                    if fault.processed:
                        self.respond(request)
                    return fault.answer
            try:
                return self.respond(request)
            except Exception as error:  # noqa: BLE001 - told to the test when the peer closes
                self.failures.append(error)
                return problem(500, "the peer itself failed")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True  # head and body leave apart, and the second would wait for the client's ACK

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client gave up, or broke TLS off: its right
                    self.close_connection = True

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("content-length") or 0)
                request = Request(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
                peer_answer = peer._decide(request)
                if peer_answer.delay:
                    peer._closing.wait(peer_answer.delay)
                if peer_answer.drop:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(peer_answer.status)
                if peer_answer.body or peer_answer.status not in (204, 304):
                    self.send_header("Content-Type", peer_answer.content_type)
                    self.send_header("Content-Length", str(len(peer_answer.body)))
                for name, value in peer_answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if not peer_answer.drip:
                    self.wfile.write(peer_answer.body)
                    return
                for byte in peer_answer.body:
                    self.wfile.write(bytes((byte,)))
                    if peer._closing.wait(peer_answer.drip):
                        break

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


class ScriptedPeer(HttpPeer):
    """Answers with a list of answers in order, whatever is asked; what comes after the last is a 599."""

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__()
        self._answers = list(answers)

    def respond(self, request: Request) -> Answer:
        return self._answers.pop(0) if self._answers else Answer(status=599, content_type="text/plain")


def free_port() -> int:
    """A loopback port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
