"""A WebSocket server that does what a test says and nothing by itself: no pong, no answer to a close.

with WebsocketPeer() as peer:
    transport = WssTransport(peer.url, "key", user_agent="Test/1")
    transport.open(2)
    far = peer.connection()
    far.send(CLOSE, struct.pack("!H", 4003))
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import queue
import socket
import ssl
import struct
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SECONDS = 5.0


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, claims: int | None = None) -> bytes:
    """One frame as a server sends it. `claims` is the length in its header where that is to be a lie."""
    size = len(payload) if claims is None else claims
    if size < 126:
        length = bytes((size,))
    else:
        length = struct.pack("!BH", 126, size) if size <= 0xFFFF else struct.pack("!BQ", 127, size)
    return bytes((opcode | (0x80 if final else 0),)) + length + payload


class FarEnd:
    """The server's side of one connection that was upgraded."""

    def __init__(self, connection: socket.socket, path: str, headers: dict[str, str]) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self.path = path
        """What was asked for, with its query."""
        self.headers = headers
        """By lower-case name."""

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send one whole frame."""
        self.send_raw(frame(opcode, payload))

    def send_raw(self, data: bytes) -> None:
        self._connection.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """Opcode and payload of the client's next frame. EOFError at its end, TimeoutError after some seconds."""
        first, second = self._exactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8))
        assert second & 0x80, "a client masks its frames"
        mask = self._exactly(4)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._exactly(size)))

    def drop(self) -> None:
        """End the connection without a close frame."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.drop()
        self._stream.close()
        self._connection.close()

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError
        return data


class WebsocketPeer:
    """The server. `answer` instead of an upgrade is what every client gets, as raw HTTP."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, answer: bytes | None = None) -> None:
        self._tls = tls
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://localhost:{self.port}"
        self._ready: queue.SimpleQueue[FarEnd] = queue.SimpleQueue()
        self._ends: list[FarEnd] = []
        self._thread = threading.Thread(target=self._serve, name="websocket-peer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_SECONDS)
        for end in self._ends:
            end.close()

    def connection(self) -> FarEnd:
        """The next connection that was upgraded."""
        return self._ready.get(timeout=_SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_SECONDS)
            with contextlib.suppress(OSError):  # the client breaks TLS off: its right
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._greet(connection)

    def _greet(self, connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return
            head += byte
        if self._answer is not None:
            connection.sendall(self._answer)
            connection.close()
            return
        request, *lines = head.decode("latin-1").strip().split("\r\n")
        fields: dict[str, Any] = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + _MAGIC).encode()).digest()).decode()
        connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        end = FarEnd(connection, request.split()[1], fields)
        self._ends.append(end)
        self._ready.put(end)
