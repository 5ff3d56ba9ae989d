from __future__ import annotations

import warnings
from hashlib import sha256
from itertools import product
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis.strategies import binary, integers, lists
from noise.connection import Keypair, NoiseConnection

from agent.hub.protocol.handshake import prologue
from agent.hub.protocol.noise import (
    AES,
    CHACHA,
    KK,
    MAX_MESSAGE,
    SUITES,
    XX,
    CipherState,
    NoiseError,
    NoiseHandshake,
    NotAuthentic,
    protocol_name,
)
from agent.hub.protocol.primitives import public_key
from tests.hub import noise_vectors as vectors
from tests.hub.noise_vectors import HandshakeVector

PAIRS = list(product((XX, KK), SUITES))
PROLOGUE = b"what both have heard"
LOW_ORDER = bytes(32)


def sides(pattern: str, suite: str, **changed: Any) -> tuple[NoiseHandshake, NoiseHandshake]:
    """A client and a hub that agree; `changed` is what the client has otherwise."""
    hub = NoiseHandshake(
        pattern,
        suite,
        initiator=False,
        prologue=PROLOGUE,
        psk=vectors.PSK,
        static_private=vectors.HUB_STATIC,
        remote_static=vectors.CLIENT_STATIC_PUBLIC if pattern == KK else None,
    )
    client = {
        "prologue": PROLOGUE,
        "psk": vectors.PSK,
        "static_private": vectors.CLIENT_STATIC,
        "remote_static": vectors.HUB_STATIC_PUBLIC if pattern == KK else None,
        **changed,
    }
    return NoiseHandshake(pattern, suite, initiator=True, **client), hub


def run(writer: Any, reader: Any) -> None:
    """Carry messages to and fro until both are finished."""
    while not writer.finished:
        assert reader.read(writer.write(b"payload")) == b"payload"
        writer, reader = reader, writer


class Published:
    """The independent implementation, in our words."""

    def __init__(self, pattern: str, suite: str, *, initiator: bool) -> None:
        own, peer = (vectors.CLIENT_STATIC, vectors.HUB_STATIC_PUBLIC)
        if not initiator:
            own, peer = (vectors.HUB_STATIC, vectors.CLIENT_STATIC_PUBLIC)
        self._noise = NoiseConnection.from_name(protocol_name(pattern, suite).encode())
        self._noise.set_keypair_from_private_bytes(Keypair.STATIC, own)
        if pattern == KK:
            self._noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, peer)
        self._noise.set_psks(vectors.PSK)
        self._noise.set_prologue(PROLOGUE)
        if initiator:
            self._noise.set_as_initiator()
        else:
            self._noise.set_as_responder()
        self._noise.start_handshake()
        self._state = self._noise.noise_protocol.handshake_state

    @property
    def finished(self) -> bool:
        return bool(self._noise.handshake_finished)

    @property
    def remote_static(self) -> bytes:
        return bytes(self._state.rs.public.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def hash(self) -> bytes:
        return bytes(self._noise.get_handshake_hash())

    def write(self, payload: bytes) -> bytes:
        return bytes(self._noise.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self._noise.read_message(message))

    def encrypt(self, plaintext: bytes) -> bytes:
        return bytes(self._noise.encrypt(plaintext))

    def decrypt(self, ciphertext: bytes) -> bytes:
        return bytes(self._noise.decrypt(ciphertext))


# ------------------------------------------------------------------------------------ published vectors


def test_public_keys_are_those_of_the_vectors() -> None:
    assert public_key(vectors.CLIENT_STATIC) == vectors.CLIENT_STATIC_PUBLIC
    assert public_key(vectors.HUB_STATIC) == vectors.HUB_STATIC_PUBLIC


@pytest.mark.parametrize("vector", vectors.HANDSHAKES, ids=str)
def test_a_whole_handshake_is_that_of_the_vectors_byte_for_byte(vector: HandshakeVector) -> None:
    heard = prologue(vectors.HELLO, vectors.OFFER, protocol_name(vector.pattern, vector.suite))
    assert sha256(heard).hexdigest() == vector.prologue_sha256
    shared = {"prologue": heard, "psk": vectors.PSK}
    kk = vector.pattern == KK
    client = NoiseHandshake(
        vector.pattern,
        vector.suite,
        initiator=True,
        static_private=vectors.CLIENT_STATIC,
        remote_static=vectors.HUB_STATIC_PUBLIC if kk else None,
        ephemeral=vectors.CLIENT_EPHEMERAL,
        **shared,
    )
    hub = NoiseHandshake(
        vector.pattern,
        vector.suite,
        initiator=False,
        static_private=vectors.HUB_STATIC,
        remote_static=vectors.CLIENT_STATIC_PUBLIC if kk else None,
        ephemeral=vectors.HUB_EPHEMERAL,
        **shared,
    )
    writer, reader = client, hub
    payloads = (vectors.PAYLOAD_1, vectors.PAYLOAD_2, b"")
    for message, payload in zip(vector.messages, payloads, strict=False):
        assert writer.write(payload).hex() == message
        assert reader.read(bytes.fromhex(message)) == payload
        writer, reader = reader, writer
    assert client.finished
    assert hub.finished
    assert client.hash.hex() == hub.hash.hex() == vector.hash
    assert client.remote_static == vectors.HUB_STATIC_PUBLIC
    assert hub.remote_static == vectors.CLIENT_STATIC_PUBLIC

    client_sends, client_receives = client.split()
    hub_sends, hub_receives = hub.split()
    assert client_sends.encrypt(vectors.FRAME_0).hex() == vector.client_to_hub
    assert hub_sends.encrypt(vectors.FRAME_0).hex() == vector.hub_to_client
    assert hub_receives.decrypt(bytes.fromhex(vector.client_to_hub)) == vectors.FRAME_0
    assert client_receives.decrypt(bytes.fromhex(vector.hub_to_client)) == vectors.FRAME_0


@pytest.mark.parametrize(("suite", "counter", "ciphertext"), vectors.NONCES)
def test_nonces_are_those_of_the_vectors(suite: str, counter: int, ciphertext: str) -> None:
    sealing = CipherState(suite, vectors.NONCE_KEY, counter=counter)
    opening = CipherState(suite, vectors.NONCE_KEY, counter=counter)
    assert sealing.encrypt(vectors.NONCE_PLAINTEXT).hex() == ciphertext
    assert opening.decrypt(bytes.fromhex(ciphertext)) == vectors.NONCE_PLAINTEXT
    assert sealing.counter == opening.counter == counter + 1


# --------------------------------------------------------------------------- an independent Noise


@pytest.mark.parametrize(("pattern", "suite"), PAIRS)
@pytest.mark.parametrize("published_is_the_client", [True, False])
def test_an_independent_noise_understands_ours(pattern: str, suite: str, published_is_the_client: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its own deprecated imports
        theirs = Published(pattern, suite, initiator=published_is_the_client)
    ours = sides(pattern, suite)[1 if published_is_the_client else 0]
    client, hub = (theirs, ours) if published_is_the_client else (ours, theirs)
    run(client, hub)
    assert ours.finished
    assert theirs.finished
    assert ours.hash == theirs.hash
    assert client.remote_static == vectors.HUB_STATIC_PUBLIC
    assert hub.remote_static == vectors.CLIENT_STATIC_PUBLIC
    send, receive = ours.split()
    for number in range(3):
        plaintext = bytes((number,)) * 65000
        assert theirs.decrypt(send.encrypt(plaintext)) == plaintext
        assert receive.decrypt(theirs.encrypt(plaintext)) == plaintext


# ------------------------------------------------------------------------------------ what must not work


@pytest.mark.parametrize(("pattern", "suite"), PAIRS)
@pytest.mark.parametrize("changed", [{"psk": bytes(32)}, {"prologue": PROLOGUE + b"!"}])
def test_another_password_or_another_history_does_not_authenticate(
    pattern: str, suite: str, changed: dict[str, bytes]
) -> None:
    client, hub = sides(pattern, suite, **changed)
    with pytest.raises(NotAuthentic):
        run(client, hub)
    assert not (client.finished and hub.finished)


def test_under_kk_either_key_being_another_does_not_authenticate() -> None:
    other = bytes(range(1, 33))
    for changed in ({"static_private": other}, {"remote_static": public_key(other)}):
        client, hub = sides(KK, CHACHA, **changed)
        with pytest.raises(NotAuthentic):
            hub.read(client.write(b""))


def test_under_xx_the_hub_learns_nothing_of_a_client_that_cannot_read_message_2() -> None:
    client, hub = sides(XX, CHACHA, psk=bytes(32))
    hub.read(client.write())  # it carries no secret yet
    with pytest.raises(NotAuthentic):
        client.read(hub.write(b""))
    assert hub.remote_static is None


def due(pattern: str, suite: str, number: int) -> tuple[NoiseHandshake, bytes]:
    """The side that awaits message `number`, counted from 0, and that message."""
    writer, reader = sides(pattern, suite)
    for _ in range(number):
        reader.read(writer.write())
        writer, reader = reader, writer
    return reader, writer.write(b"payload")


@pytest.mark.parametrize(("pattern", "suite"), PAIRS)
def test_every_truncation_and_every_changed_byte_of_a_handshake_message_ends_the_handshake(
    pattern: str, suite: str
) -> None:
    for number in range(3 if pattern == XX else 2):
        _, message = due(pattern, suite, number)
        for place in range(0, len(message), 3):
            for change in (b"", b"\xff", b"\0"):
                reader, message = due(pattern, suite, number)
                rest = message[place + 1 :] if change else b""
                if change == message[place : place + 1]:
                    continue
                with pytest.raises(NoiseError):
                    reader.read(message[:place] + change + rest)
                assert not reader.finished
                with pytest.raises(RuntimeError):
                    reader.read(message)


@pytest.mark.parametrize(("pattern", "suite"), PAIRS)
def test_a_peer_whose_ephemeral_key_everybody_knows_is_refused(pattern: str, suite: str) -> None:
    client, hub = sides(pattern, suite)
    hub.read(client.write())
    with pytest.raises(NoiseError, match="of no use"):
        client.read(LOW_ORDER + hub.write()[32:])


def test_a_pin_that_is_nobodys_key_is_refused_when_it_is_used() -> None:
    client, _ = sides(KK, CHACHA, remote_static=LOW_ORDER)
    with pytest.raises(NoiseError, match="of no use"):
        client.write()


def test_a_message_longer_than_noise_allows_is_refused() -> None:
    _, hub = sides(XX, CHACHA)
    for read in (hub.read, CipherState(CHACHA, bytes(32)).decrypt):
        with pytest.raises(NoiseError, match="length"):
            read(bytes(MAX_MESSAGE + 1))


def test_messages_out_of_turn_are_the_callers_mistake() -> None:
    client, hub = sides(XX, CHACHA)
    with pytest.raises(RuntimeError):
        hub.write()
    with pytest.raises(RuntimeError):
        client.read(b"")
    with pytest.raises(RuntimeError):
        client.split()


def test_a_psk_or_a_key_of_another_length_is_the_callers_mistake() -> None:
    for changed in ({"psk": b"short"}, {"static_private": b"short"}, {"remote_static": b"short"}):
        with pytest.raises(ValueError):  # noqa: PT011 - some of the texts are the cryptography package's
            sides(KK, CHACHA, **changed)
    with pytest.raises(ValueError, match="static key"):
        sides(KK, CHACHA, remote_static=None)


# -------------------------------------------------------------------------------------------- transport


@given(plaintexts=lists(binary(max_size=40), min_size=1, max_size=6), at=integers(0, 5), flip=integers(0, 10_000))
def test_a_frame_opens_only_whole_unchanged_and_in_its_place(plaintexts: list[bytes], at: int, flip: int) -> None:
    for suite in SUITES:
        send, receive = CipherState(suite, bytes(32)), CipherState(suite, bytes(32))
        frames = [send.encrypt(plaintext) for plaintext in plaintexts]
        at %= len(frames)
        for frame, plaintext in zip(frames[:at], plaintexts, strict=False):
            assert receive.decrypt(frame) == plaintext
        good = frames[at]
        place = flip % len(good)
        changed = good[:place] + bytes((good[place] ^ (1 << flip % 8),)) + good[place + 1 :]
        others = [frame for number, frame in enumerate(frames) if number != at]
        for bad in (changed, good[:place], good + b"\0", b"", *others):
            with pytest.raises(NoiseError):
                receive.decrypt(bad)
            assert receive.counter == at
        assert receive.decrypt(good) == plaintexts[at]


def test_a_counter_that_is_used_up_seals_nothing_more() -> None:
    for suite in SUITES:
        cipher = CipherState(suite, bytes(32), counter=2**64 - 2)
        cipher.encrypt(b"the last")
        with pytest.raises(NoiseError, match="used up"):
            cipher.encrypt(b"one too many")


def test_nothing_shows_a_key_in_its_repr() -> None:
    client, _ = sides(KK, AES)
    shown = repr(client) + repr(CipherState(AES, vectors.PSK))
    for secret in (vectors.CLIENT_STATIC, vectors.PSK):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
