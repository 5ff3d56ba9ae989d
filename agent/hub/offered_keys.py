"""The keys hubs showed in the place of the pinned ones, kept for the person who decides.

A hub whose key changed is never trusted by itself. What it showed is written down beside the pins, so that
`thalovant-agent trust` can show it, and put it in the old one's place, without asking the network once more: what a
person compared is what is pinned.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from agent.hub.files import replace_file
from agent.hub.keyring import Keyring
from agent.record import record

_FILE = "offered_hub_keys.json"
_KEY = re.compile(r"[0-9a-f]{64}")


@record
class Offered:
    """One hub's other key."""

    pin_id: str
    """Which of the hub's addresses, as the pins are named."""
    pinned: bytes | None
    offered: bytes


def fingerprint(key: bytes) -> str:
    """A key as people compare it: SHA-256, half of it, in groups of four."""
    digest = hashlib.sha256(key).hexdigest()[:32]
    return "-".join(digest[at : at + 4] for at in range(0, 32, 4))


def note(keyring: Keyring, pin_id: str, key: bytes) -> None:
    """Remember that the hub showed this key. Best effort: a full disk keeps a person from accepting it, no more."""
    known = _read(keyring)
    if known.get(pin_id) != key.hex():
        _write(keyring, {**known, pin_id: key.hex()})


def waiting(keyring: Keyring) -> list[Offered]:
    """The keys that differ from the pinned ones. Raises ThalovantIdentityError when the pins cannot be read."""
    found = (Offered(pin_id, keyring.pin(pin_id), bytes.fromhex(text)) for pin_id, text in _read(keyring).items())
    return [one for one in found if one.offered != one.pinned]


def accept(keyring: Keyring, wanted: str, *, also: Iterable[str] = ()) -> list[Offered]:
    """Pin the keys with this fingerprint, wherever they were offered; those pinned. Raises ThalovantIdentityError.

    `also` are pins of the same device: one of them that held the old key gets the new one too, for it is the same hub
    at another of its addresses, which has not been asked yet.
    """
    plain = _plain(wanted)
    accepted = [one for one in waiting(keyring) if plain and _plain(fingerprint(one.offered)) == plain]
    for one in tuple(accepted):
        others = (pin_id for pin_id in also if one.pinned is not None and keyring.pin(pin_id) == one.pinned)
        accepted += [Offered(pin_id, one.pinned, one.offered) for pin_id in others if pin_id != one.pin_id]
    for one in accepted:
        keyring.replace_pin(one.pin_id, one.offered)
    left = {one.pin_id: one.offered.hex() for one in waiting(keyring)}
    if accepted:
        _write(keyring, left)
    return accepted


def _plain(text: str) -> str:
    return re.sub(r"[-:\s]", "", text).lower()


def _path(keyring: Keyring) -> Path:
    return keyring.folder / _FILE


def _read(keyring: Keyring) -> dict[str, str]:
    try:
        known = json.loads(_path(keyring).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: key for name, key in known.items() if isinstance(key, str) and _KEY.fullmatch(key)}


def _write(keyring: Keyring, known: Mapping[str, str]) -> None:
    with suppress(OSError):
        replace_file(_path(keyring), json.dumps(known, indent=2).encode() + b"\n")
