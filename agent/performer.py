"""Carrying out what the behaviour orders, and deciding nothing.

The order is the promise: what must be on the disk is there before anything behind it happens, and when it cannot be put
there nothing behind it happens at all. Whatever a single effect runs into stays its own trouble.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, assert_never

from agent.commits import Commits, Failure
from agent.effects import (
    Answer,
    Drop,
    Durable,
    Effect,
    Fetch,
    Hurry,
    Hush,
    Mark,
    Note,
    Play,
    ProbeSoon,
    Report,
    Rest,
    Say,
    Send,
    Settle,
    Show,
    ShowPage,
    Signal,
    Store,
    TakeOffer,
)
from agent.events import Event, StoreFailed
from agent.hub.messages import BusMessage
from agent.page.state import PageState
from agent.screen import Screen

log = logging.getLogger(__name__)

_LEVELS: Mapping[str, int] = logging.getLevelNamesMapping()


class Link(Protocol):
    """What the effects need of the link. Every call returns at once."""

    def send(self, message: BusMessage, session: int) -> None: ...
    def probe_soon(self) -> None: ...
    def hurry(self) -> None: ...
    def take_offer(self) -> None: ...


class Outputs(Protocol):
    """What the effects need of the hardware. Every call returns at once."""

    def signal(self, name: str, origin: str) -> None: ...
    def rest(self, name: str) -> None: ...
    def show(self, screen: Screen) -> None: ...
    def say(self, text: str, language: str, about: str) -> None: ...
    def play(self, sound: bytes, about: str, says: str) -> None: ...
    def hush(self) -> None: ...


class Performer:
    """Carries out the effects of the events of one round. The core's thread owns it."""

    def __init__(
        self,
        commits: Commits,
        *,
        link: Link,
        outputs: Outputs,
        answer: Callable[[str, Mapping[str, Any]], None],
        report: Callable[[int, str], None],
        show_page: Callable[[PageState], None] = lambda _: None,
    ) -> None:
        """`answer` is given a ticket and its answer, `report` a session's number and the state to report over it."""
        self._commits = commits
        self._link = link
        self._outputs = outputs
        self._answer = answer
        self._report = report
        self._show_page = show_page

    def carry_out(self, orders: Sequence[Sequence[Effect]], now: float) -> list[Event]:
        """Carry out the effects of several events, in order; the events that come of it must be handled next."""
        # What ended before the next one leaves is on the disk by then: a plug pulled after it repeats that one alone.
        sends = any(isinstance(effect, Send) for effects in orders for effect in effects)
        failures = self._commits.commit([_durable(effects) for effects in orders], now, settle=sends)
        events: list[Event] = []
        for effects, failure in zip(orders, failures, strict=True):
            allowed = _allowed(effects, failure)
            for effect in allowed:
                if isinstance(effect, Fetch):
                    fetched = self._commits.fetch(effect, now)
                    events += [fetched] if fetched else []
                    continue
                try:
                    self._carry_out(effect)
                except Exception:  # one order that fails must not take the others along
                    log.exception("an order could not be carried out", extra={"order": type(effect).__name__})
            if failure is not None:
                events.append(StoreFailed(failure.changes, failure.reason, tuple(effects[len(allowed) :])))
        return events

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Store() | Mark() | Settle() | Drop() | Fetch():
                pass  # done by now
            case Send(message, session):
                self._link.send(message, session)
            case ProbeSoon():
                self._link.probe_soon()
            case Hurry():
                self._link.hurry()
            case TakeOffer():
                self._link.take_offer()
            case Signal(name, origin):
                self._outputs.signal(name, origin)
            case Rest(name):
                self._outputs.rest(name)
            case Show(screen):
                self._outputs.show(screen)
            case ShowPage(state):
                self._show_page(state)
            case Say(text, language, about):
                self._outputs.say(text, language, about)
            case Play(sound, about, says):
                self._outputs.play(sound, about, says)
            case Hush():
                self._outputs.hush()
            case Report(session, state):
                self._report(session, state)
            case Answer(ticket, answer):
                self._answer(ticket, answer)
            case Note(level, text, fields):
                log.log(_LEVELS.get(level.upper(), logging.INFO), "%s", text, extra=dict(fields))
            case _:
                assert_never(effect)


def _durable(effects: Sequence[Effect]) -> list[Durable]:
    return [effect for effect in effects if isinstance(effect, Durable)]


def _allowed(effects: Sequence[Effect], failure: Failure | None) -> Sequence[Effect]:
    """The effects before the first one that had to be on the disk and is not."""
    if failure is None or not failure.binding:
        return effects
    first = next(index for index, effect in enumerate(effects) if effect in failure.binding)
    return effects[:first]
