"""The client's side of the negotiation, from the hub's HELLO to a session.

Wire reference, noise.md sections 1 to 7. Cleartext frames go in, orders come out, to be carried out as they stand:
what must be on disk before a frame may leave comes before it in the list. The PSK takes seconds to derive on a small
board and the pin lies on a disk, so both are asked of the caller by an order, and nothing here ever waits.

Until message 2 authenticates, everything the hub said may be anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from agent.hub.protocol import wire
from agent.hub.protocol.noise import KK, SUITES, XX, NoiseError, NoiseHandshake, NotAuthentic, protocol_name
from agent.hub.protocol.session import Session
from agent.hub.protocol.wire import WireError
from agent.record import field, record

MAX_MESSAGE_HEX = 131070
"""Characters in a `msg`: 65535 bytes in hex."""

_FIRST_PAYLOAD = {"binarize": False, "encodings": []}


class HandshakeError(Exception):
    """The hub was heard and there will be no session."""


class HandshakeRefused(HandshakeError):  # noqa: N818 - it names what happened
    """Message 2 does not authenticate. Under XX: the passwords differ. Under KK: try again with XX, which tells."""

    def __init__(self) -> None:
        super().__init__("the hub's answer does not authenticate")


class HubKeyChanged(HandshakeError):  # noqa: N818 - it names what happened
    """The hub knows the password, and its static key is not the pinned one. `hub_key`: the key it has now."""

    def __init__(self, hub_key: bytes) -> None:
        super().__init__("the hub's key is not the pinned one")
        self.hub_key = hub_key


class HubStartedAnew(WireError):  # noqa: N818 - it names what happened
    """The hub said HELLO a second time: it has forgotten this negotiation (MQTT)."""

    def __init__(self) -> None:
        super().__init__("the hub started the negotiation anew")


@record
class SendText:
    """Send this cleartext frame."""

    text: str = field(repr=False)


@record
class NeedPsk:
    """Find or derive the PSK for this hub and call `Handshake.use_psk`."""

    node_id: str = field(repr=False)


@record
class StorePin:
    """Pin the hub's key. It must be on disk before the orders behind this one: a pin that is lost lets another hub in,
    and the next frame shows the hub our own key."""

    key: bytes


@record
class Established:
    """The session. Its first frame must be the encrypted HELLO."""

    session: Session = field(repr=False)
    hub_key: bytes
    """The hub's static key, 32 bytes; pinned by now."""
    pattern: str
    """ "KKpsk0" or "XXpsk2"."""


Order = SendText | NeedPsk | StorePin | Established


class Phase(Enum):
    """What is awaited."""

    HELLO = auto()
    OFFER = auto()
    PSK = auto()
    MESSAGE_2 = auto()
    NOTHING = auto()


class Handshake:
    """One attempt, for one carrier and one thread. An attempt that raised is over.

    `pin` is the hub's static key as it was first seen, None at first contact. `force_xx` leaves the pin out of the
    choice of the pattern, not out of the check. `hello` is the payload of the cleartext HELLO where the client speaks
    first (MQTT). `ephemeral`, a private key, is for vectors alone.
    """

    def __init__(
        self,
        *,
        static_private: bytes,
        pin: bytes | None,
        force_xx: bool = False,
        hello: Mapping[str, Any] | None = None,
        ephemeral: bytes | None = None,
    ) -> None:
        self._static_private = static_private
        self._pin = pin
        self._force_xx = force_xx
        self._hello = hello
        self._ephemeral = ephemeral
        self._phase = Phase.HELLO
        self._hub_hello: dict[str, Any] = {}
        self._suite = ""
        self._prologue = b""
        self._noise: NoiseHandshake | None = None
        self._node_id: str | None = None
        self._pattern: str | None = None
        self._hub_key: bytes | None = None
        self._sent_first = False

    @property
    def node_id(self) -> str | None:
        """The hub's id, from its HELLO on."""
        return self._node_id

    @property
    def pattern(self) -> str | None:
        """ "KKpsk0" or "XXpsk2", from the offer on."""
        return self._pattern

    @property
    def sent_first(self) -> bool:
        """Message 1 was handed out, so that the hub's silence or refusal speaks of the password or of a key."""
        return self._sent_first

    @property
    def hub_key(self) -> bytes | None:
        """The hub's static key, once message 2 authenticated; also when it is not the pinned one."""
        return self._hub_key

    def start(self) -> list[Order]:
        """The first orders: on MQTT our HELLO, which is how the hub learns of us; elsewhere none."""
        return [] if self._hello is None else [_send("hello", self._hello)]

    def receive(self, text: str | bytes) -> list[Order]:
        """Take one cleartext frame of the hub.

        Raises HandshakeRefused, HubKeyChanged, HubStartedAnew, and WireError for everything else that the hub should
        not have said.
        """
        phase, self._phase = self._phase, Phase.NOTHING
        message = wire.decode(text)
        kind = _OTHER_NAMES.get(message["msg_type"], message["msg_type"])
        if kind == "hello" and self._node_id is not None:
            raise HubStartedAnew
        step = _STEPS.get((phase, kind))
        if step is None:
            raise WireError("the hub said what the negotiation has no place for")
        payload = message.get("payload")
        if not isinstance(payload, dict):
            raise WireError("a negotiation frame without a payload")
        return step(self, payload)

    def use_psk(self, psk: bytes) -> list[Order]:
        """Go on with the PSK that NeedPsk asked for. Raises WireError when the pin cannot be anybody's key."""
        if self._phase is not Phase.PSK or self._pattern is None:
            raise RuntimeError("no PSK was asked for")
        self._noise = NoiseHandshake(
            self._pattern,
            self._suite,
            initiator=True,
            prologue=self._prologue,
            psk=psk,
            static_private=self._static_private,
            remote_static=self._pin if self._pattern == KK else None,
            ephemeral=self._ephemeral,
        )
        try:
            message = self._noise.write(canonical_json(_FIRST_PAYLOAD))
        except NoiseError as error:
            raise WireError(str(error)) from error
        self._phase, self._sent_first = Phase.MESSAGE_2, True
        return [_send_noise(message, pattern=self._pattern, suite=self._suite)]

    # -- one step for each frame of the hub

    def _take_hello(self, payload: dict[str, Any]) -> list[Order]:
        node_id = payload.get("node_id")
        if not isinstance(node_id, str) or not node_id:
            raise WireError("a HELLO without the hub's id")
        # Kept whole: "unknown members are part of the prologue".
        self._hub_hello, self._node_id = payload, node_id
        self._phase = Phase.OFFER
        return []

    def _take_offer(self, payload: dict[str, Any]) -> list[Order]:
        noise = payload.get("noise")
        if not isinstance(noise, dict) or "msg" in noise:
            raise WireError("an offer that offers nothing; the hub may be of another version")
        suites, patterns = _strings(noise.get("suites")), _strings(noise.get("patterns"))
        suite = next((suite for suite in SUITES if suite in suites), None)
        pattern = KK if self._pin is not None and not self._force_xx and KK in patterns else XX
        if suite is None or pattern not in patterns or self._node_id is None:
            raise WireError("the hub offers no Noise pattern or suite that this client has")
        self._prologue = prologue(self._hub_hello, payload, protocol_name(pattern, suite))
        self._pattern, self._suite = pattern, suite
        self._phase = Phase.PSK
        return [NeedPsk(self._node_id)]

    def _take_message_2(self, payload: dict[str, Any]) -> list[Order]:
        noise, pattern = self._noise, self._pattern
        assert noise is not None
        assert pattern is not None
        try:
            noise.read(noise_message(payload))  # what the hub adds, {"encoding": …}, has no meaning any more
        except NotAuthentic:
            raise HandshakeRefused from None
        except NoiseError as error:
            raise WireError(str(error)) from error
        key = self._hub_key = noise.remote_static
        assert key is not None
        orders: list[Order] = []
        if pattern == XX:
            # "The check comes before XX message 3 leaves": a hub with a changed key never sees ours.
            if self._pin is None:
                orders.append(StorePin(key))
            elif self._pin != key:
                raise HubKeyChanged(key)
            orders.append(_send_noise(noise.write()))
        self._noise = None  # and with it the keys that the session no longer needs
        return [*orders, Established(Session(*noise.split()), key, pattern)]


_STEPS: Mapping[tuple[Phase, str], Callable[[Handshake, dict[str, Any]], list[Order]]] = {
    (Phase.HELLO, "hello"): Handshake._take_hello,
    (Phase.OFFER, "shake"): Handshake._take_offer,
    (Phase.MESSAGE_2, "shake"): Handshake._take_message_2,
}  # Any other pair is a WireError. `use_psk` leads from PSK to MESSAGE_2.

_OTHER_NAMES = {"handshake": "shake"}


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The one spelling of a value that both sides hash. WireError for text that is no Unicode, which has none."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        raise WireError("a negotiation frame that has no canonical form") from None


def prologue(hello: Mapping[str, Any], offer: Mapping[str, Any], name: str) -> bytes:
    """What both sides heard before message 1, and what they settled on. One other byte looks like a wrong password."""
    return canonical_json(hello) + canonical_json(offer) + name.encode()


def noise_message(payload: Mapping[str, Any]) -> bytes:
    """The Noise message in a `shake`. Raises WireError."""
    noise = payload.get("noise")
    text = noise.get("msg") if isinstance(noise, dict) else None
    if not isinstance(text, str) or len(text) > MAX_MESSAGE_HEX:
        raise WireError("a negotiation frame without a Noise message")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise WireError("a Noise message that is not hex") from None


def _send_noise(message: bytes, **choice: str) -> SendText:
    return _send("shake", {"noise": {**choice, "msg": message.hex()}})


def _send(msg_type: str, payload: Mapping[str, Any]) -> SendText:
    return SendText(wire.encode(wire.envelope(msg_type, payload)))


def _strings(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
