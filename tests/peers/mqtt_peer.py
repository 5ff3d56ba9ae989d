"""A broker that refuses, falls silent or stops reading, which a real one does only when it is ill.

with MqttPeer(suback=(1, 0x80)) as broker:                 # hearing the hub yes, hearing the status no
    transport.open(2)
    broker.publish("base/out", b"{}")
    assert broker.published() == ("base/in", b"...")
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_CONNECT, _PUBLISH, _SUBSCRIBE, _PINGREQ, _DISCONNECT = 1, 3, 8, 12, 14
_SECONDS = 5.0


class MqttPeer:
    """A broker of one client, without TLS. It sends no message back by itself."""

    def __init__(
        self,
        *,
        connack: int | None = 0,
        suback: Sequence[int] | None = (1, 1),
        acknowledges: bool = True,
        reads: bool = True,
        echoes: bool = False,
    ) -> None:
        """`connack` and `suback` are the codes it answers with, None for silence; without `acknowledges` no PUBACK.

        Without `reads` it takes nothing more off its socket once it has subscribed its client. With `echoes` what is
        published on a status topic comes back, as it does to a subscriber.
        """
        self._connack = connack
        self._suback = suback
        self._acknowledges = acknowledges
        self._reads = reads
        self._echoes = echoes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._published: queue.SimpleQueue[tuple[str, bytes, int, bool]] = queue.SimpleQueue()
        self._connection: socket.socket | None = None
        self._subscribed = threading.Event()
        self._closing = threading.Event()
        self.said_goodbye = threading.Event()
        """Set when the client sent DISCONNECT."""
        self._thread = threading.Thread(target=self._serve, name="mqtt-peer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join(_SECONDS)
        if self._connection is not None:
            self._connection.close()

    def published(self) -> tuple[str, bytes, int, bool]:
        """Topic, payload, QoS and the retain flag of the client's next message."""
        return self._published.get(timeout=_SECONDS)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send the client a message, at QoS 0."""
        self.send_raw(_packet(_PUBLISH << 4 | retain, _text(topic.encode()) + payload))

    def send_raw(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def drop(self) -> None:
        """End the connection without a word."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self._connection, _ = self._listener.accept()
            with self._connection.makefile("rb") as stream:
                while True:
                    first = _exactly(stream, 1)[0]
                    self._take(self._connection, first, _exactly(stream, _length(stream)))
                    if self._subscribed.is_set() and not self._reads:
                        self._closing.wait()
                        return

    def _take(self, connection: socket.socket, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _CONNECT and self._connack is not None:
            connection.sendall(_packet(0x20, bytes((0, self._connack))))
        elif kind == _SUBSCRIBE and self._suback is not None:
            connection.sendall(_packet(0x90, body[:2] + bytes(self._suback)))
            self._subscribed.set()
        elif kind == _PUBLISH:
            size, qos = int.from_bytes(body[:2]), first >> 1 & 3
            topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
            payload = rest[2:] if qos else rest
            self._published.put((topic, payload, qos, bool(first & 1)))
            if self._echoes and topic.endswith("/status"):
                self.publish(topic, payload)
            if qos and self._acknowledges:
                connection.sendall(_packet(0x40, rest[:2]))
        elif kind == _PINGREQ:
            connection.sendall(_packet(0xD0, b""))
        elif kind == _DISCONNECT:
            self.said_goodbye.set()


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2) + value


def _packet(first: int, body: bytes) -> bytes:
    size, length = len(body), b""
    while True:
        size, low = divmod(size, 128)
        length += bytes((low | (0x80 if size else 0),))
        if not size:
            return bytes((first,)) + length + body


def _length(stream: object) -> int:
    size, shift = 0, 0
    while True:
        byte = _exactly(stream, 1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size


def _exactly(stream: object, count: int) -> bytes:
    data: bytes = stream.read(count)  # type: ignore[attr-defined]
    if len(data) < count:
        raise EOFError
    return data
