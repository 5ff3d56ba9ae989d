"""The plaintexts of transport messages: a marker byte, then a message or a piece of one.

Wire reference, noise.md section 8. A Noise message holds 65535 bytes, so a longer message goes out in chunks
of 65000, and nothing may come between them.
"""

from __future__ import annotations

from enum import IntEnum

from agent.hub.protocol.wire import MAX_MESSAGE_BYTES, WireError

CHUNK_BYTES = 65000


class Marker(IntEnum):
    """The first byte of every plaintext."""

    JSON = 0
    BINARY = 1
    FIRST_JSON = 2
    FIRST_BINARY = 3
    MIDDLE = 4
    LAST = 5


def split(body: bytes, *, binary: bool = False) -> list[bytes]:
    """The plaintexts that carry `body`, in the order they must be sealed and sent.

    ValueError when it is over 32 MiB, which no peer would put together again.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        raise ValueError("a message of more than 32 MiB cannot be sent")
    if len(body) <= CHUNK_BYTES:
        return [_marked(Marker.BINARY if binary else Marker.JSON, body)]
    first, *middle, last = (body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES))
    return [
        _marked(Marker.FIRST_BINARY if binary else Marker.FIRST_JSON, first),
        *(_marked(Marker.MIDDLE, chunk) for chunk in middle),
        _marked(Marker.LAST, last),
    ]


def _marked(marker: Marker, chunk: bytes) -> bytes:
    return bytes((marker,)) + chunk


class Assembler:
    """Put messages together again, one plaintext at a time. After a WireError it is of no further use."""

    def __init__(self) -> None:
        self._open: bytearray | None = None
        self._binary = False

    def add(self, plaintext: bytes) -> tuple[bool, bytes] | None:
        """Whether the message is a binary frame, and the message; None while chunks of it are missing.

        Raises WireError for a chunk out of place, a marker that is none, and more than 32 MiB.
        """
        if not plaintext:
            raise WireError("an empty transport message")
        match plaintext[0]:
            case Marker.JSON | Marker.BINARY | Marker.FIRST_JSON | Marker.FIRST_BINARY if self._open is not None:
                raise WireError("a message began inside another")
            case Marker.JSON | Marker.BINARY as marker:
                return marker == Marker.BINARY, plaintext[1:]
            case Marker.FIRST_JSON | Marker.FIRST_BINARY as marker:
                self._binary = marker == Marker.FIRST_BINARY
                self._open = bytearray(plaintext[1:])
                return None
            case Marker.MIDDLE | Marker.LAST if self._open is None:
                raise WireError("a chunk without a beginning")
            case Marker.MIDDLE | Marker.LAST as marker:
                return self._grow(plaintext, is_last=marker == Marker.LAST)
            case _:
                raise WireError("a transport message of no known kind")

    def _grow(self, plaintext: bytes, *, is_last: bool) -> tuple[bool, bytes] | None:
        assert self._open is not None
        if len(self._open) + len(plaintext) - 1 > MAX_MESSAGE_BYTES:
            raise WireError("a message of more than 32 MiB")
        self._open += memoryview(plaintext)[1:]
        if not is_last:
            return None
        body, self._open = bytes(self._open), None
        return self._binary, body
