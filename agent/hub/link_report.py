"""How the link is, for whoever asks, and what is told of it: once when something begins, changes or ends, never once
per attempt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

from agent.hub.link_events import LinkDown, LinkEvent, LinkTrouble, LinkUp
from agent.hub.protocol.causes import Cause
from agent.record import record, replace

log = logging.getLogger(__name__)

LinkState = Literal["offline", "connecting", "awaiting admission", "up", "degraded", "attention"]


@record(kw_only=True)
class LinkSnapshot:
    """How the link is, at one moment."""

    state: LinkState
    protocol: str | None
    """The one in use, or the one dialled last."""
    since: float
    """When the state began, in seconds of `time.monotonic()`."""
    drops: int
    """Established links lost since the start."""
    cause: Cause | None
    """Why there is no link; while there is one, why the last one was lost."""


class LinkReport:
    """The link's own account. Written by the link's thread; `snapshot` may be read from any."""

    def __init__(self, emit: Callable[[LinkEvent], object]) -> None:
        self._emit = emit
        self._told: Cause | None = None
        self.session = 0
        """The number of the session that is up, or was last."""
        self.snapshot = LinkSnapshot(state="connecting", protocol=None, since=time.monotonic(), drops=0, cause=None)

    def dialling(self, protocol: str) -> None:
        """An attempt begins. What is wrong stays said until something changes."""
        self._set("connecting" if self._told is None else self.snapshot.state, protocol=protocol)

    def up(self, protocol: str, milliseconds: int) -> None:
        """A session of its own number is up."""
        self.session += 1
        self._told = None
        self._set("up", protocol=protocol)
        facts = {"protocol": protocol, "connect_ms": milliseconds, "drops": self.snapshot.drops}
        log.info("hub link up", extra=facts)
        self._emit(LinkUp(self.session, protocol))

    def doubtful(self, doubtful: bool) -> None:
        """Whether a probe went unanswered."""
        self._set("degraded" if doubtful else "up")

    def lost(self, cause: Cause, detail: str) -> None:
        """The session ended. An ordinary reconnect is no warning: that comes when coming back fails."""
        protocol = self.snapshot.protocol
        self._set("offline", cause=cause, drops=self.snapshot.drops + 1)
        log.info("hub link lost", extra={"protocol": protocol, "cause": cause, "detail": detail})
        self._emit(LinkDown(self.session, cause))

    def failed(self, cause: Cause, state: LinkState = "offline") -> None:
        """An attempt came to nothing. A protocol that only hears silence does not unsay what another one found out."""
        if cause is Cause.HUB_SILENT and self._told not in {None, Cause.HUB_SILENT}:
            return
        self._set(state, cause=cause)
        if cause is not self._told:
            self._told = cause
            log.warning("no hub link", extra={"cause": cause, "advice": cause.sentence})
            self._emit(LinkTrouble(cause))

    def ended(self) -> None:
        """The link was told to stop."""
        self._set("offline")

    def _set(
        self,
        state: LinkState,
        *,
        protocol: str | None = None,
        cause: Cause | None = None,
        drops: int | None = None,
    ) -> None:
        known = self.snapshot
        self.snapshot = replace(
            known,
            state=state,
            protocol=protocol or known.protocol,
            since=known.since if state == known.state else time.monotonic(),
            drops=known.drops if drops is None else drops,
            cause=cause or known.cause,
        )
