"""WIRE-1: how a hub packs sound and files, and could pack any envelope. Read only; a client has no need to write it.

Wire reference, noise.md section 10. The fields are counted in bits from a start marker, so a payload may begin in
the middle of a byte, and what is left over stands as zeros in front.
"""

from __future__ import annotations

import zlib
from typing import Any

from agent.hub.protocol.wire import MAX_MESSAGE_BYTES, WireError, decode_object
from agent.record import field, record

TYPES = {
    0: "shake",
    1: "bus",
    2: "shared_bus",
    3: "broadcast",
    4: "propagate",
    5: "escalate",
    6: "hello",
    7: "query",
    8: "cascade",
    9: "ping",
    10: "rendezvous",
    12: "bin",
}
KINDS = {1: "raw_audio", 2: "numpy_image", 3: "file", 4: "stt_transcribe", 5: "stt_handle", 6: "tts_audio"}

_NEWEST_VERSION = 1
_UNKNOWN_TYPE = "3rdparty"


@record
class Binary:
    """What came in a frame of type `bin`."""

    kind: str
    """ "tts_audio", "file", …, or "binary:<n>" for a kind without a name."""
    data: bytes = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)  # it says what the sound says


def decode(frame: bytes) -> Binary | dict[str, Any]:
    """The binary in a frame, or the envelope when it holds any other type. WireError for a frame that is none.

    A type without a name is an envelope of the type "3rdparty", as in the published client: nobody asks for it, and a
    newer hub should not cost the link. Where a `bin` payload was cut short cannot be seen: it has no length.
    """
    bits = _Bits(frame)
    while not bits.take(1):
        pass
    if bits.take(1) and bits.take(8) > _NEWEST_VERSION:
        raise WireError("a binary frame of a newer version")
    type_name = TYPES.get(bits.take(5), _UNKNOWN_TYPE)
    is_deflated = bool(bits.take(1))
    size = bits.take(8)
    # "treat zero-length metadata as {}": it is neither JSON nor a zlib stream.
    metadata = _object(bits.take_bytes(size), is_deflated=is_deflated) if size else {}
    if type_name == "bin":
        number = bits.take(4)
        return Binary(KINDS.get(number, f"binary:{number}"), bits.rest(), metadata)
    return {"msg_type": type_name, "payload": _object(bits.rest(), is_deflated=is_deflated), "metadata": metadata}


def _object(data: bytes, *, is_deflated: bool) -> dict[str, Any]:
    return decode_object(_inflate(data) if is_deflated else data)


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, MAX_MESSAGE_BYTES + 1)
    except zlib.error:
        raise WireError("a binary frame that cannot be inflated") from None
    if len(inflated) > MAX_MESSAGE_BYTES:
        raise WireError("a binary frame of more than 32 MiB, inflated")
    if not stream.eof:
        raise WireError("a binary frame whose zlib stream is cut short")
    return inflated


class _Bits:
    """Read a frame bit by bit, most significant first. WireError at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        end = self._at + count
        if end > 8 * len(self._data):
            raise WireError("a binary frame that is cut short")
        # The bytes the field touches, less what follows it in the last of them, less what precedes it in the first.
        touched = int.from_bytes(self._data[self._at // 8 : (end + 7) // 8])
        self._at = end
        return (touched >> (-end % 8)) & ((1 << count) - 1)

    def take_bytes(self, count: int) -> bytes:
        return self.take(8 * count).to_bytes(count)

    def rest(self) -> bytes:
        count, odd = divmod(8 * len(self._data) - self._at, 8)
        if odd:
            raise WireError("a binary frame whose payload is not whole bytes")
        return self.take_bytes(count)
