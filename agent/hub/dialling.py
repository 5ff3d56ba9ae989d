"""From an identity to an authenticated session: open the carrier, negotiate, and hear the hub answer.

A hub accepts in silence, so an attempt is only good once a probe sent behind the handshake is answered. What a refusal
looks like differs by carrier (wire reference, transports.md), what it means does not:

- under KK, anything that ends the exchange once message 1 is out (a close, 409, silence, a message 2 that does not
  authenticate) may be a changed password or a changed hub key, and XX tells which: so XX follows at once, in the same
  call, and the cached PSK is forgotten (noise.md section 9);
- after XX, an end before the hub said anything that decrypts is the hub refusing this device's own key.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from agent.hub import offered_keys
from agent.hub.connection import Connection, because
from agent.hub.endpoints import split
from agent.hub.errors import (
    ThalovantClientKeyRejectedError,
    ThalovantConnectionError,
    ThalovantHubKeyChangedError,
    ThalovantHubRefusedError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring
from agent.hub.previous import Previous
from agent.hub.protocol import wire
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.closing import is_refusal
from agent.hub.protocol.handshake import (
    Established,
    Handshake,
    HandshakeRefused,
    HubKeyChanged,
    HubStartedAnew,
    NeedPsk,
    Order,
    SendText,
    StorePin,
)
from agent.hub.protocol.session import SessionBroken
from agent.hub.protocol.wire import WireError
from agent.hub.transports.base import Transport
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.record import field, record

log = logging.getLogger(__name__)


@record(kw_only=True)
class Caller:
    """Who dials: what every attempt of one device has in common."""

    identity: ThalovantIdentity
    keyring: Keyring
    user_agent: str
    """The product token the hub sees, `Name/1.2`: not empty, without a colon."""
    session_id: str
    """The connection's own conversation. The same for every connection of a device, so that late answers find it."""
    client_id: str = ""
    """The MQTT client id, the same for every connection, so that a new one takes the place of a lost one at the
    broker."""
    affinity: MutableMapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """What HTTPS connections leave for the next one; see HttpsTransport."""


@record(kw_only=True)
class Limits:
    """How long each part of an attempt may take, in seconds."""

    connect: float = 4.0
    """DNS, TCP, TLS and the carrier's own opening."""
    handshake: float = 20.0
    """Everything after it, the hub's slow first derivation of the PSK included."""
    hello: float = 2.0
    """On MQTT: silence after our HELLO. The hub holds an older connection of this key, is down, or does not know the
    key. After the second HELLO it may take twice as long: a hub that just started is slow."""
    message_2: float = 5.0
    """On MQTT: silence after message 1 under KK, which is all a hub that cannot read it does."""
    answer: float = 8.0
    """Between the handshake and the answer to the probe."""


class _KkFailedError(Exception):
    """The exchange under KK came to nothing; XX tells why."""

    def __init__(self, node_id: str | None) -> None:
        super().__init__()
        self.node_id = node_id


class _UnheardError(Exception):
    """The hub did not say HELLO to ours, or said it twice: once more, from `offline`."""


def dial(
    caller: Caller,
    protocol: str,
    *,
    limits: Limits | None = None,
    previous: Previous = Previous.LOST,
    stopped: Callable[[], bool] = lambda: False,
    wake: int = -1,
) -> Connection:
    """An established connection over `protocol`, heard to live. Takes at most about 25 s for each of KK and XX.

    `previous` decides on the second's pause in MQTT's opening. `stopped` is asked whenever the descriptor `wake`
    becomes readable. Raises, each with a cause: ThalovantHubRefusedError, ThalovantClientKeyRejectedError,
    ThalovantHubKeyChangedError, ThalovantConnectionError for all that waiting may mend;
    ThalovantUnsupportedProtocolError and ThalovantIdentityError for what is wrong on this side.
    """
    attempt = _Attempt(caller, protocol, limits or Limits(), stopped, wake)
    force_xx, unheard = False, 0
    while True:
        try:
            return attempt.run(force_xx=force_xx, previous=previous, patience=1 + unheard)
        except _KkFailedError as failed:
            if failed.node_id is not None:
                caller.keyring.forget_psk(caller.identity, failed.node_id)
            log.debug("no session under KK; trying XX", extra={"protocol": protocol})
            force_xx, previous = True, Previous.LOST
        except _UnheardError:
            unheard += 1
            if unheard > 1:
                raise ThalovantConnectionError("the hub does not answer", cause=Cause.HUB_SILENT) from None
            previous = Previous.LOST


def make_transport(caller: Caller, protocol: str, *, previous: Previous = Previous.LOST) -> Transport:
    """The carrier for `protocol`, not opened yet. Raises ThalovantUnsupportedProtocolError."""
    identity = caller.identity
    url = identity.address_for(protocol)
    match protocol:
        case "wss":
            from agent.hub.transports.wss import WssTransport

            return WssTransport(url, identity.access_key, user_agent=caller.user_agent)
        case "https":
            from agent.hub.transports.https import HttpsTransport

            return HttpsTransport(url, identity.access_key, user_agent=caller.user_agent, affinity=caller.affinity)
        case "mqtt" if identity.mqtt is not None:
            from agent.hub.transports.mqtt import MqttTransport

            broker = identity.mqtt
            return MqttTransport(
                host=broker.host,
                port=broker.port,
                tls=broker.encrypted,
                username=broker.username,
                password=broker.password,
                topic_base=broker.topic_base(),
                qos=broker.qos,
                client_id=caller.client_id,
                previous=previous,
            )
    raise ThalovantUnsupportedProtocolError(f"there is no protocol {protocol!r}; there are wss, https and mqtt")


class _Attempt:
    """One try after the other with the same caller; holds no state between them."""

    def __init__(self, caller: Caller, protocol: str, limits: Limits, stopped: Callable[[], bool], wake: int) -> None:
        self._caller = caller
        self._protocol = protocol
        self._limits = limits
        self._stopped = stopped
        self._wake = wake
        self._pin_id = caller.identity.pin_id(protocol)
        self._opened_at = 0.0
        self._hello_seconds = limits.hello

    def run(self, *, force_xx: bool, previous: Previous, patience: int = 1) -> Connection:
        self._hello_seconds = self._limits.hello * patience
        transport = make_transport(self._caller, self._protocol, previous=previous)
        began = time.monotonic()
        try:
            established = self._negotiate(transport, force_xx=force_xx)
            connection = Connection(
                transport,
                established.session,
                session_id=self._caller.session_id,
                hub_key=established.hub_key,
            )
            connection.transport_open_ms = round((self._opened_at - began) * 1000, 3)
            connection.handshake_ms = round((time.monotonic() - self._opened_at) * 1000, 3)
            self._prove(transport, connection, established)
        except BaseException:
            transport.abandon()
            raise
        return connection

    # -- the carrier and the handshake

    def _negotiate(self, transport: Transport, *, force_xx: bool) -> Established:
        keyring = self._caller.keyring
        handshake = Handshake(
            static_private=keyring.static_private(),
            pin=keyring.pin(self._pin_id),
            force_xx=force_xx,
            hello=self._hello() if transport.speaks_first else None,
        )
        try:
            transport.open(self._limits.connect)
            self._opened_at = time.monotonic()
            return self._exchange(transport, handshake)
        except CarrierFailed as error:
            raise self._unreachable(error) from None
        except CarrierClosed as closed:
            if _under_kk(handshake):
                raise _KkFailedError(handshake.node_id) from None
            if closed.gone and transport.speaks_first:
                # Somebody's `offline`: the hub's own, late, or the will of an older connection. It tells nothing of us.
                raise _UnheardError from None
            spoken = closed.refused or is_refusal(closed.code, since_handshake=None, code_late=closed.code_late_seconds)
            if (spoken or closed.gone) and handshake.hub_key is not None:
                raise self._key_rejected(certain=spoken) from None  # the answer to message 3, which shows our own key
            if spoken or closed.gone:
                raise _refused(closed, handshake) from None
            raise ThalovantConnectionError(
                f"the hub ended the negotiation{because(closed)}", cause=Cause.DROPPED
            ) from None
        except HandshakeRefused:
            if _under_kk(handshake):
                raise _KkFailedError(handshake.node_id) from None
            if handshake.node_id is not None:
                keyring.forget_psk(self._caller.identity, handshake.node_id)
            raise ThalovantHubRefusedError(Cause.WRONG_PASSWORD.sentence, cause=Cause.WRONG_PASSWORD) from None
        except HubKeyChanged as changed:
            offered_keys.note(keyring, self._pin_id, changed.hub_key)
            raise ThalovantHubKeyChangedError(Cause.HUB_KEY_CHANGED.sentence, cause=Cause.HUB_KEY_CHANGED) from None
        except HubStartedAnew:
            if _under_kk(handshake):
                raise _KkFailedError(handshake.node_id) from None
            raise _UnheardError from None
        except WireError as error:
            if _under_kk(handshake):
                raise _KkFailedError(handshake.node_id) from None
            raise ThalovantConnectionError(f"the hub broke the protocol: {error}", cause=Cause.PROTOCOL) from None

    def _exchange(self, transport: Transport, handshake: Handshake) -> Established:
        """Carry the handshake's orders out until it is done."""
        identity, keyring = self._caller.identity, self._caller.keyring
        ends = time.monotonic() + self._limits.handshake
        derived: tuple[str, bytes] | None = None
        orders: list[Order] = handshake.start()
        while True:
            for order in orders:  # which grows while it is carried out: a PSK leads to message 1
                match order:
                    case SendText(text):
                        transport.send(text)
                    case NeedPsk(node_id):
                        psk = keyring.psk(identity, node_id)
                        if psk is None:
                            from agent.hub.protocol.psk import derive_psk

                            psk = derive_psk(identity.password, node_id)
                            derived = (node_id, psk)
                        orders += handshake.use_psk(psk)
                    case StorePin(key):
                        keyring.store_pin(self._pin_id, key)
                    case Established():
                        if derived is not None:
                            keyring.store_psk(identity, *derived)  # proved: message 2 authenticated under it
                        return order
            orders = handshake.receive(self._heard(transport, handshake, ends))

    def _heard(self, transport: Transport, handshake: Handshake, ends: float) -> str | bytes:
        """The hub's next cleartext frame, or what its silence means."""
        silent = transport.speaks_first and (
            (handshake.node_id is None and self._hello_seconds) or (_under_kk(handshake) and self._limits.message_2)
        )
        until = min(ends, time.monotonic() + silent) if silent else ends
        while (left := until - time.monotonic()) > 0:
            heard = transport.receive(left, self._wake)
            self._check_stopped()
            if heard is None:
                continue
            if transport.speaks_first and isinstance(heard, bytes) and not wire.looks_like_json(heard):
                continue  # the end of an older session (transports.md section 3, "Advice" 4)
            return heard
        if _under_kk(handshake):
            raise _KkFailedError(handshake.node_id)
        if silent:
            raise _UnheardError
        raise ThalovantConnectionError("the hub does not go on with the negotiation", cause=Cause.HUB_SILENT)

    # -- after the handshake

    def _prove(self, transport: Transport, connection: Connection, established: Established) -> None:
        """Announce this device, ask, and wait until the hub answers.

        What it says before that also proves that it accepted this device, but not that it means to stay.
        """
        began = time.monotonic()
        session = established.session
        try:
            for envelope in (wire.envelope("hello", self._hello()), wire.rendezvous()):
                for sealed in session.seal(envelope):
                    transport.send(sealed)
            transport.announce()
            ends = began + self._limits.answer
            while (left := ends - time.monotonic()) > 0:
                frame = transport.receive(left, self._wake)
                self._check_stopped()
                if frame is None:
                    continue
                message = session.open(frame)
                if message is None:
                    continue
                if isinstance(message, dict) and message["msg_type"] == "rendezvous":
                    return
                connection.put_back(message)
        except CarrierFailed as error:
            raise self._unreachable(error) from None
        except CarrierClosed as closed:
            ended = time.monotonic()
            with contextlib.suppress(CarrierFailed, CarrierClosed, SessionBroken):
                while (frame := transport.receive(0.0)) is not None:  # said before the close, and not heard yet
                    session.open(frame)
            raise self._ended_early(closed, established, ended - began) from None
        except SessionBroken as error:
            if error.hub_started_anew and not session.opened and established.pattern.startswith("XX"):
                raise self._key_rejected(certain=False) from None
            raise ThalovantConnectionError(str(error), cause=Cause.PROTOCOL) from None
        raise ThalovantConnectionError("the hub does not answer after the negotiation", cause=Cause.HUB_SILENT)

    def _ended_early(self, closed: CarrierClosed, established: Established, seconds: float) -> ThalovantConnectionError:
        heard = established.session.opened > 0
        spoken = is_refusal(
            closed.code,
            since_handshake=max(seconds - closed.code_late_seconds, 0.0),
            code_late=closed.code_late_seconds,
            heard=heard,
        )
        if heard or not (spoken or closed.refused or closed.gone):
            return ThalovantConnectionError(f"the hub ended the connection{because(closed)}", cause=Cause.DROPPED)
        if established.pattern.startswith("XX"):
            return self._key_rejected(certain=spoken or closed.refused)
        return ThalovantHubRefusedError(f"the hub turned this device away{because(closed)}", cause=Cause.DROPPED)

    def _key_rejected(self, *, certain: bool) -> ThalovantClientKeyRejectedError:
        return ThalovantClientKeyRejectedError(
            cause=Cause.CLIENT_KEY_REJECTED, key_folder=self._caller.keyring.folder, certain=certain
        )

    def _unreachable(self, error: CarrierFailed) -> ThalovantConnectionError:
        from agent.hub.transports.faults import local_network_cause

        url = self._caller.identity.address_for(self._protocol)
        parts = split(url)
        nearer = None
        if error.cause in {Cause.DNS, Cause.NO_ROUTE, Cause.NO_ANSWER}:
            nearer = local_network_cause((parts.hostname if parts else None) or "")
        return ThalovantConnectionError(nearer.sentence if nearer else str(error), cause=nearer or error.cause)

    def _hello(self) -> dict[str, Any]:
        # No "pubkey": the first value ever sent for an access key is kept for good, and an empty one counts (noise.md
        # section 7).
        return {"session": {"session_id": self._caller.session_id}, "site_id": self._caller.identity.site_id}

    def _check_stopped(self) -> None:
        if self._stopped():
            raise ThalovantConnectionError("stopped while connecting")


def _under_kk(handshake: Handshake) -> bool:
    """Whether message 1 of KK is out: from here on nothing tells a changed password from a changed key."""
    return handshake.sent_first and (handshake.pattern or "").startswith("KK")


def _refused(closed: CarrierClosed, handshake: Handshake) -> ThalovantHubRefusedError:
    """Which credential was refused: before message 1 there is only the access key to refuse."""
    cause = Cause.WRONG_PASSWORD if handshake.sent_first else Cause.UNKNOWN_KEY
    return ThalovantHubRefusedError(cause.sentence, cause=cause)
