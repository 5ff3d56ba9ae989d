"""The PSK cache: what argon2id came to, kept so that a small board starts quickly.

Wire reference, identity.md section 7 and noise.md section 9. Losing it costs one derivation; believing a
wrong entry costs the link. So it is best effort in everything but that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import read_private, replace_file

_MOST_ENTRIES = 32
_LONGEST_NODE_ID = 512
_PSK_TEXT = re.compile(r"[0-9a-fA-F]{64}")
_SALT_BYTES = 16


class PskCache:
    """PSKs by access key, hub and password, in one JSON file that other programs may share.

    **How an entry knows its password.** The published client names an entry `<access key digest>@<node
    id>`, which outlives a change of the password and then fails for ever. Ours are named `<access key
    digest>@<node id>#<salt><proof>`: a fresh random salt and scrypt (N 2^14, r 8: 16 MiB) of the password
    under it, both as hex. An entry counts only when the proof is right for the password in hand. Nothing
    here can be searched faster than that scrypt allows, and the value beside it, the PSK, is itself a slow
    hash. The published client's own entries, which know no password, are left alone and never believed.

    A proof once checked is remembered for the life of the object, so that reconnecting costs nothing. An object is for
    one thread at a time; `expect` has the proof checked on another while that one dials.
    """

    def __init__(self, path: Path, *, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self._path = path
        self._lock = lock
        self._proved: dict[tuple[str, str, str], bytes] = {}
        self._checking: threading.Thread | None = None

    def expect(self, access_key: str, password: str) -> None:
        """Begin to check the newest entry of these two, on a thread of its own; the hub's name comes with its HELLO."""
        checking = threading.Thread(target=self._check, args=(access_key, password), name="psk cache", daemon=True)
        with suppress(RuntimeError):  # no thread to be had: `get` checks it itself
            checking.start()
            self._checking = checking

    def get(self, access_key: str, password: str, node_id: str) -> bytes | None:
        """The PSK for exactly these three; None when it is not known."""
        checking, self._checking = self._checking, None
        if checking is not None:
            checking.join()
        known = self._proved.get((access_key, password, node_id))
        if known is not None:
            return known
        for name, value in reversed(self._read().items()):
            entry, _, tag = name.rpartition("#")
            if entry == _entry(access_key, node_id) and _proves(tag, password):
                self._proved[access_key, password, node_id] = bytes.fromhex(value)
                return self._proved[access_key, password, node_id]
        return None

    def put(self, access_key: str, password: str, node_id: str, psk: bytes) -> None:
        """Keep `psk`, in the place of any other that was kept for this access key on this hub."""
        if self._proved.get((access_key, password, node_id)) == psk or len(psk) != 32:
            return
        self._forget(access_key, node_id)
        self._proved[access_key, password, node_id] = psk
        if len(node_id) > _LONGEST_NODE_ID:
            return
        salt = secrets.token_hex(_SALT_BYTES)
        name = f"{_entry(access_key, node_id)}#{salt}{_proof(password, salt)}"
        self._update(_entry(access_key, node_id), add={name: psk.hex()})

    def drop(self, access_key: str, node_id: str) -> None:
        """Forget every PSK of this access key on this hub; the published client's too, which would fail as ours did."""
        self._forget(access_key, node_id)
        self._update(_entry(access_key, node_id), theirs=True)

    def _check(self, access_key: str, password: str) -> None:
        ours = _entry(access_key, "")
        for name, value in reversed(self._read().items()):
            entry, _, tag = name.rpartition("#")
            if entry.startswith(ours):
                if _proves(tag, password):
                    self._proved[access_key, password, entry.removeprefix(ours)] = bytes.fromhex(value)
                return

    def _forget(self, access_key: str, node_id: str) -> None:
        for known in [known for known in self._proved if (known[0], known[2]) == (access_key, node_id)]:
            del self._proved[known]

    def _update(self, entry: str, *, theirs: bool = False, add: Mapping[str, str] | None = None) -> None:
        """Take out what we keep for `entry`, with `theirs` also what others do, and add. A full disk is no error."""
        with suppress(OSError, ThalovantIdentityError), self._lock():
            before = self._read()
            after = {
                name: psk
                for name, psk in before.items()
                if not name.startswith(f"{entry}#") and not (theirs and name == entry)
            }
            after |= add or {}
            if after != before:
                newest = dict(list(after.items())[-_MOST_ENTRIES:])
                replace_file(self._path, json.dumps(newest, ensure_ascii=False).encode())

    def _read(self) -> dict[str, str]:
        """Everything that can be believed, oldest first. A file that is damaged, huge or open to others is empty."""
        try:
            entries = json.loads("{}" if self._path.is_symlink() else read_private(self._path, "PSK cache"))
        except (ThalovantIdentityError, ValueError, RecursionError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return {name: psk for name, psk in entries.items() if isinstance(psk, str) and _PSK_TEXT.fullmatch(psk)}


def _entry(access_key: str, node_id: str) -> str:
    """The published client's name for the entry; the access key is an identifier, so its digest may be a fast one."""
    return f"{hashlib.sha256(access_key.encode()).hexdigest()[:16]}@{node_id}" if access_key else node_id


def _proves(tag: str, password: str) -> bool:
    """Whether `tag`, a salt and the proof under it, is of this password."""
    salt, proof = tag[: 2 * _SALT_BYTES], tag[2 * _SALT_BYTES :]
    return hmac.compare_digest(_proof(password, salt).encode(), proof.encode())


def _proof(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()
