"""The hub's side of the protocol without a socket: HELLO, offer, Noise as responder, session, probe.

A `HubSide` is what a hub keeps while connections come and go, and its fields are what a test changes to break it: the
password, the key, the pin, the patterns, the proof. Each connection is a `HubConnection`: frames in, frames out, str
for cleartext and bytes for sealed ones, `Aborted` where a hub closes. Which silence, status or close code that becomes
is the carrier's business. Wire reference, noise.md and hub-behaviour.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from agent.hub.protocol import wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.handshake import noise_message, prologue
from agent.hub.protocol.noise import KK, SUITES, XX, NoiseError, NoiseHandshake, protocol_name
from agent.hub.protocol.primitives import public_key
from agent.hub.protocol.psk import derive_psk
from agent.hub.protocol.session import Session, SessionBroken
from agent.hub.protocol.wire import WireError
from tests.peers.wire1 import pack

PASSWORD = "Tr0ub4dor-Horse-Battery-91x"
NODE_ID = "node-alpha"
KEY = bytes(range(32, 64))
OTHER_KEY = bytes(range(96, 128))

_remembered_psk = lru_cache(derive_psk)  # a test should not wait for argon2 twice


class Aborted(Exception):  # noqa: N818 - it names what happened
    """The hub ends this connection."""

    def __init__(self, reason: str, *, code: int = 1008) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(kw_only=True)
class HubSide:
    """One hub with one client's row."""

    password: str = PASSWORD
    node_id: str = NODE_ID
    static_private: bytes = KEY
    client_pin: bytes | None = None
    """The client's public key as first seen; any other is refused. KK is offered only when there is one."""
    pins: bool = True
    """Whether a first key is kept. False: every client makes first contact, and none is refused."""
    patterns: tuple[str, ...] = (KK, XX)
    suites: tuple[str, ...] = SUITES
    forged: frozenset[str] = frozenset()
    """The patterns under which message 2 does not authenticate."""
    answers_probes: bool = True
    answer: Callable[[dict[str, Any]], Iterable[Mapping[str, Any]]] = lambda envelope: ()
    """The envelopes that answer a `bus` envelope."""
    ephemeral: bytes | None = None
    patterns_seen: list[str] = field(default_factory=list)
    """The pattern of every message 1, over all connections, in order."""

    @property
    def key(self) -> bytes:
        """The public key a client pins."""
        return public_key(self.static_private)

    def connect(self, *, peer: str = "UA/1::1::exp::s") -> HubConnection:
        """A new connection; `greet` is what the hub says first."""
        return HubConnection(self, peer)


class HubConnection:
    """One connection. One thread uses it."""

    def __init__(self, hub: HubSide, peer: str) -> None:
        self._hub = hub
        self._hello_payload: dict[str, Any] = {"pubkey": "", "peer": peer, "node_id": hub.node_id}
        offered = [pattern for pattern in hub.patterns if pattern != KK or hub.client_pin is not None]
        self._offer_payload: dict[str, Any] = {
            "max_protocol_version": 3,
            "binarize": False,
            "encodings": ["JSON-HEX"],
            "ciphers": ["AES-GCM"],
            "noise": {"patterns": offered, "suites": list(hub.suites)},
        }
        self._noise: NoiseHandshake | None = None
        self.session: Session | None = None
        """Set once the handshake is done, as far as this hub knows."""
        self.client_key: bytes | None = None
        self.cleartext_hello: dict[str, Any] | None = None
        """The payload of the HELLO a client says first on MQTT."""
        self.received: list[dict[str, Any] | Binary] = []
        """Everything that came through the session, the encrypted HELLO first."""

    def greet(self) -> list[str]:
        """HELLO and offer."""
        return [_text("hello", self._hello_payload), _text("shake", self._offer_payload)]

    def receive(self, frame: str | bytes) -> list[str | bytes]:
        """What the hub answers. Raises Aborted."""
        if self.session is not None:
            return self._within_session(frame)
        try:
            message = wire.decode(frame)
            payload = message.get("payload")
            if message["msg_type"] == "hello" and isinstance(payload, dict):
                self.cleartext_hello = payload
                return []
            if message["msg_type"] != "shake" or not isinstance(payload, dict):
                raise Aborted("unencrypted message rejected: crypto is required")
            noise = noise_message(payload)
            if self._noise is None:
                self._begin(payload["noise"].get("pattern"), payload["noise"].get("suite"))
            return self._handshake(noise)
        except WireError:
            raise Aborted("malformed Noise envelope") from None
        except NoiseError as error:
            raise Aborted(f"handshake failure: {error}") from None

    def say(self, envelope: Mapping[str, Any]) -> list[bytes]:
        """Frames of the hub's own accord."""
        assert self.session is not None
        return self.session.seal(envelope)

    def say_binary(self, data: bytes, *, kind: int = 6, metadata: Mapping[str, Any] | None = None) -> list[bytes]:
        """A `bin` frame, in as many transport messages as it takes."""
        assert self.session is not None
        return self.session.seal_body(pack("bin", data, kind=kind, metadata=metadata), binary=True)

    def _begin(self, pattern: Any, suite: Any) -> None:
        offered = self._offer_payload["noise"]
        if pattern not in offered["patterns"] or suite not in offered["suites"]:
            raise Aborted(f"pattern/suite not offered: {pattern}/{suite}")
        self._pattern: str = pattern
        self._hub.patterns_seen.append(pattern)
        self._noise = NoiseHandshake(
            pattern,
            suite,
            initiator=False,
            prologue=prologue(self._hello_payload, self._offer_payload, protocol_name(pattern, suite)),
            psk=_remembered_psk(self._hub.password, self._hub.node_id),
            static_private=self._hub.static_private,
            remote_static=self._hub.client_pin if pattern == KK else None,
            ephemeral=self._hub.ephemeral,
        )

    def _handshake(self, message: bytes) -> list[str | bytes]:
        assert self._noise is not None
        self._noise.read(message)
        answers: list[str | bytes] = []
        if not self._noise.finished:
            answer = self._noise.write(b'{"encoding": "JSON-HEX"}')
            if self._pattern in self._hub.forged:
                answer = answer[:-1] + bytes((answer[-1] ^ 1,))
            answers = [_text("shake", {"noise": {"msg": answer.hex()}})]
        if self._noise.finished:
            self._admit(self._noise)
        return answers

    def _admit(self, noise: NoiseHandshake) -> None:
        self.client_key = noise.remote_static
        if self._hub.client_pin not in (None, self.client_key):
            raise Aborted("client Noise static key contradicts the pinned key")
        if self._hub.pins:
            self._hub.client_pin = self.client_key
        self.session = Session(*noise.split())

    def _within_session(self, frame: str | bytes) -> list[str | bytes]:
        assert self.session is not None
        if isinstance(frame, str):
            if json.loads(frame).get("msg_type") == "shake":
                return []  # "a shake on an established session is ignored, not fatal"
            raise Aborted("non-Noise message received on a protocol v3 session")
        try:
            message = self.session.open(frame)
        except SessionBroken:
            raise Aborted("invalid Noise transport message (tampered, replayed or out-of-order)") from None
        if message is None:
            return []
        self.received.append(message)
        answers: list[Mapping[str, Any]] = []
        if isinstance(message, dict):
            if message["msg_type"] == "rendezvous" and self._hub.answers_probes:
                refusal = {"status": "error", "reason": "not_a_rendezvous_node", "mailbox_node": None}
                answers = [wire.envelope("rendezvous", refusal)]
            elif message["msg_type"] == "bus":
                answers = list(self._hub.answer(message))
        return [frame for envelope in answers for frame in self.session.seal(envelope)]


def _text(msg_type: str, payload: Mapping[str, Any]) -> str:
    # Spaced and with every member, as hubs write it: a client must not depend on its own spelling.
    members = {"node": None, "target_site_id": None, "target_pubkey": None, "source_peer": None}
    return json.dumps({"msg_type": msg_type, "payload": payload, "metadata": {}, "route": [], **members})
