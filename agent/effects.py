"""What the behaviour orders. The runtime carries these out, in the order given, and decides nothing.

`Store` and `Mark` are binding: they are on disk before any effect behind them is carried out, and when that fails none
of those is. `Settle` and `Drop` are durable as well and hold nobody up: a row that stays too long costs a repeat under
its old id, never a scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.hub.messages import BusMessage
from agent.page.state import PageState
from agent.parcel import Outcome, Parcel
from agent.record import field, record
from agent.screen import Screen


@record
class Store:
    """Keep the parcel; everything behind this waits for the disk."""

    parcel: Parcel


@record
class Mark:
    """Note that the parcel is about to be sent, so that a restart does not send it twice."""

    request_id: str


@record
class Settle:
    """The parcel ended: take it out of the store, or put it aside with the reason where the outcome is `kept`.

    A row that only goes may go with the next commit, which saves a flush for most scans.
    """

    request_id: str
    outcome: Outcome
    reason: str = ""


@record
class Drop:
    """Take the parcel out of the store without a trace, and at once: after a restart nothing of it may be left."""

    request_id: str


@record
class Fetch:
    """Read the oldest waiting parcels behind `after`; they come back as `Fetched`."""

    after: int
    limit: int


@record
class Send:
    """Hand the message to the link's session number `session`; another session must not carry it."""

    message: BusMessage
    session: int


@record
class ProbeSoon:
    """Have the link ask the hub whether it is still there."""


@record
class Hurry:
    """A person acts: the link must not sit out its wait."""


@record
class TakeOffer:
    """Move to the better connection the link holds ready; nothing is in flight."""


REPEAT = "repeat"
"""A signal for the scanner alone, which may wait for one: what it read is on disk since it was read before."""


@record
class Signal:
    """Light and beeper, and the scanner it came from: one of the names in `hardware.patterns`, or REPEAT."""

    name: str
    origin: str = ""
    """The input it is about; empty for none."""


@record
class Rest:
    """What light and beeper go back to after each signal: a signal's name, or "" for dark and quiet."""

    name: str


@record
class Show:
    """What the displays show from now on."""

    screen: Screen


@record
class ShowPage:
    """What the kiosk page shows from now on."""

    state: PageState


@record
class Say:
    """Speak the text aloud."""

    text: str
    language: str
    about: str = ""
    """The request it answers: pieces of one answer belong together. Empty for what the hub says unasked."""


@record
class Play:
    """Play the sound file in its turn among what is spoken."""

    sound: bytes = field(repr=False)
    about: str = ""
    says: str = ""
    """The text it is the speech of, where it is: that is not spoken as well."""


@record
class Hush:
    """Stop speaking, and forget what is left to be spoken."""


@record
class Report:
    """Emit `thalovant.client.status` over the link's session number `session`."""

    session: int
    state: str
    """What the device is about to do, "stopping"; empty for how it is."""


@record
class Answer:
    """Answer the request that came with this ticket over the control socket."""

    ticket: str
    answer: Mapping[str, Any]


@record
class Note:
    """One line for the journal, once for what happened."""

    level: str
    text: str
    fields: Mapping[str, Any]


Durable = Store | Mark | Settle | Drop
Effect = (
    Durable
    | Fetch
    | Send
    | ProbeSoon
    | Hurry
    | TakeOffer
    | Signal
    | Rest
    | Show
    | ShowPage
    | Say
    | Play
    | Hush
    | Report
    | Answer
    | Note
)
