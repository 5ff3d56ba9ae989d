"""What the person in front of the device is told: the screen, the signals, and what the lights rest at.

It decides nothing about scans and links, it is told of them. What changed is put into words once, by `changes`, after
everything an event led to; a connection that is away for a moment only is not spoken of. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import inputs
from agent.delivery import Ending
from agent.effects import Effect, Rest, Send, Show, ShowPage, Signal
from agent.front import Front
from agent.hub.events import EVENT_SPEAK
from agent.hub.protocol.causes import Cause
from agent.page.state import PageState, Trouble
from agent.parcel import Outcome, Parcel
from agent.record import replace
from agent.screen import Screen
from agent.words import Word, Words
from hardware.facts import RefusalReason

_GRACE_SECONDS = 3.0
"""A link gone for less is nobody's business: an ordinary reconnect takes one or two."""

_SCAN_REFUSED: Mapping[RefusalReason, Word] = {
    "too long": Word.TOO_LONG,
    "undecodable": Word.UNDECODABLE,
    "empty": Word.EMPTY,
    "check digit": Word.CHECK_DIGIT,
    "incomplete": Word.INCOMPLETE,
    "not GS1": Word.NOT_GS1,
}
_ENDED: Mapping[Outcome, tuple[Word, str]] = {
    Outcome.DONE: (Word.DONE, "done"),
    Outcome.UNANSWERED: (Word.UNANSWERED, "unanswered"),
    Outcome.REFUSED: (Word.REFUSED, "refused"),
    Outcome.EXPIRED: (Word.EXPIRED, "refused"),
    Outcome.UNKNOWN: (Word.UNKNOWN, "refused"),
}
"""The words and the signal for each way a parcel can end."""


class Panel:
    """Everything the person sees and hears, but for what the hub has spoken. Not thread-safe: the core's."""

    def __init__(self, language: str, *, page: bool = False) -> None:
        """`page`: whether there is a kiosk page to be told of all this too."""
        self.front = Front()
        self._page = page
        self._page_shown: PageState | None = None
        self._words = Words(language)
        self.lost: dict[tuple[str, str], str] = {}
        """What is missing now, by kind and name, with the reason."""
        self._screen = Screen(answer=self._words.say(Word.READY))
        self._answering: str | None = None
        self._last_words = ("", "")
        self._last_input: str | None = None
        self._link_trouble = self._words.say(Word.CONNECTING)
        self._needs_person = False
        self._hub_trouble = ""
        self._unheard: frozenset[str] | None = None
        self._quiet_until: float | None = None
        self._identity_trouble = ""
        self._store_trouble = ""
        self._shown: Screen | None = None
        self._resting: str | None = ""
        self._stopped = False

    def deadline(self) -> float | None:
        """When `changes` has something to say at the latest, though nothing happens meanwhile."""
        return self._quiet_until

    # -- the inputs and what becomes of them

    def kept(self, parcel: Parcel, now: float, *, linked: bool) -> None:
        """An input is in the store; the signal for that stands behind the store's own order."""
        self.front.kept(parcel, now, linked=linked)
        self._make_room(parcel.request_id)
        self._show_input(inputs.title(parcel), self._words.say(Word.SENT if linked else Word.KEPT))

    def not_kept(self, parcel: Parcel, reason: str, now: float) -> list[Effect]:
        """An input is not in the store: the person must notice as surely as they would have noticed the beep."""
        self.front.not_kept(parcel, reason, now)
        self._show_input(inputs.title(parcel), self._words.say(Word.NOT_SAVED, reason=reason))
        return [Signal("refused", parcel.origin)]

    def scan_refused(self, scanner: str, reason: RefusalReason, now: float) -> list[Effect]:
        """What the scanner read is no code."""
        self._make_room(None)
        words = self._words.say(_SCAN_REFUSED[reason])
        self._show_input("", words)
        self.front.scan_refused(words, now)
        return [Signal("again", scanner)]

    def ended(self, ending: Ending, now: float, *, fresh: bool) -> list[Effect]:
        """A parcel ended. Who made it is still there if it is `fresh`; a bad end is told to whoever is."""
        self.front.ended(ending, now)
        outcome = ending.outcome
        word, signal = _ENDED[outcome]
        if ending.parcel.request_id == self._last_input or outcome.kept:
            self._show_input(inputs.title(ending.parcel), self._words.say(word, reason=ending.reason))
        return [Signal(signal)] if outcome.kept or fresh else []

    def answered(self, text: str, request_id: str | None, name: str = EVENT_SPEAK) -> bool:
        """The hub said something, in an event of this name; whether it is new. The fragments of one answer stand
        together; another answer takes their place."""
        together = request_id is not None and request_id == self._answering
        last_name, last_text = self._last_words
        # Hubs send the same speech under an old name and a new one.
        if text == last_text and request_id == self._answering and (together or name != last_name):
            return False
        self._answering, self._last_words = request_id, (name, text)
        self._screen = replace(self._screen, answer=f"{self._screen.answer} {text}" if together else text)
        return True

    def clear(self) -> None:
        """Nobody is being served: nothing of the last person stays to be seen."""
        self.front.clear()
        self._answering = self._last_input = None
        self._last_words = ("", "")
        self._screen = Screen(answer=self._words.say(Word.READY))

    def left(self, effects: Sequence[Effect]) -> None:
        """What of these orders goes to the hub is on its way."""
        self.front.left(effects)
        sent = [effect.message.request_id for effect in effects if isinstance(effect, Send)]
        if self._last_input in sent:
            self._screen = replace(self._screen, status=self._words.say(Word.SENT))

    def _make_room(self, request_id: str | None) -> None:
        """A new input: on a panel of two lines an old answer would hide what becomes of it."""
        self._last_input, self._answering = request_id, None
        self._screen = replace(self._screen, answer="")

    def _show_input(self, title: str, status: str) -> None:
        self._screen = replace(self._screen, title=title, status=status)

    # -- what is wrong

    def store_trouble(self, reason: str) -> bool:
        """Why nothing is accepted, "" when all is well; whether that is news."""
        news = reason != self._store_trouble
        self._store_trouble = reason
        return news

    def identity_trouble(self, reason: str) -> None:
        """Why there is no identity; "" when there is one."""
        self._identity_trouble = self._words.say(Word.NO_IDENTITY, reason=reason) if reason else ""

    def link_trouble(self, cause: Cause, now: float) -> None:
        """There is no link, and this is why."""
        if not self._link_trouble and self._unheard is None:  # which has been told already
            self._quiet_until = now + _GRACE_SECONDS
        self.front.link_lost(cause)
        self._link_trouble = self._words.say(Word.NO_LINK, reason=self._words.cause(cause))
        self._needs_person = cause.needs_person

    def link_works(self) -> None:
        """There is a link."""
        self.front.link_works()
        self._link_trouble = ""
        self._needs_person = False
        self._quiet_until = None

    def hub_trouble(self, reason: str) -> None:
        """Why the hub takes nothing though it is there; "" while it does."""
        self._hub_trouble = self._words.say(Word.HUB_WAITS, reason=reason) if reason else ""

    def unheard(self, kept: frozenset[str] | None) -> bool:
        """The hub has been silent for too long, though the link has not been given up: `kept` are the inputs that go
        again. None while all is well; says whether that is over just now."""
        news = kept is not None and self._unheard is None
        self._unheard = kept
        self.front.unheard(kept)
        return news

    def about(self, request_id: str) -> bool:
        """Whether this is the input whose maker is being served."""
        return request_id == self._last_input

    # -- telling

    def changes(self, now: float) -> list[Effect]:
        """The lights' rest and the screen, where they are others than before."""
        if self._quiet_until is not None and now >= self._quiet_until:
            self._quiet_until = None
        effects: list[Effect] = []
        link_trouble = self._link_trouble if self._quiet_until is None else ""
        seen = self._screen
        if self._unheard is not None:
            link_trouble = self._words.say(Word.NO_LINK, reason=self._words.cause(Cause.HUB_SILENT))
            if self._last_input in self._unheard:
                seen = replace(seen, status=self._words.say(Word.KEPT))
        attention = self._identity_trouble or self._store_trouble or self._needs_person
        resting = "attention" if attention else "offline" if link_trouble else ""
        if resting != self._resting:
            self._resting = resting
            effects.append(Rest(resting))
        screen = replace(seen, trouble=self._worst(link_trouble))
        if screen != self._shown:
            self._shown = screen
            effects.append(Show(screen))
        if self._page:
            page = self.front.state(self._troubles(), quiet=self._quiet_until is not None)
            if page != self._page_shown:
                self._page_shown = page
                effects.append(ShowPage(page))
        return effects

    def tell_again(self) -> None:
        """What was told last may not have come through: `changes` repeats it."""
        self._shown = self._page_shown = self._resting = None

    def stopped(self) -> list[Effect]:
        """The device goes out of service."""
        self._screen = self._shown = Screen(answer=self._words.say(Word.STOPPED))
        self._link_trouble = self._hub_trouble = self._identity_trouble = self._store_trouble = self._resting = ""
        self._needs_person = False
        self.lost.clear()
        self.front.clear()
        self._stopped = True
        return [Show(self._screen), Rest("")]

    def _troubles(self) -> list[Trouble]:
        """All that is wrong but for the link, worst first."""
        if self._stopped:
            return [Trouble(kind="stopping", text=self._words.say(Word.STOPPED))]
        troubles: list[Trouble] = []
        if self._store_trouble:
            troubles.append(Trouble(kind="store", text=self._store_trouble))
        if self._identity_trouble:
            troubles.append(Trouble(kind="identity", text=self._identity_trouble))
        for (kind, name), reason in self.lost.items():
            if kind != "page":  # whoever reads this on the page can see that it is there
                troubles.append(Trouble(kind="device", text=self._words.say(Word.LOST, name=name, reason=reason)))
        return troubles

    def _worst(self, link_trouble: str) -> str:
        if self._store_trouble:
            return self._words.say(Word.NOT_SAVED, reason=self._store_trouble)
        if self._identity_trouble or link_trouble:
            return self._identity_trouble or link_trouble
        if self._hub_trouble:
            return self._hub_trouble
        return next(
            (self._words.say(Word.LOST, name=name, reason=reason) for (_, name), reason in self.lost.items()), ""
        )
