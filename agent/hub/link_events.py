"""What the link tells: it is up, it is down and why, a better way is open, the hub said something.

Small on purpose: the device's decisions are written in these, and are imported long before anything is dialled.
"""

from __future__ import annotations

from agent.hub.events import ThalovantEvent
from agent.hub.protocol.causes import Cause
from agent.hub.reply import ThalovantBinary
from agent.record import record


@record
class LinkUp:
    """The hub answered over a session of its own: messages may go out. Each session has a number of its own."""

    session: int
    protocol: str
    """"mqtt", "wss" or "https"."""


@record
class LinkDown:
    """The session ended; what was sent over it and not answered may or may not have arrived."""

    session: int
    cause: Cause


@record
class LinkTrouble:
    """There is no link, and this is why; told when it starts and when the reason changes."""

    cause: Cause


@record
class LinkOffer:
    """A better protocol than the one in use is open and waits to be taken with `Link.take_offer`."""

    protocol: str


@record
class LinkProved:
    """The hub answered a probe: it had everything that was sent before `asked`, in seconds of `time.monotonic()`."""

    asked: float


@record
class HubSaid:
    """The hub sent a bus message."""

    event: ThalovantEvent


@record
class HubSentBinary:
    """The hub sent a binary frame."""

    binary: ThalovantBinary


LinkEvent = LinkUp | LinkDown | LinkTrouble | LinkOffer | LinkProved | HubSaid | HubSentBinary
