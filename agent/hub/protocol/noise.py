"""Noise, revision 34, as far as hubs speak it: XXpsk2 and KKpsk0, over X25519 and SHA-256, in both roles.

Wire reference, noise.md section 5. The primitives are libraries' (`primitives`); here is only their order. The one
idea: both sides keep a chaining key, into which every secret they share is mixed, and a hash of everything said so
far, which every encrypted field is bound to. Whoever lacks one secret, or heard one other byte, decrypts nothing from
then on; that a password is wrong and that a prologue was tampered with cannot be told apart.

In a handshake with a PSK every ephemeral key is mixed in as soon as it is sent ("every `e` also calls MixKey"), so
there is always a key: only the ephemeral keys themselves travel in the clear.

Nothing here is for several threads, and nothing shows a key in its repr.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from agent.hub.protocol import primitives
from agent.hub.protocol.primitives import (
    KEY_BYTES,
    AesGcm,
    ChaCha20Poly1305,
    NotSealedWithThisKeyError,
    new_private_key,
    shared_secret,
)

XX, KK = "XXpsk2", "KKpsk0"
CHACHA, AES = "25519_ChaChaPoly_SHA256", "25519_AESGCM_SHA256"
SUITES = (CHACHA, AES)
"""In the order of preference."""

MAX_MESSAGE = 65535
"""Bytes in one Noise message, of the handshake or of the transport."""

_TAG_BYTES = 16
_LAST_COUNTER = 2**64 - 1
"""Kept for rekeying by the specification, never used for a message."""

_BYTE_ORDERS: dict[str, Literal["little", "big"]] = {CHACHA: "little", AES: "big"}

_MESSAGES = {
    XX: (("e",), ("e", "ee", "s", "es", "psk"), ("s", "se")),
    KK: (("psk", "e", "es", "ss"), ("e", "ee", "se")),
}  # The initiator writes the first, the other the second, and so on. KK has the static keys as pre-messages.


class NoiseError(Exception):
    """The peer's message is of no use. Its message names neither keys nor what was said."""


class NotAuthentic(NoiseError):  # noqa: N818 - it names what is so
    """The message is whole and does not decrypt: another key, another history, or another byte."""


class CipherState:
    """One direction of a session, or the handshake's cipher until its next key: a key and a counter."""

    __slots__ = ("_aead", "_byte_order", "counter")

    def __init__(self, suite: str, key: bytes, *, counter: int = 0) -> None:
        self._aead = ChaCha20Poly1305(key) if suite == CHACHA else AesGcm(key)
        self._byte_order = _BYTE_ORDERS[suite]
        self.counter = counter
        """How many messages it has sealed or opened."""

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        """The plaintext sealed, 16 bytes longer."""
        ciphertext = self._aead.encrypt(self._nonce(), plaintext, associated)
        self.counter += 1
        return ciphertext

    def decrypt(self, ciphertext: bytes, associated: bytes = b"") -> bytes:
        """The plaintext. Raises NoiseError and does not advance when this is not the peer's next message."""
        if not _TAG_BYTES <= len(ciphertext) <= MAX_MESSAGE:
            raise NoiseError("a sealed message of an impossible length")
        try:
            plaintext = self._aead.decrypt(self._nonce(), ciphertext, associated)
        except NotSealedWithThisKeyError:
            raise NotAuthentic("a message does not decrypt") from None
        self.counter += 1
        return plaintext

    def _nonce(self) -> bytes:
        if self.counter >= _LAST_COUNTER:
            raise NoiseError("the message counter is used up")
        return bytes(4) + self.counter.to_bytes(8, self._byte_order)


class NoiseHandshake:
    """One side of a handshake: `write` and `read` in turn until `finished`, then `split`.

    `remote_static` is the peer's public key, needed for KK and learnt under XX. `ephemeral`, a private key, makes it
    deterministic and is for vectors alone. Raises ValueError for a key or PSK that is none.
    """

    def __init__(
        self,
        pattern: str,
        suite: str,
        *,
        initiator: bool,
        prologue: bytes,
        psk: bytes,
        static_private: bytes,
        remote_static: bytes | None = None,
        ephemeral: bytes | None = None,
    ) -> None:
        if len(psk) != KEY_BYTES:
            raise ValueError("a PSK has 32 bytes")
        self._initiator = initiator
        self._psk = psk
        self._mine = {
            "s": static_private,
            "e": ephemeral or new_private_key(),
        }
        self._public = {name: primitives.public_key(private) for name, private in self._mine.items()}
        self._theirs: dict[str, bytes] = {}
        self._state = _SymmetricState(protocol_name(pattern, suite), suite)
        self._state.mix_hash(prologue)
        if pattern == KK:
            if remote_static is None:
                raise ValueError("KK needs the peer's static key")
            if len(remote_static) != KEY_BYTES:
                raise ValueError("an X25519 key has 32 bytes")
            self._theirs["s"] = remote_static
            keys = [self._public["s"], remote_static]
            for key in keys if initiator else reversed(keys):
                self._state.mix_hash(key)
        self._to_come: tuple[tuple[str, ...], ...] = _MESSAGES[pattern]
        self._my_turn = initiator
        self._failed = False

    @property
    def finished(self) -> bool:
        """Every message has been written and read."""
        return not self._to_come and not self._failed

    @property
    def remote_static(self) -> bytes | None:
        """The peer's public key; None as long as it is not known."""
        return self._theirs.get("s")

    @property
    def hash(self) -> bytes:
        """The handshake hash, 32 bytes: the same on both sides as long as they agree."""
        return self._state.hash

    def write(self, payload: bytes = b"") -> bytes:
        """The next message, with `payload` encrypted in it. NoiseError when the peer's key is of no use."""
        message = b""
        with self._turn(mine=True) as tokens:
            for token in tokens:
                match token:
                    case "e":
                        key = self._public["e"]
                        self._state.mix_ephemeral(key)
                        message += key
                    case "s":
                        message += self._state.encrypt(self._public["s"])
                    case _:
                        self._mix(token)
            return message + self._state.encrypt(payload)

    def read(self, message: bytes) -> bytes:
        """The payload of the peer's next message. NoiseError ends the handshake."""
        with self._turn(mine=False) as tokens:
            if len(message) > MAX_MESSAGE:
                raise NoiseError("a handshake message of an impossible length")
            for token in tokens:
                match token:
                    case "e":
                        key, message = message[:KEY_BYTES], message[KEY_BYTES:]
                        self._theirs["e"] = _public_key(key)
                        self._state.mix_ephemeral(key)
                    case "s":
                        sealed, message = message[: KEY_BYTES + _TAG_BYTES], message[KEY_BYTES + _TAG_BYTES :]
                        self._theirs["s"] = _public_key(self._state.decrypt(sealed))
                    case _:
                        self._mix(token)
            return self._state.decrypt(message)

    def split(self) -> tuple[CipherState, CipherState]:
        """The ciphers of the session, the sending one first. Only once, and only when `finished`."""
        if not self.finished:
            raise RuntimeError("the handshake is not finished")
        first, second = self._state.split()
        return (first, second) if self._initiator else (second, first)

    def _mix(self, token: str) -> None:
        if token == "psk":
            self._state.mix_key_and_hash(self._psk)
            return
        # "es" is the initiator's ephemeral with the responder's static key, and so on.
        mine, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        try:
            shared = shared_secret(self._mine[mine], self._theirs[theirs])
        except ValueError:  # a point of low order, whose secret everybody knows
            raise NoiseError("a public key of no use") from None
        self._state.mix_key(shared)

    @contextmanager
    def _turn(self, *, mine: bool) -> Iterator[tuple[str, ...]]:
        """The tokens of the message that is due; one that is broken off leaves nothing to go on from."""
        if self._failed or not self._to_come or self._my_turn is not mine:
            raise RuntimeError("no such message is due")
        self._failed = True
        yield self._to_come[0]
        self._to_come, self._my_turn, self._failed = self._to_come[1:], not mine, False


class _SymmetricState:
    """The chaining key, the hash of everything said, and the cipher both lead to."""

    _cipher: CipherState  # from the first key on; nothing is encrypted before it

    def __init__(self, name: str, suite: str) -> None:
        encoded = name.encode()
        self.hash = encoded.ljust(32, b"\0") if len(encoded) <= 32 else hashlib.sha256(encoded).digest()
        self._chaining_key = self.hash
        self._suite = suite

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, secret: bytes) -> None:
        self._chaining_key, key = _hkdf(self._chaining_key, secret, 2)
        self._cipher = CipherState(self._suite, key)

    def mix_key_and_hash(self, secret: bytes) -> None:
        self._chaining_key, hashed, key = _hkdf(self._chaining_key, secret, 3)
        self.mix_hash(hashed)
        self._cipher = CipherState(self._suite, key)

    def mix_ephemeral(self, key: bytes) -> None:
        self.mix_hash(key)
        self.mix_key(key)

    def encrypt(self, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        plaintext = self._cipher.decrypt(ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = _hkdf(self._chaining_key, b"", 2)
        return CipherState(self._suite, first), CipherState(self._suite, second)


def _hkdf(chaining_key: bytes, secret: bytes, count: int) -> list[bytes]:
    """`count` keys out of the chaining key and one more secret (the specification's HKDF)."""
    drawn = hmac.digest(chaining_key, secret, "sha256")
    keys = [b""]
    for number in range(1, count + 1):
        keys.append(hmac.digest(drawn, keys[-1] + bytes((number,)), "sha256"))
    return keys[1:]


def protocol_name(pattern: str, suite: str) -> str:
    """The name that both sides hash first, such as Noise_XXpsk2_25519_ChaChaPoly_SHA256."""
    return f"Noise_{pattern}_{suite}"


def _public_key(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise NoiseError("a public key that is cut short")
    return key
