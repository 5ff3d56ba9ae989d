"""From the identity file to the link: waits for the one, keeps the other, and changes over when the file changes.

The hub library is imported in here, on the link's own thread and only once there is an identity: a device reads its
inputs and stores what it reads long before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from agent.events import IdentityFound, IdentityMissing
from agent.hub.identity import ThalovantIdentity
from agent.hub.link_events import LinkDown, LinkEvent, LinkUp
from agent.hub.messages import BusMessage
from agent.hub.protocol.causes import Cause
from agent.identity_source import IdentityFile
from agent.record import field, record, replace

if TYPE_CHECKING:
    from agent.hub.link_report import LinkSnapshot

log = logging.getLogger(__name__)

_LOOK_SECONDS = 2.0
"""Between two looks at the identity file."""
LIMIT_SECONDS = 300.0
"""Without a beat: attempts under KK and XX take 25 s each, a broken resolver and a slow board's PSK more."""


class DeviceLink(Protocol):
    """What is kept here: `agent.hub.link.Link`, or what stands in for it."""

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None: ...
    def send(self, message: BusMessage, session: int) -> None: ...
    def probe_soon(self) -> None: ...
    def hurry(self) -> None: ...
    def take_offer(self) -> None: ...
    def wake(self) -> None: ...
    def snapshot(self) -> LinkSnapshot: ...


EmitLink = Callable[[LinkEvent], object]
MakeLink = Callable[[ThalovantIdentity, EmitLink], DeviceLink]
"""Makes the link of an identity; what it tells goes to the second argument."""


@record(frozen=False)
class _Kept:
    """A link, and where its sessions' numbers begin: no two sessions of a device have the same."""

    link: DeviceLink
    base: int
    stop: threading.Event = field(default_factory=threading.Event)
    session: int = 0
    """The one that is up, by the device's numbers; 0 for none."""


class Linking:
    """The device's link, whether there is one yet or not. `run` is the body of a worker; the rest is for any thread."""

    def __init__(
        self,
        file: IdentityFile,
        make_link: MakeLink,
        emit: Callable[[LinkEvent | IdentityFound | IdentityMissing], object],
        *,
        learnt: Callable[[ThalovantIdentity], object] = lambda _: None,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`emit` must not wait. `learnt` is told of an identity before anything is done with it, or logged about it."""
        self._file = file
        self._make_link = make_link
        self._emit = emit
        self._learnt = learnt
        self._look_seconds = look_seconds
        self._guard = threading.Lock()
        self._leaving = threading.Event()
        self._kept: _Kept | None = None
        self._sessions = 0  # numbers given out so far
        self._looked = 0.0
        self._identity: ThalovantIdentity | None = None
        self._missing = ""

    # -- from any thread

    def send(self, message: BusMessage, session: int) -> None:
        """Send the message over the session of that number; it is dropped when that one has ended."""
        kept = self._kept
        if kept is not None and session > kept.base:
            kept.link.send(message, session - kept.base)

    def probe_soon(self) -> None:
        """Have the hub asked whether it is there."""
        if (kept := self._kept) is not None:
            kept.link.probe_soon()

    def hurry(self) -> None:
        """A person acts: do not sit out a wait."""
        if (kept := self._kept) is not None:
            kept.link.hurry()

    def take_offer(self) -> None:
        """Change over to the better connection."""
        if (kept := self._kept) is not None:
            kept.link.take_offer()

    def snapshot(self) -> LinkSnapshot | None:
        """How the link is; None while there is no identity."""
        kept = self._kept
        return None if kept is None else kept.link.snapshot()

    @property
    def site_id(self) -> str:
        """The identity's; empty while there is none."""
        return self._identity.site_id if self._identity is not None else ""

    @property
    def identity_trouble(self) -> str:
        """Why there is no identity; empty when there is one."""
        return self._missing

    def leave(self) -> None:
        """Send what waits, say goodbye, and end."""
        self._leaving.set()
        with self._guard:
            if self._kept is not None:
                self._kept.stop.set()
                self._kept.link.wake()

    # -- the worker

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Until `leave`, then until `stop` is set."""
        self._file.forget()
        identity: ThalovantIdentity | None = None
        while not self._leaving.is_set():
            beat()
            identity = self._look() or identity
            if identity is None:
                self._leaving.wait(self._look_seconds)
                continue
            self._keep(identity, beat)
            identity = self._identity
        stop.wait(LIMIT_SECONDS)

    def _look(self) -> ThalovantIdentity | None:
        """Another identity than the one in use, if the file has come to hold one."""
        self._looked = time.monotonic()
        looked = self._file.look()
        if looked is None:
            return None
        if looked.identity is None:
            if self._identity is not None:
                # Whoever takes the file away has not taken the device off its hub: that happens at the hub.
                log.warning("the identity file went bad; the one in use stays", extra={"reason": looked.reason})
            elif looked.reason != self._missing:
                self._missing = looked.reason
                log.warning("no identity", extra={"reason": looked.reason})
                self._emit(IdentityMissing(looked.reason))
            return None
        if looked.identity == self._identity and self._kept is not None:
            return None
        self._learnt(looked.identity)
        self._identity, self._missing = looked.identity, ""
        log.info("identity found", extra={"site": looked.identity.site_id})
        self._emit(IdentityFound(looked.identity.site_id))
        return looked.identity

    def _keep(self, identity: ThalovantIdentity, beat: Callable[[], None]) -> None:
        """Keep the link of one identity until the device leaves or gets another identity."""
        link = self._make_link(identity, self._tell)
        with self._guard:
            self._kept = kept = _Kept(link, base=self._sessions)
            if self._leaving.is_set():
                return

        def beat_and_look() -> None:
            beat()
            if time.monotonic() - self._looked >= self._look_seconds and self._look() is not None:
                kept.stop.set()
                link.wake()

        try:
            link.run(kept.stop, beat_and_look)
        finally:
            if kept.session:
                self._emit(LinkDown(kept.session, Cause.DROPPED))
            with self._guard:
                self._kept = None

    def _tell(self, event: LinkEvent) -> None:
        """Pass on what a link tells, with the device's numbers in the place of its own."""
        kept = self._kept
        if kept is None:
            return
        if isinstance(event, LinkUp):
            event = replace(event, session=kept.base + event.session)
            kept.session = self._sessions = event.session
        elif isinstance(event, LinkDown):
            event = replace(event, session=kept.base + event.session)
            kept.session = 0
        self._emit(event)
