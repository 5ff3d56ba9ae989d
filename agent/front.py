"""What the kiosk page shows of all that happens: the latest inputs and what became of them, the answer, the link.

It is told the same things as the panel, and keeps what a page has room for: not one line but the last few inputs, not
a text but tables, pictures and choices. How many messages wait and whether the clock is right are known elsewhere and
filled in when the page is shown. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent import inputs
from agent.delivery import Ending
from agent.effects import Effect, Send
from agent.hub.events import ThalovantEvent
from agent.hub.protocol.causes import Cause
from agent.page.items import page_items
from agent.page.state import Answer, Input, InputState, LinkLine, PageState, Trouble
from agent.parcel import Outcome, Parcel
from agent.record import replace

_INPUTS = 6
"""As many as the page has room for."""
_ITEMS = 24
"""Of one answer, however many pieces it comes in."""
_ENDED: dict[Outcome, InputState] = {
    Outcome.DONE: "done",
    Outcome.UNANSWERED: "unanswered",
    Outcome.REFUSED: "refused",
    Outcome.EXPIRED: "expired",
    Outcome.UNKNOWN: "unknown",
}
_SILENT = LinkLine(state="down", cause=Cause.HUB_SILENT.value)
_SAID: frozenset[Outcome] = frozenset({Outcome.REFUSED})
"""The reasons that are the hub's own words; of the others the page has better ones."""


class Front:
    """The page's side of the panel. Not thread-safe: the core's."""

    def __init__(self) -> None:
        self._inputs: tuple[Input, ...] = ()
        self._current = ""
        self._answer: Answer | None = None
        self._answers = 0
        self._own = False
        self._refusals = 0
        self._link = LinkLine()
        self._unheard: frozenset[str] | None = None

    # -- the inputs and what becomes of them

    def kept(self, parcel: Parcel, now: float, *, linked: bool) -> None:
        """An input is in the store; it has the large part of the page to itself now."""
        self._answer = None
        self._begin(_input(parcel, "sent" if linked else "kept", now))

    def not_kept(self, parcel: Parcel, reason: str, now: float) -> None:
        """An input is not in the store after all."""
        self._change(_input(parcel, "not saved", now, reason), now)

    def scan_refused(self, reason: str, now: float) -> None:
        """What the scanner read is no code; `reason` says so in the device's language."""
        self._answer = None
        self._refusals += 1
        self._begin(Input(id=f"again-{self._refusals}", title="", state="again", reason=reason, at=now))

    def left(self, effects: Iterable[Effect]) -> None:
        """What of these orders goes to the hub is no longer only kept."""
        gone = {effect.message.request_id for effect in effects if isinstance(effect, Send)}
        if gone:
            self._inputs = tuple(
                replace(one, state="sent") if one.id in gone and one.state == "kept" else one for one in self._inputs
            )

    def ended(self, ending: Ending, now: float) -> None:
        """A parcel ended. One from before is shown when it ended badly, and nobody's place is taken for it."""
        outcome = ending.outcome
        known = any(one.id == ending.parcel.request_id for one in self._inputs)
        if known or outcome.kept:
            reason = ending.reason if outcome in _SAID else ""
            self._change(_input(ending.parcel, _ENDED[outcome], now, reason), now)

    def answered(self, event: ThalovantEvent, language: str) -> None:
        """The hub said something, in `language` unless it says otherwise. Pieces of one answer stand together."""
        items = page_items(event.display_items())
        if not items:
            return
        to = event.request_id or ""
        before = self._answer
        if before is not None and to and before.to == to and not self._own:
            self._answer = replace(before, items=(before.items + items)[:_ITEMS])
        else:
            self._answers += 1
            self._own = False
            self._answer = Answer(number=self._answers, items=items, language=event.lang or language, to=to)

    def said(self, text: str, language: str, to: str) -> None:
        """The device itself answers; what the hub says to the same input takes its place."""
        own = ThalovantEvent(name="speak", data={"utterance": text}, context={"request_id": to})
        self.answered(own, language)
        self._own = True

    def clear(self) -> None:
        """Nobody is being served any more: what belonged to the last person goes."""
        self._inputs, self._current, self._answer = (), "", None

    # -- the link

    def link_lost(self, cause: Cause) -> None:
        """There is no link; what was with the hub and not answered is on its way again."""
        self._link = LinkLine(state="attention" if cause.needs_person else "down", cause=cause.value)
        self._inputs = tuple(replace(one, state="kept") if one.state == "sent" else one for one in self._inputs)

    def link_works(self) -> None:
        """There is a link."""
        self._link = LinkLine(state="up")

    def unheard(self, kept: frozenset[str] | None) -> None:
        """As for the panel: the hub is silent though there is a link, and these inputs are kept."""
        self._unheard = kept

    # -- telling

    def state(self, troubles: Sequence[Trouble], *, quiet: bool) -> PageState:
        """The page as it is now. `quiet`: a link that is gone may be back in a moment, so nothing is said of it."""
        link, seen = LinkLine(state="up") if quiet else self._link, self._inputs
        if self._unheard is not None:
            link, kept = _SILENT, self._unheard
            seen = tuple(replace(one, state="kept") if one.id in kept and one.state == "sent" else one for one in seen)
        return PageState(answer=self._answer, current=self._current, inputs=seen, link=link, troubles=tuple(troubles))

    def _begin(self, one: Input) -> None:
        self._current = one.id
        self._inputs = (one, *self._inputs)[:_INPUTS]

    def _change(self, one: Input, now: float) -> None:
        """The input's new state, in its place; a new one comes first."""
        known = {each.id: each for each in self._inputs}
        if one.id not in known:
            self._inputs = (replace(one, at=now), *self._inputs)[:_INPUTS]
            return
        self._inputs = tuple(replace(one, at=each.at) if each.id == one.id else each for each in self._inputs)


def _input(parcel: Parcel, state: InputState, at: float, reason: str = "") -> Input:
    kind = parcel.kind if parcel.kind in ("code", "action") else "utterance"
    return Input(id=parcel.request_id, title=inputs.title(parcel), kind=kind, state=state, reason=reason, at=at)  # type: ignore[arg-type]
