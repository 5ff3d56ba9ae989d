"""What the behaviour hears of: facts of the hardware, of the link, of the store and of the person at the command
line."""

from __future__ import annotations

from agent.effects import Durable, Effect
from agent.hub.link_events import LinkEvent
from agent.parcel import Parcel
from agent.record import record
from hardware.facts import ButtonPressed, CodeScanned, DeviceFound, DeviceLost, ScanRefused


@record
class Fetched:
    """The store's answer to `Fetch`: oldest first, `last` when nothing waits behind them."""

    parcels: tuple[Parcel, ...]
    last: bool


@record
class StoreFailed:
    """The disk did not take these changes."""

    changes: tuple[Durable, ...]
    reason: str
    held_back: tuple[Effect, ...] = ()
    """The orders that stood behind them, in their order: none of these was carried out."""


@record
class StoreWorks:
    """The disk takes changes again."""


@record
class IdentityFound:
    """The identity file was read; the link can start."""

    site_id: str


@record
class IdentityMissing:
    """There is no usable identity file; `reason` says what to do."""

    reason: str


@record(kw_only=True)
class Requested:
    """Somebody at the command line or at the kiosk page wants something sent, stored and answered like an input of the
    device."""

    ticket: str
    origin: str = "request"
    """"request" for the command line, "page" for the page."""
    kind: str
    """"code", "action" or "utterance"."""
    text: str
    label: str | None = None
    """The code's label or the action's title."""
    code_kind: str = "code"
    language: str | None = None
    session_id: str | None = None
    wait_seconds: float = 12.0
    """How long the person waits for the outcome; 0 for "stored is enough"."""


@record
class Tick:
    """Time passed; deadlines may be due."""


@record
class Stopping:
    """The service is being stopped; say goodbye."""


Event = (
    CodeScanned
    | ScanRefused
    | ButtonPressed
    | DeviceFound
    | DeviceLost
    | LinkEvent
    | Fetched
    | StoreFailed
    | StoreWorks
    | IdentityFound
    | IdentityMissing
    | Requested
    | Tick
    | Stopping
)
