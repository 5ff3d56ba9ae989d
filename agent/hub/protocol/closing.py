"""What a WebSocket close means: the hub turned the credentials away, or the link just ended.

A hub accepts in silence and refuses by closing, so a close is read by its code, by when it came and by what came before
it. Wire reference, transports.md section 1 "Reading a close". Times are seconds.
"""

from __future__ import annotations

REFUSAL_CODES = frozenset({1000, 1005, 1008})
"""Orderly, no status, and policy: what hubs close with when they refuse. 1005 stands for a close frame without a
code."""
SETTLE_SECONDS = 0.75
"""How long after the handshake a close may still be the hub's answer to it."""
CODE_GRACE_SECONDS = 0.25
"""How much later than the close its code may be learnt and still count."""


def is_refusal(code: int | None, *, since_handshake: float | None, code_late: float = 0.0, heard: bool = False) -> bool:
    """Whether a close is a refusal.

    `code` is None where the stream ended without a close frame. `since_handshake` is None while the handshake runs,
    else the seconds from its end to the close. `code_late` is how long after the close its code was learnt; `heard`
    says whether the hub has sent anything since the handshake that decrypted, which a hub that refuses never does.
    """
    if code not in REFUSAL_CODES or code_late > CODE_GRACE_SECONDS:
        return False
    return since_handshake is None or (since_handshake <= SETTLE_SECONDS and not heard)
