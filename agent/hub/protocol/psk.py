"""The key that a password stands for, on one hub. Wire reference, noise.md section 3."""

from __future__ import annotations

import hashlib


def derive_psk(password: str, node_id: str) -> bytes:
    """Stretch the connection password into the 32-byte key of one hub.

    Argon2id, three passes over 64 MiB: slow on a small board, so callers cache the result. The parameters are part of
    the wire contract; a peer with others derives another key, and that looks exactly like a wrong password.
    """
    # Not at the top: a device whose PSK is cached never loads it.
    from argon2.low_level import Type, hash_secret_raw

    return hash_secret_raw(
        secret=password.encode(),
        salt=hashlib.sha256(node_id.encode()).digest(),
        time_cost=3,
        memory_cost=64 << 10,  # KiB
        parallelism=1,
        hash_len=32,
        type=Type.ID,
        version=0x13,
    )
