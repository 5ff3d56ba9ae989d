"""One authenticated session over one carrier: envelopes in, envelopes out, until it ends.

It is made by `agent.hub.dialling.dial`, used by one thread, and never repaired: one lost, repeated or reordered frame
ends a Noise session, so whatever goes wrong raises ThalovantConnectionError with a cause, and the caller dials anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from agent.hub.errors import ThalovantConnectionError
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.session import Session, SessionBroken
from agent.hub.transports.base import Transport
from agent.hub.transports.errors import CarrierClosed, CarrierFailed

Incoming = dict[str, Any] | Binary


class Connection:
    """An established session. One thread uses it."""

    def __init__(self, transport: Transport, session: Session, *, session_id: str, hub_key: bytes) -> None:
        self._transport = transport
        self._session = session
        self._early: deque[Incoming] = deque()
        self.session_id = session_id
        """The conversation the hub files messages under that name none."""
        self.hub_key = hub_key
        """The hub's static key, 32 bytes; the one pinned."""
        self.transport_open_ms: float | None = None
        self.handshake_ms: float | None = None
        """What opening the carrier took, and the negotiation over it; set by whoever did it."""

    @property
    def protocol(self) -> str:
        """ "mqtt", "wss" or "https"."""
        return self._transport.protocol

    def send(self, envelope: Mapping[str, Any]) -> None:
        """Seal the envelope and hand it to the carrier, whole and in order. Raises ThalovantConnectionError.

        That the carrier took it says nothing of the hub. TypeError and ValueError for what cannot be said, or is too
        large: then nothing left, and the session lives on.
        """
        try:
            frames = self._session.seal(envelope)
            for frame in frames:
                self._transport.send(frame)
        except (CarrierFailed, CarrierClosed) as error:
            raise lost(error) from None
        except SessionBroken as error:
            raise ThalovantConnectionError(str(error), cause=Cause.PROTOCOL) from None

    def receive(self, timeout: float, wake: int = -1) -> Incoming | None:
        """The next envelope or binary frame; None after `timeout` seconds, or once the descriptor `wake` is readable.

        Raises ThalovantConnectionError when the session is over.
        """
        if self._early:
            return self._early.popleft()
        deadline = time.monotonic() + timeout
        try:
            while True:
                frame = self._transport.receive(max(deadline - time.monotonic(), 0.0), wake)
                if frame is None:
                    return None
                message = self._session.open(frame)
                if message is not None:
                    return message
        except (CarrierFailed, CarrierClosed) as error:
            raise lost(error) from None
        except SessionBroken as error:
            cause = Cause.DROPPED if error.hub_started_anew else Cause.PROTOCOL
            raise ThalovantConnectionError(str(error), cause=cause) from None

    def put_back(self, message: Incoming) -> None:
        """Let `receive` return this next: it came while something else was waited for."""
        self._early.append(message)

    def close(self, timeout: float = 2.0) -> None:
        """Say goodbye and let go, within `timeout` seconds. Idempotent, raises nothing."""
        self._transport.close(timeout)

    def abandon(self) -> None:
        """Let go without a word: what is left of it is not worth waiting for. Idempotent, raises nothing."""
        self._transport.abandon()


def lost(error: CarrierFailed | CarrierClosed) -> ThalovantConnectionError:
    """The end of an established session, in the library's words."""
    if isinstance(error, CarrierFailed):
        return ThalovantConnectionError(str(error), cause=error.cause)
    return ThalovantConnectionError(f"the hub ended the connection{because(error)}", cause=Cause.DROPPED)


def because(closed: CarrierClosed) -> str:
    """What the far side said about it, as the end of a sentence."""
    if closed.reason:
        return f": {closed.reason}"
    return f" (code {closed.code})" if closed.code is not None else ""
