"""How a client reaches its hub: over which protocol, in how many tries, and what of it may be repeated.

Connecting may be, publishing may not: the hub may have what a carrier failed to confirm.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.hub import messages
from agent.hub.connection import Connection, Incoming
from agent.hub.dialling import Caller, Limits, dial
from agent.hub.endpoints import PROTOCOLS
from agent.hub.errors import (
    ThalovantConnectionError,
    ThalovantError,
    ThalovantHubKeyChangedError,
    ThalovantHubRefusedError,
    ThalovantTimeoutError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.health import ThalovantConnectionInfo
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring
from agent.hub.previous import Previous
from agent.hub.pump import NotConnectedError, Pump
from agent.record import record


@record(kw_only=True)
class Reaching:
    """The terms a client reaches its hub on; times in seconds."""

    protocol: str | None = None
    """The one to use whatever the identity's flags say; None chooses."""
    user_agent: str
    connect_seconds: float = 4.0
    handshake_seconds: float = 20.0
    send_seconds: float = 8.0
    """For the carrier to take one message."""
    retries: int = 1
    """Tries after the first, of a connect that failed."""
    redial: bool = True
    """Dial a lost link again, for the sake of handlers, though nobody calls."""
    key_folder: Path | None = None

    @property
    def budget(self) -> float:
        """What connecting may take where the caller says nothing."""
        return self.connect_seconds + self.handshake_seconds + 1.0


class Reach:
    """One client's way to its hub. Any thread."""

    def __init__(
        self,
        identity: ThalovantIdentity,
        terms: Reaching,
        *,
        heard: Callable[[Incoming], object],
        lost: Callable[[ThalovantConnectionError], object],
        wants_link: Callable[[], bool],
    ) -> None:
        """`heard` and `lost` are called on a thread that must not wait; see `Pump`."""
        self._identity = identity
        self._terms = terms
        self._heard = heard
        self._lost = lost
        self._wants_link = wants_link
        self.session_id = messages.new_session_id()
        # Each the same for every connection of this client, so that late answers find it, and a new connection takes
        # the place of a lost one at the broker.
        self._client_id = f"thalovant-{messages.new_session_id()[-32:]}"
        self._lock = threading.Lock()
        self._pump: Pump | None = None
        self._closed = False
        self._previous = Previous.NONE
        self._info = ThalovantConnectionInfo()
        self._worked: str | None = None

    @property
    def info(self) -> ThalovantConnectionInfo:
        """The connection in use, or the last one."""
        pump = self._pump
        return self._info if pump is None else pump.info

    @property
    def up(self) -> bool:
        """Whether there is a link now."""
        pump = self._pump
        return pump is not None and pump.up

    @property
    def protocol(self) -> str | None:
        """The protocol in use, else the one that would be tried first; None when the identity has none."""
        if self._terms.protocol or self._worked:
            return self._worked or self._terms.protocol
        return next(iter(choose(self._identity)), None)

    def connect(self, deadline: float | None = None, *, reopen: bool = False) -> Pump:
        """Return once there is a link; `reopen` also after `close`. Raises as `Pump.connect` does."""
        with self._lock:
            if self._closed and not reopen:
                raise ThalovantConnectionError("the client was closed; connect it again")
            self._closed = False
            if self._pump is None or not self._pump.usable:
                self._pump = Pump(
                    self._dialler(),
                    heard=self._heard,
                    lost=self._lost,
                    wants_link=lambda: self._terms.redial and self._wants_link(),
                )
            pump = self._pump
        pump.connect(deadline if deadline is not None else time.monotonic() + self._terms.budget)
        return pump

    def publish(
        self,
        envelope: Mapping[str, Any],
        deadline: float | None = None,
        *,
        before: Callable[[], object] = lambda: None,
    ) -> None:
        """Connect if needed and hand the envelope to the carrier, once. `before` is called just before that.

        Raises as `Pump.connect` and `Pump.send` do.
        """
        for left in reversed(range(self._terms.retries + 1)):
            pump = self.connect(deadline)
            before()
            try:
                pump.send(envelope, deadline if deadline is not None else time.monotonic() + self._terms.send_seconds)
            except NotConnectedError:
                if not left:
                    raise
            else:
                return

    def probe(self, deadline: float) -> bool:
        """Whether the hub answers, over the link there is, before `deadline`."""
        pump = self._pump
        return pump is not None and pump.probe(deadline)

    def suspect(self) -> None:
        """An answer is missing: find out soon whether the link lives, for the next call's sake."""
        pump = self._pump
        if pump is not None:
            pump.suspect()

    def close(self, deadline: float) -> None:
        """Say goodbye, and wait until it is said, until `deadline` at most. Idempotent."""
        with self._lock:
            pump, self._pump = self._pump, None
            self._closed = True
        if pump is None:
            return
        was_up = pump.up
        pump.close(deadline)
        self._info = pump.info
        self._previous = Previous.GOODBYE if was_up else Previous.LOST

    def keyring(self) -> Keyring:
        """The keys this client uses. Raises ThalovantIdentityError when they cannot be."""
        return Keyring.for_identity(self._identity, self._terms.key_folder)

    def _dialler(self) -> Callable[[Callable[[], bool], int], Connection]:
        """A function that dials, as one thread's: the keyring it makes is that thread's alone."""
        caller: Caller | None = None
        limits = Limits(connect=self._terms.connect_seconds, handshake=self._terms.handshake_seconds)

        def dialled(stopped: Callable[[], bool], wake: int) -> Connection:
            nonlocal caller
            if caller is None:
                caller = Caller(
                    identity=self._identity,
                    keyring=self.keyring(),
                    user_agent=self._terms.user_agent,
                    session_id=self.session_id,
                    client_id=self._client_id,
                )
            first_error: ThalovantError | None = None
            for protocol in self._tries():
                previous, self._previous = self._previous, Previous.LOST
                try:
                    connection = dial(caller, protocol, limits=limits, previous=previous, stopped=stopped, wake=wake)
                except (ThalovantHubRefusedError, ThalovantHubKeyChangedError):
                    raise  # the hub was reached, and another way leads to the same hub
                except ThalovantConnectionError as error:
                    first_error = first_error or error
                    if stopped():
                        break
                else:
                    self._worked = connection.protocol
                    return connection
            raise first_error or ThalovantUnsupportedProtocolError("this identity has nothing to reach a hub by")

        return dialled

    def _tries(self) -> list[str]:
        """What to dial, in order: the one protocol asked for, or first the one that worked, and then the others."""
        if self._terms.protocol:
            return [self._terms.protocol] * (self._terms.retries + 1)
        usable = choose(self._identity)
        if self._worked in usable:
            usable.remove(self._worked)
            usable.insert(0, self._worked)
        return usable if len(usable) > 1 else usable * (self._terms.retries + 1)


def choose(identity: ThalovantIdentity) -> list[str]:
    """The protocols to try for `identity` when the caller names none: WSS, HTTPS, MQTT, as far as they can be dialled.

    Those the identity says are switched off come last; broker credentials count as saying MQTT is on. An identity that
    says only the default, WSS, says nothing: many of those in the wild leave the flags out.
    """
    claimed = identity.enabled_protocols()
    on = PROTOCOLS if claimed == ("wss",) else {*claimed, "mqtt"}
    return sorted((name for name in PROTOCOLS if identity.can_dial(name)), key=lambda name: name not in on)


def deadline_after(timeout: float) -> float:
    """When `timeout` seconds from now is. ThalovantTimeoutError at once for one that is no time to wait."""
    if not math.isfinite(timeout) or timeout <= 0:
        raise ThalovantTimeoutError("the time allowed is over before anything was done")
    return time.monotonic() + timeout
