"""The link of a device: one loop that keeps one session to the hub alive, whatever happens to what lies between.

The loop owns the connection. It does what `Keeping` decides about dialling and what `Pulse` decides about probing,
hands out what the hub says, and sends what the core gives it, each message over the session it was meant for or not at
all. A better protocol is tried beside it while a worse one works; the core takes it when nothing is in flight, so that
changing over neither loses nor repeats a message.

`run` is the body of a worker. Every other method may be called from any thread and returns at once.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from agent.hub import messages, offered_keys
from agent.hub.bell import Bell, Watch
from agent.hub.connection import Connection, Incoming
from agent.hub.dialling import Caller, dial
from agent.hub.errors import (
    ThalovantClientKeyRejectedError,
    ThalovantConnectionError,
    ThalovantError,
    ThalovantHubKeyChangedError,
    ThalovantHubRefusedError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.events import from_envelope
from agent.hub.keyring import Keyring
from agent.hub.link_events import HubSaid, HubSentBinary, LinkEvent, LinkOffer, LinkProved
from agent.hub.link_report import LinkReport, LinkSnapshot
from agent.hub.lookout import Lookout
from agent.hub.messages import BusMessage
from agent.hub.previous import Previous
from agent.hub.protocol import wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.causes import Cause
from agent.hub.protocol.keeping import Decision, Dial, Hold, Keeping, Outcome, Pulse, PulseTerms, Stop, Terms
from agent.hub.reply import ThalovantBinary
from agent.hub.surroundings import Change
from agent.record import replace

log = logging.getLogger(__name__)

_IN_USE_SECONDS = 60.0
"""A person who acted this recently may still stand there: a lost link is dialled at once."""
_WAITING_SECONDS = 30.0
"""A person who acted this recently waits for the answer: a connection may have been dead then and found so only now."""
_BEAT_SECONDS = 40.0
"""Also how soon another identity file is noticed while the link is up."""
_PERSON_SECONDS = 10.0
"""Between two looks whether the person who must act has: the key of a hub accepted, for instance."""
_ASLEEP_SECONDS = 15.0
"""A round that took this much longer than it should: the process was frozen or the board slept, so the link is
suspect."""
_SETTLE_SECONDS = 2.0
"""What the network gets to settle after it changed, and what spreads the devices behind one switch, at most."""
_MOST_WAITING = 1024
"""Messages handed over and not sent: far more than any window. Beyond it the core is broken, and the newest are
dropped."""


class Link:
    """One device's way to its hub."""

    def __init__(
        self,
        caller: Caller,
        *,
        protocols: Sequence[str],
        emit: Callable[[LinkEvent], object],
        spawn: Callable[[str, Callable[[], None]], bool],
        terms: Terms | None = None,
        pulse_terms: PulseTerms | None = None,
        chance: Callable[[], float] = random.random,
        previous: Previous = Previous.LOST,
        said_goodbye: Callable[[bool], object] = lambda _: None,
        surroundings: Watch | None = None,
    ) -> None:
        """`protocols` in order of preference; those the identity cannot dial are left out.

        `emit` is called on the link's thread and must not wait. `spawn` runs a job on a thread of its own, once, and
        says whether it could. `previous` is what became of the session before this start; `said_goodbye` is told False
        when a session begins and True when it ended with a goodbye, for the next start. `surroundings` are the kernel's
        own when left out.
        """
        self._caller = caller
        self._emit = emit
        self._terms = terms
        self._pulse_terms = pulse_terms
        self._chance = chance
        self._previous = previous
        self._said_goodbye = said_goodbye
        self._usable = tuple(name for name in protocols if caller.identity.can_dial(name))
        self._report = LinkReport(emit)
        self._bell = Bell(surroundings)
        self._quit = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lookout = Lookout(spawn, self._bell.ring)
        self._stop = threading.Event()
        # Set by other threads and cleared by this one.
        self._outgoing: deque[tuple[int, BusMessage]] = deque()
        self._hurried = threading.Event()
        self._suspected = threading.Event()
        self._taken = threading.Event()
        # This thread's own.
        self._connection: Connection | None = None
        self._offered: Connection | None = None
        self._last_hurry = float("-inf")

    # -- from any thread

    def send(self, message: BusMessage, session: int) -> None:
        """Send the message over session number `session`; it is dropped when that one has ended."""
        if len(self._outgoing) < _MOST_WAITING:
            self._outgoing.append((session, message))
        self._bell.ring()

    def probe_soon(self) -> None:
        """Something is odd: ask the hub whether it is there."""
        self._suspected.set()
        self._bell.ring()

    def hurry(self) -> None:
        """A person acts, or the network changed: do not sit out the wait."""
        self._hurried.set()
        self._bell.ring()

    def take_offer(self) -> None:
        """Change over to the better connection; nothing is in flight."""
        self._taken.set()
        self._bell.ring()

    def wake(self) -> None:
        """Let `run` see at once that it is to stop, also in the middle of an attempt."""
        os.eventfd_write(self._quit, 1)
        self._bell.ring()

    def snapshot(self) -> LinkSnapshot:
        """How the link is now."""
        return self._report.snapshot

    # -- the loop

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Keep the link until `stop` is set, then say goodbye, which takes at most 2 s."""
        self._stop = stop
        if not self._usable:
            self._report.failed(Cause.NO_PROTOCOL, "attention")
            while not stop.is_set():
                beat()
                self._bell.wait(_BEAT_SECONDS)
            return
        keeping = Keeping(self._usable, self._terms)
        decision: Decision = keeping.start()
        try:
            while not stop.is_set():
                beat()
                if self._connection is not None:
                    decision = self._serve(keeping, self._connection, beat)
                elif isinstance(decision, Dial):
                    decision = self._dial(keeping, decision, beat)
                else:
                    decision = self._wait_for_a_person(keeping, beat)
        finally:
            self._goodbye()

    def _dial(self, keeping: Keeping, order: Dial, beat: Callable[[], None]) -> Decision:
        """Wait as told, then try once. A hurry cuts the wait short."""
        until = time.monotonic() + order.wait
        while not self._stop.is_set():
            left = until - time.monotonic()
            if left <= 0 and self._lookout.looking_at != order.protocol:
                break
            beat()
            self._bell.wait(min(left, _BEAT_SECONDS) if left > 0 else _BEAT_SECONDS)
            if (found := self._lookout.fetch()) is not None and found.connection is not None:
                return self._established(found.connection, keeping)
            if self._hurry_taken():
                order = keeping.hurry(time.monotonic())
                until = time.monotonic() + order.wait
            elif self._world_changed():
                order = keeping.hurry(time.monotonic())
                until = time.monotonic() + max(order.wait, self._chance() * _SETTLE_SECONDS)
        if self._stop.is_set():
            return order
        began = time.monotonic()
        keeping.dialled(began)
        self._report.dialling(order.protocol)
        try:
            connection = self._open(self._caller, order.protocol)
        except ThalovantError as error:
            self._previous = Previous.LOST  # it may have come as far as the hub
            return order if self._stop.is_set() else self._failed(keeping, order.protocol, error)
        return self._established(connection, keeping, began=began)

    def _open(self, caller: Caller, protocol: str) -> Connection:
        return dial(caller, protocol, previous=self._previous, stopped=self._stop.is_set, wake=self._quit)

    def _failed(self, keeping: Keeping, protocol: str, error: ThalovantError) -> Decision:
        outcome, cause, certain = _judged(error)
        now = time.monotonic()
        decision = keeping.after(protocol, outcome, now, self._chance(), certain=certain)
        if isinstance(decision, Stop):
            self._report.failed(cause, "attention")
        elif keeping.awaiting_admission(now) and cause is not Cause.WRONG_PASSWORD:  # which a hub knows only of its own
            self._report.failed(Cause.NOT_ADMITTED, "awaiting admission")
        else:
            self._report.failed(cause, "attention" if outcome is Outcome.REFUSED else "offline")
        return decision

    def _established(self, connection: Connection, keeping: Keeping, *, began: float | None = None) -> Decision:
        now = time.monotonic()
        self._connection = connection
        self._previous = Previous.LOST
        self._said_goodbye(False)
        self._hurried.clear()
        self._suspected.clear()
        self._report.up(connection.protocol, round((now - (began or now)) * 1000))
        return keeping.after(connection.protocol, Outcome.UP, now, self._chance())

    def _serve(self, keeping: Keeping, connection: Connection, beat: Callable[[], None]) -> Decision:
        """Serve the established session until it ends, or a better one has taken its place."""
        pulse = Pulse(time.monotonic(), self._pulse_terms)
        try:
            while not self._stop.is_set() and self._connection is connection:
                beat()
                now, asked = time.monotonic(), _ticking()
                self._probe(connection, pulse, now)
                timeout = max(min(pulse.deadline(), self._next_look(keeping, now), now + _BEAT_SECONDS) - now, 0.0)
                message = connection.receive(timeout, self._bell.fileno())
                self._bell.hush()
                woke = time.monotonic()
                self._hurry_taken()  # noted, so that only what happened lately counts when the link is lost
                if message is not None:
                    self._heard(message, pulse, woke)
                asleep = _ticking() - asked > timeout + _ASLEEP_SECONDS
                if self._suspected.is_set() or self._world_changed() or asleep:
                    self._suspected.clear()
                    pulse.suspect(woke)
                self._send_waiting(connection)
                self._change_over(keeping, connection, woke)
        except ThalovantConnectionError as error:
            return self._lost(keeping, connection, error)
        return Hold()

    def _probe(self, connection: Connection, pulse: Pulse, now: float) -> None:
        if pulse.dead(now):
            raise ThalovantConnectionError(Cause.HUB_SILENT.sentence, cause=Cause.HUB_SILENT)
        if pulse.due(now):
            connection.send(wire.rendezvous())
            pulse.sent(now)
        self._report.doubtful(pulse.doubtful)

    def _heard(self, message: Incoming, pulse: Pulse, now: float) -> None:
        if isinstance(message, Binary):
            self._emit(HubSentBinary(ThalovantBinary(kind=message.kind, data=message.data, metadata=message.metadata)))
        elif message["msg_type"] == "rendezvous":
            if (asked := pulse.answered(now)) is not None:
                self._emit(LinkProved(asked))
        elif (event := from_envelope(message, site_id=self._caller.identity.site_id)) is not None:
            self._emit(HubSaid(event))

    def _send_waiting(self, connection: Connection) -> None:
        caller = self._caller
        while self._outgoing:
            session, message = self._outgoing.popleft()
            if session != self._report.session:
                continue
            stamped = messages.stamped(
                message,
                user_agent=caller.user_agent,
                session_id=caller.session_id,
                site_id=caller.identity.site_id,
            )
            try:
                connection.send(wire.envelope("bus", stamped.as_payload()))
            except (TypeError, ValueError):
                # Nothing of it left, so the session lives on; its outcome will be "unknown" when the hub has not
                # answered.
                log.exception("message not sent", extra={"request_id": message.request_id})

    def _lost(self, keeping: Keeping, connection: Connection, error: ThalovantConnectionError) -> Decision:
        connection.abandon()
        self._connection = None
        now = time.monotonic()
        acted = 0.0 if self._hurry_taken() else now - self._last_hurry
        self._report.lost(error.cause or Cause.DROPPED, str(error))
        silent = error.cause is Cause.HUB_SILENT
        decision = keeping.after(
            connection.protocol, Outcome.DROPPED, now, self._chance(), in_use=acted < _IN_USE_SECONDS, silent=silent
        )
        if acted < _WAITING_SECONDS:
            decision = keeping.hurry(now)
        offered, self._offered = self._offered, None
        return decision if offered is None else self._established(offered, keeping)

    # -- a better protocol

    def _next_look(self, keeping: Keeping, now: float) -> float:
        at = keeping.offer_at
        return at if at is not None and self._lookout.looking_at is None else now + _BEAT_SECONDS

    def _change_over(self, keeping: Keeping, connection: Connection, now: float) -> None:
        """Look for a better protocol when it is time, offer what was found, and take it when the core says so."""
        found = self._lookout.fetch()
        if found is not None:
            outcome = Outcome.FAILED if found.connection is None else Outcome.UP
            keeping.offer_ended(found.protocol, outcome, now, self._chance())
            self._offered = found.connection
            if found.connection is not None:
                self._emit(LinkOffer(found.protocol))
        elif self._offered is None and (protocol := keeping.offer_due(now)) is not None:
            # A keyring of its own: that one is the other thread's for as long as it looks.
            caller = replace(self._caller, keyring=Keyring(self._caller.keyring.folder))
            self._lookout.look(protocol, lambda: self._open(caller, protocol))
        if self._offered is not None and self._taken.is_set():
            self._taken.clear()
            better, self._offered = self._offered, None
            self._established(better, keeping)
            connection.close()

    # -- waiting and leaving

    def _wait_for_a_person(self, keeping: Keeping, beat: Callable[[], None]) -> Decision:
        """Waiting cannot help; a person who acts gets one attempt, for somebody may have mended it."""
        undecided = self._undecided()
        while not self._stop.is_set():
            beat()
            self._bell.wait(_PERSON_SECONDS)
            if self._hurry_taken() or (undecided and not self._undecided()):
                return keeping.hurry(time.monotonic())
        return Hold()

    def _undecided(self) -> bool:
        """Whether a hub has shown another key that no person has accepted, with `thalovant-agent trust`, yet."""
        try:
            return bool(offered_keys.waiting(self._caller.keyring))
        except ThalovantError:
            return True

    def _goodbye(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                self._send_waiting(connection)  # the last status among it
            except ThalovantError:
                connection.abandon()
            else:
                connection.close()
                self._said_goodbye(True)
        if self._offered is not None:
            self._offered.close()
        self._report.ended()

    def _hurry_taken(self) -> bool:
        if not self._hurried.is_set():
            return False
        self._hurried.clear()
        self._last_hurry = time.monotonic()
        return True

    def _world_changed(self) -> bool:
        """Whether the network did, or the clock where the clock was what kept the hub away; and forget it."""
        changes = self._bell.changes()
        late = self._report.snapshot.cause in {Cause.CLOCK, Cause.TLS_DATE, Cause.TLS_UNTRUSTED}
        return Change.NETWORK in changes or (late and Change.CLOCK in changes)

    def __del__(self) -> None:
        if hasattr(self, "_quit"):
            os.close(self._quit)


def _ticking() -> float:
    """Seconds that also pass while the board sleeps; those of `time.monotonic` do not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _judged(error: ThalovantError) -> tuple[Outcome, Cause, bool]:
    """What a failed attempt means for keeping the link: outcome, cause, and whether the outcome is certain."""
    match error:
        case ThalovantClientKeyRejectedError():
            return Outcome.CLIENT_KEY_REJECTED, Cause.CLIENT_KEY_REJECTED, error.certain
        case ThalovantHubRefusedError():
            return Outcome.REFUSED, error.cause or Cause.UNKNOWN_KEY, True
        case ThalovantHubKeyChangedError():
            return Outcome.KEY_CHANGED, Cause.HUB_KEY_CHANGED, True
        case ThalovantConnectionError():
            return Outcome.FAILED, error.cause or Cause.NO_ANSWER, True
        case ThalovantUnsupportedProtocolError():
            return Outcome.FAILED, Cause.NO_PROTOCOL, True
        case _:
            return Outcome.FAILED, Cause.KEY_FILES, True
