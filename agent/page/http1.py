"""HTTP/1.1, as much of it as one page on loopback needs: one request, one response, and the connection ends.

Ending it each time is on purpose. A browser that finds a kept connection closed sends its request again, and says so to
nobody: a tap would be two. It also means that a connection has one owner and one end. Pure: bytes in, a request or a
refusal out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from agent.record import record

_HEAD_BYTES = 16_384
_BODY_BYTES = 16_384
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONCE = frozenset({"host", "origin", "content-length", "content-type", "x-page-token"})
"""Headers that decide something: two of one would let two readers of the request believe different things."""


class RequestRefusedError(Exception):
    """The request is not answered; `status` says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@record(kw_only=True)
class Request:
    """One request; header names in lower case."""

    method: str
    path: str
    """As it was sent, query and all: nothing served here has one."""
    headers: Mapping[str, str]
    body: bytes = b""


class RequestReader:
    """Reads one request, however it was cut on its way."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._request: Request | None = None
        self._length = 0

    def feed(self, data: bytes) -> Request | None:
        """The request once it is whole. Raises RequestRefusedError; whatever comes behind the request is ignored."""
        self._received += data
        if self._request is None:
            head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
            if len(head) > _HEAD_BYTES:
                raise RequestRefusedError(431, "the head of the request is too long")
            if not end:
                return None
            self._request = _head(head)
            self._length = _body_length(self._request.headers)
            self._received = bytearray(rest)
        if len(self._received) < self._length:
            return None
        known = self._request
        body = bytes(self._received[: self._length])
        return Request(method=known.method, path=known.path, headers=known.headers, body=body)


def _head(head: bytes) -> Request:
    line, *fields = head.split(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not re.fullmatch(rb"HTTP/1\.[01]", parts[2]):
        raise RequestRefusedError(400, "no request of HTTP/1.1")
    if not re.fullmatch(rb"/[\x21-\x7e]*", parts[1]):
        raise RequestRefusedError(400, "no path")
    headers: dict[str, str] = {}
    for each in fields:
        name, colon, value = each.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or b"\r" in value or b"\n" in value or b"\0" in value:
            raise RequestRefusedError(400, "a header that is none")
        key = name.decode("ascii").lower()
        if key in headers and key in _ONCE:
            raise RequestRefusedError(400, f"{key} stands there twice")
        headers[key] = value.strip(b" \t").decode("latin-1")
    return Request(method=parts[0].decode("ascii"), path=parts[1].decode("ascii"), headers=headers)


def _body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise RequestRefusedError(501, "the body must come in one piece")
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,9}", length):
        raise RequestRefusedError(400, "a content-length that is no number")
    if int(length) > _BODY_BYTES:
        raise RequestRefusedError(413, "the body is too long")
    return int(length)


def response(
    status: int, body: bytes = b"", *, content_type: str = "text/plain; charset=utf-8", headers: Mapping[str, str]
) -> bytes:
    """A whole response; `headers` go with every one."""
    return _start(status, {**headers, "Content-Type": content_type, "Content-Length": str(len(body))}) + body


def stream_head(headers: Mapping[str, str]) -> bytes:
    """The beginning of an answer that does not end: server-sent events."""
    return _start(200, {**headers, "Content-Type": "text/event-stream; charset=utf-8"})


def event(name: str, data: str) -> bytes:
    """One server-sent event; `data` is JSON, which has no line breaks of its own."""
    return f"event: {name}\ndata: {data}\n\n".encode("utf-8", "replace")


def _start(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
