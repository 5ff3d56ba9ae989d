"""The envelope: the JSON object around everything that client and hub say to each other.

Wire reference, messages.md section 1. An envelope stays a plain dictionary: of its members a client needs two,
`msg_type` and `payload`, and the rest is the mesh's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE_BYTES = 32 << 20
"""No message is larger, however it is packed: in chunks, deflated, or whole."""

_MEMBERS = frozenset(
    {"metadata", "route", "node", "target_site_id", "target_pubkey", "source_peer", "target_peers", "bin_type"}
)


class WireError(Exception):
    """The peer broke the protocol: this attempt or session is over. The message never quotes what the peer said."""


def envelope(
    msg_type: str, payload: Mapping[str, Any], *, metadata: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """An envelope of the kind `msg_type`, with the members given and no others.

    ValueError for a member the hub does not know: "an unknown member makes the frame undecodable", which
    would cost the session.
    """
    if unknown := more.keys() - _MEMBERS:
        raise ValueError(f"no envelope has the member {min(unknown)}")
    members = more if metadata is None else {"metadata": metadata, **more}
    return {"msg_type": msg_type, "payload": payload, **members}


def rendezvous() -> dict[str, Any]:
    """The probe that every hub answers at once with a `rendezvous` of its own, with no permission in the way."""
    return envelope("rendezvous", {})


def encode(envelope: Mapping[str, Any]) -> str:
    """The envelope as JSON in ASCII, so that even half a surrogate pair out of a code can travel.

    TypeError for a value that JSON does not have.
    """
    return json.dumps(envelope, separators=(",", ":"))


def decode(text: str | bytes) -> dict[str, Any]:
    """The envelope in `text`. WireError unless it is one JSON object with a string `msg_type`, bytes being UTF-8."""
    message = decode_object(text)
    if not isinstance(message.get("msg_type"), str):
        raise WireError("an envelope without a type")
    return message


def decode_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`; WireError for anything else."""
    try:
        # Decoded here and not by json, which would also take UTF-16 and UTF-32 for what they look like.
        value = json.loads(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):
        # Their texts quote the message.
        raise WireError("not JSON") from None
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


def looks_like_json(frame: bytes) -> bool:
    """Whether a payload that may be either is cleartext: the hub's own rule, by its first byte.

    One sealed frame in 128 looks so by chance. Within a session, decrypt first and ask this afterwards.
    """
    return frame.lstrip()[:1] in (b"{", b"[")
