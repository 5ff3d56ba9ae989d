"""X25519 and the two ciphers of the suites, from libraries.

PyNaCl for what nearly every hub speaks: loaded it takes 1.2 MiB, where the `cryptography` package takes 8. That one has
AES-GCM, and is imported when a hub insists on it.
"""

from __future__ import annotations

from typing import Protocol

from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
    randombytes,
)
from nacl.exceptions import CryptoError

KEY_BYTES = 32


class NotSealedWithThisKeyError(Exception):
    """Another key, another nonce, other associated data, or another byte."""


class Aead(Protocol):
    """A cipher under one key. Ciphertexts are 16 bytes longer than what they hold."""

    def encrypt(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Sealed under a nonce of 12 bytes."""
        ...

    def decrypt(self, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        """What was sealed. Raises NotSealedWithThisKeyError."""
        ...


class ChaCha20Poly1305:
    """RFC 8439."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        return crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, associated, nonce, self._key)

    def decrypt(self, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        try:
            return crypto_aead_chacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, self._key)
        except CryptoError:
            raise NotSealedWithThisKeyError from None


class AesGcm:
    """AES-256-GCM."""

    __slots__ = ("_cipher", "_invalid")

    def __init__(self, key: bytes) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self._invalid = InvalidTag

    def encrypt(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        return self._cipher.encrypt(nonce, plaintext, associated)

    def decrypt(self, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, ciphertext, associated)
        except self._invalid:
            raise NotSealedWithThisKeyError from None


def new_private_key() -> bytes:
    """A fresh X25519 private key."""
    return randombytes(KEY_BYTES)


def public_key(private: bytes) -> bytes:
    """The public key of a private one. Raises ValueError for one that has not 32 bytes."""
    return crypto_scalarmult_base(_checked(private))


def shared_secret(private: bytes, public: bytes) -> bytes:
    """What both sides can know. Raises ValueError for a key of no use: of another length, or a point of low order."""
    try:
        return crypto_scalarmult(_checked(private), _checked(public))
    except RuntimeError:  # the secret would be zero, which everybody knows
        raise ValueError("a point of low order") from None


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError("an X25519 key has 32 bytes")
    return key
