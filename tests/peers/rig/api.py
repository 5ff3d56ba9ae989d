"""JSON over HTTP on loopback: how a test tells the hub's process what to do."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

from tests.peers.rig.ports import HOST

Handler = Callable[[str, str, Mapping[str, Any]], Any]
"""Takes method, path and body. A KeyError of an unknown path becomes a 404."""


class ApiError(Exception):
    """The other side said no, in its own words."""


def serve(handler: Handler, *, port: int = 0, threaded: bool = True) -> HTTPServer:
    """A server, not yet running, that answers each request with what `handler` returns."""

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, body = 200, handler(self.command, self.path, json.loads(raw or b"{}"))
            except KeyError as error:
                status, body = 404, {"error": f"unknown: {error}"}
            except Exception as error:  # noqa: BLE001 - the tester wants the reason, not a dropped socket
                status, body = 500, {"error": f"{type(error).__name__}: {error}"}
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return (ThreadingHTTPServer if threaded else HTTPServer)((HOST, port), Api)


def call(port: int, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = 10.0) -> Any:
    """What the server at `port` answers. Raises ApiError with its reason, or OSError when nothing answers."""
    request = urllib.request.Request(
        f"http://{HOST}:{port}{path}",
        method=method,
        data=None if method == "GET" else json.dumps(body or {}).encode(),
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on loopback
    try:
        with opener.open(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise ApiError(json.load(error).get("error")) from None
