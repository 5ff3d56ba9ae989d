"""What the outbox keeps: one message for the hub, with the terms under which it may still be sent."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from agent.hub.messages import BusMessage
from agent.record import record, replace
from agent.stamps import Stamp, age, wall_time


class Outcome(StrEnum):
    """How a message ended. Only the hub's answer, its silence or time can end one."""

    DONE = "done"
    """The hub said it handled it."""
    UNANSWERED = "unanswered"
    """The hub had it and nothing there took it."""
    REFUSED = "refused"
    """The hub's policy denied it; the reason goes with it."""
    EXPIRED = "expired"
    """Its time ran out before the hub answered."""
    UNKNOWN = "unknown"
    """It was sent and never answered; nobody can say whether the hub acted on it."""

    @property
    def kept(self) -> bool:
        """Whether it ended badly, so that a person must hear of it, and may want to send it again."""
        return self in (Outcome.REFUSED, Outcome.EXPIRED, Outcome.UNKNOWN)


@record(kw_only=True)
class Parcel:
    """One message and its terms of delivery."""

    request_id: str
    """The same on every sending, so that the hub can tell a repeat."""
    kind: str
    """"code", "action" or "utterance"."""
    message: BusMessage
    origin: str
    """The scanner's or button's name, or "request" for the command line, "page" for the kiosk page."""
    replay: bool
    """Whether it may be sent again when a lost link leaves its outcome unknown."""
    lifetime: float
    """Seconds after which it is worth nothing to anybody."""
    made: Stamp
    sequence: int = 0
    """Its place in the store, given by the store."""
    attempted: bool = False
    """Whether it may already have reached the hub."""


def dated(parcel: Parcel, now: Stamp) -> BusMessage:
    """The parcel's message with what the device knows of its age, in `context.made_at`.

    `time` is UTC by the device's clock and right when `sure`; `age_seconds` needs no clock and is never too long. A
    clock that the network sets while the message waits makes the time sure afterwards.
    """
    wall, sure = wall_time(parcel.made, now)
    made_at = {
        "time": datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "sure": sure,
        "age_seconds": round(age(parcel.made, now), 3),
    }
    message = parcel.message
    return replace(message, context={**message.context, "made_at": made_at})
