"""What the outbox keeps: one message for the hub, with the terms under which it may still be sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.hub.messages import BusMessage
from agent.stamps import Stamp


class Outcome(StrEnum):
    """How a message ended. Only the hub's answer, its silence or time can end one."""

    DONE = "done"
    """The hub said it handled it."""
    UNANSWERED = "unanswered"
    """The hub had it and nothing there took it."""
    REFUSED = "refused"
    """The hub's policy denied it; the reason goes with it."""
    EXPIRED = "expired"
    """Its time ran out before it could be sent."""
    UNKNOWN = "unknown"
    """It was sent and never answered; nobody can say whether the hub acted on it."""

    @property
    def kept(self) -> bool:
        """Whether the parcel is put aside for a person: the hub refused it, or nobody knows."""
        return self in (Outcome.REFUSED, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message and its terms of delivery."""

    request_id: str
    """The same on every sending, so that the hub can tell a repeat."""
    kind: str
    """"code", "action" or "utterance"."""
    message: BusMessage
    origin: str
    """The scanner's or button's name, or "request" for the command line."""
    replay: bool
    """Whether it may be sent again when a lost link leaves its outcome unknown."""
    lifetime: float
    """Seconds after which it is worth nothing to anybody."""
    made: Stamp
    sequence: int = 0
    """Its place in the store, given by the store."""
    attempted: bool = False
    """Whether it may already have reached the hub."""
