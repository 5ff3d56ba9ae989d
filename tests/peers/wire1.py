"""The hub's side of WIRE-1: packing what a client only ever reads (wire reference, noise.md section 10)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from agent.hub.protocol.binary import TYPES


def pack(
    msg_type: str | int,
    payload: Mapping[str, Any] | bytes,
    *,
    metadata: Mapping[str, Any] | bytes | None = None,
    kind: int = 0,
    version: int | None = 1,
    deflate: bool = False,
) -> bytes:
    """A frame. `payload` and `metadata` given as bytes go in as they are, which is how to make a bad frame."""
    number = msg_type if isinstance(msg_type, int) else next(n for n, name in TYPES.items() if name == msg_type)
    packed = _pack(metadata or {}, deflate=deflate)
    if len(packed) > 255:
        raise ValueError("metadata over 255 bytes cannot be sent in this form")
    bits = "1"
    bits += "0" if version is None else f"1{version:08b}"
    bits += f"{number:05b}{deflate:b}{len(packed):08b}"
    bits += "".join(f"{byte:08b}" for byte in packed)
    if number == 12:
        bits += f"{kind:04b}"
    body = _pack(payload, deflate=deflate)
    head = int(bits, 2) << (8 * len(body)) | int.from_bytes(body)
    return head.to_bytes((len(bits) + 7) // 8 + len(body))


def _pack(value: Mapping[str, Any] | bytes, *, deflate: bool) -> bytes:
    if isinstance(value, bytes):
        return value
    text = json.dumps(value).encode()
    return zlib.compress(text) if deflate else text
