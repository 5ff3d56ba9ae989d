"""The thread that owns a client's connection, in both directions, from the first call that needs one until `close`.

Other threads hand it envelopes and wait for the outcome; what the hub says it hands out at once, to functions that must
not wait. It probes the hub with `Pulse`, as a device's link does, so that a hub never drops an idle client unnoticed.

An envelope is handed to a carrier at most once. Only for one that was certainly not handed over `NotConnectedError` is
raised, and the caller may connect and try again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from agent.hub.connection import Connection, Incoming
from agent.hub.errors import (
    ThalovantClientKeyRejectedError,
    ThalovantConnectionError,
    ThalovantError,
    ThalovantHubKeyChangedError,
    ThalovantTimeoutError,
)
from agent.hub.health import Phase, ThalovantConnectionInfo, milliseconds, utc_now
from agent.hub.protocol import wire
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.keeping import Pulse, PulseTerms
from agent.record import record, replace

log = logging.getLogger(__name__)

_REDIAL_FIRST, _REDIAL_CEILING = 1.0, 60.0
"""Seconds until a lost link is dialled again for the handlers' sake, doubling; each between half and one and a half."""
_ASLEEP_SECONDS = 30.0
"""A wait that took this much longer than it should: the process or the board slept, so the link is suspect."""
_GOODBYE_SECONDS = 2.0
_CLOSED = "the client was closed"
_NOT_SENT = "the message could not be sent in time"
_NOT_TAKEN = "the carrier did not take the message in time; the hub may have it"
_HOPELESS = (ThalovantHubKeyChangedError, ThalovantClientKeyRejectedError)


class NotConnectedError(ThalovantConnectionError):
    """There is no link, and the envelope was not handed to any carrier."""


@record
class _Order:
    envelope: Mapping[str, Any]
    done: Future[None]


class Pump:
    """One client's thread and its connections, one after the other. Every method but `_run` is for any thread."""

    def __init__(
        self,
        dial: Callable[[Callable[[], bool], int], Connection],
        *,
        heard: Callable[[Incoming], object],
        lost: Callable[[ThalovantConnectionError], object],
        wants_link: Callable[[], bool],
        pulse_terms: PulseTerms | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`dial` makes a connection, and asks its first argument whether to stop when its second, a descriptor, is
        readable. `heard` and `lost` are called on the pump's thread. `wants_link` says whether a lost link is to be
        dialled again though nobody calls.
        """
        self._dial = dial
        self._heard = heard
        self._lost = lost
        self._wants_link = wants_link
        self._pulse_terms = pulse_terms
        self._chance = chance
        self._lock = threading.Lock()
        self._awake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closing = threading.Event()
        self._suspected = threading.Event()
        self._up = False
        self._callers: list[Future[None]] = []
        self._probes: list[Future[None]] = []
        self._outgoing: deque[_Order] = deque()
        self._redial_at: float | None = None
        self._redial_wait = _REDIAL_FIRST
        self.info = ThalovantConnectionInfo()
        """How the connection is; replaced whole, so that any thread may read it."""
        self._thread = threading.Thread(target=self._run, name="thalovant-client", daemon=True)
        self._thread.start()

    # -- from any thread

    @property
    def usable(self) -> bool:
        """False once it was closed, or its thread died."""
        return not self._closing.is_set() and self._thread.is_alive()

    @property
    def up(self) -> bool:
        """Whether there is a link."""
        return self._up

    def connect(self, deadline: float) -> None:
        """Return once there is a link. Raises what dialling raised, or ThalovantTimeoutError at `deadline`.

        An attempt outlives the caller that could not wait for it, and the next call finds what came of it.
        """
        with self._lock:
            if self._up:
                return
            self._check_open()
            waiting: Future[None] = Future()
            self._callers.append(waiting)
        self._wake_up()
        try:
            waiting.result(max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            raise ThalovantTimeoutError("the hub could not be reached in time") from None

    def send(self, envelope: Mapping[str, Any], deadline: float) -> None:
        """Hand the envelope to the carrier. Returns when it took it, which says nothing of the hub.

        Raises NotConnectedError when it was not handed over for want of a link, ThalovantTimeoutError when not by
        `deadline`, and ThalovantConnectionError or ThalovantTimeoutError when the hub may have it all the same.
        TypeError and ValueError for what JSON cannot say.
        """
        if time.monotonic() >= deadline:
            raise ThalovantTimeoutError(_NOT_SENT)
        order = _Order(envelope, Future())
        with self._lock:
            if not self._up:
                raise NotConnectedError("there is no link to the hub")
            self._outgoing.append(order)
        self._wake_up()
        try:
            order.done.result(max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            withdrawn = order.done.cancel()
            raise ThalovantTimeoutError(_NOT_SENT if withdrawn else _NOT_TAKEN) from None

    def probe(self, deadline: float) -> bool:
        """Ask the hub whether it is there; False when it has not answered by `deadline`."""
        waiting: Future[None] = Future()
        with self._lock:
            if not self._up:
                return False
            self._probes.append(waiting)
        self.suspect()
        try:
            waiting.result(max(deadline - time.monotonic(), 0.0))
        except (TimeoutError, ThalovantConnectionError):
            return False
        return True

    def suspect(self) -> None:
        """Something is odd: find out soon whether the link lives."""
        self._suspected.set()
        self._wake_up()

    def close(self, deadline: float) -> None:
        """Say goodbye and end the thread, waiting for it until `deadline`. Idempotent."""
        self._closing.set()
        self._wake_up()
        if self._thread is not threading.current_thread():
            self._thread.join(max(deadline - time.monotonic(), 0.0))

    # -- the thread

    def _run(self) -> None:
        # Also when something fails that nobody foresaw, whoever waits must hear of it.
        ending = ThalovantConnectionError("the client failed; its thread's traceback says at what")
        try:
            while not self._closing.is_set():
                if not self._due():
                    self._pause()
                elif (connection := self._open()) is not None:
                    self._serve(connection)
            ending = ThalovantConnectionError(_CLOSED)
        finally:
            self._closing.set()
            self._ended(ending, phase="closed")

    def _due(self) -> bool:
        """Whether to dial: somebody waits, or it is time to look again."""
        if self._redial_at is not None and time.monotonic() >= self._redial_at and self._wants_link():
            return True
        with self._lock:
            return bool(self._callers)

    def _open(self) -> Connection | None:
        began = time.monotonic()
        self.info = ThalovantConnectionInfo(phase="connecting", started_at=utc_now())
        try:
            connection = self._dial(self._closing.is_set, self._awake)
        except ThalovantError as error:
            self._sleep_off()
            self.info = replace(self.info, phase="error", last_error=str(error))
            self._plan_redial(error)
            self._answer_callers(error)
            return None
        self._sleep_off()
        self._redial_at, self._redial_wait = None, _REDIAL_FIRST
        self.info = replace(
            self.info,
            phase="ready",
            protocol=connection.protocol,
            connected_at=utc_now(),
            transport_open_ms=connection.transport_open_ms,
            handshake_ms=connection.handshake_ms,
            connect_ms=milliseconds(time.monotonic() - began),
        )
        with self._lock:
            self._up = True
        self._answer_callers(None)
        return connection

    def _serve(self, connection: Connection) -> None:
        """Serve the connection until it ends or the client does."""
        pulse = Pulse(time.monotonic(), self._pulse_terms)
        try:
            while not self._closing.is_set():
                self._send_waiting(connection)
                now = time.monotonic()
                if self._suspected.is_set():
                    self._suspected.clear()
                    pulse.suspect(now)
                if pulse.dead(now):
                    raise ThalovantConnectionError(Cause.HUB_SILENT.sentence, cause=Cause.HUB_SILENT)
                if pulse.due(now):
                    connection.send(wire.rendezvous())
                    pulse.sent(now)
                timeout = max(pulse.deadline() - now, 0.0)
                message = connection.receive(timeout, self._awake)
                self._sleep_off()
                if time.monotonic() - now > timeout + _ASLEEP_SECONDS:
                    self._suspected.set()
                if message is not None:
                    self._take(message, pulse)
        except ThalovantConnectionError as error:
            connection.abandon()
            log.debug("client link lost", extra={"protocol": connection.protocol, "detail": str(error)})
            self._plan_redial(error)
            self._ended(error, phase="error")
        except BaseException:
            connection.abandon()
            raise
        else:
            # Nobody may wait for the goodbye.
            self._ended(ThalovantConnectionError(_CLOSED), phase="closed")
            connection.close(_GOODBYE_SECONDS)

    def _send_waiting(self, connection: Connection) -> None:
        while True:
            with self._lock:
                if not self._outgoing:
                    return
                order = self._outgoing.popleft()
            if not order.done.set_running_or_notify_cancel():
                continue  # its caller could not wait
            try:
                connection.send(order.envelope)
            except (TypeError, ValueError, RecursionError) as error:
                order.done.set_exception(error)
            except BaseException as error:
                order.done.set_exception(error)
                raise
            else:
                order.done.set_result(None)

    def _take(self, message: Incoming, pulse: Pulse) -> None:
        if isinstance(message, dict) and message["msg_type"] == "rendezvous":
            pulse.answered(time.monotonic())
            with self._lock:
                probes, self._probes = self._probes, []
            for probe in probes:
                probe.set_result(None)
        self._heard(message)

    def _plan_redial(self, error: ThalovantError) -> None:
        """Look again later, where handlers wait for what the hub says and waiting can help."""
        if isinstance(error, _HOPELESS) or not isinstance(error, ThalovantConnectionError) or not self._wants_link():
            self._redial_at = None
            return
        self._redial_at = time.monotonic() + self._redial_wait * (0.5 + self._chance())
        self._redial_wait = min(self._redial_wait * 2, _REDIAL_CEILING)

    def _ended(self, error: ThalovantConnectionError, *, phase: Phase) -> None:
        """The link is gone, or there will be none: tell everybody who waits."""
        with self._lock:
            self._up = False
            outgoing, self._outgoing = self._outgoing, deque()
            probes, self._probes = self._probes, []
        self.info = replace(self.info, phase=phase, last_error=None if phase == "closed" else str(error))
        for order in outgoing:
            if order.done.set_running_or_notify_cancel():
                order.done.set_exception(NotConnectedError(str(error), cause=error.cause))
        for probe in probes:
            probe.set_exception(error)
        self._lost(error)
        if phase == "closed":
            self._answer_callers(error)

    def _answer_callers(self, error: ThalovantError | None) -> None:
        with self._lock:
            callers, self._callers = self._callers, []
        for waiting in callers:
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)

    def _check_open(self) -> None:
        if not self.usable:
            raise ThalovantConnectionError(_CLOSED)

    def _pause(self) -> None:
        """Wait until somebody wants something, or it is time to dial again."""
        poll = select.poll()
        poll.register(self._awake, select.POLLIN)
        redial_at = self._redial_at
        waits = redial_at is not None and self._wants_link()
        poll.poll(max((redial_at or 0.0) - time.monotonic(), 0.0) * 1000 + 1 if waits else None)
        self._sleep_off()

    def _sleep_off(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._awake)

    def _wake_up(self) -> None:
        os.eventfd_write(self._awake, 1)

    def __del__(self) -> None:
        os.close(self._awake)
