"""A parcel between its sending and its end, and what the hub's events say about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.hub.events import (
    EVENT_INTENT_FAILURE,
    EVENT_INTENT_UNMATCHED,
    EVENT_UTTERANCE_HANDLED,
    SPEAK_EVENTS,
    ThalovantEvent,
)
from agent.parcel import Outcome, Parcel
from agent.record import field, record

_UNMATCHED = frozenset({EVENT_INTENT_UNMATCHED, EVENT_INTENT_FAILURE})
_PASSING = frozenset({"backend_unavailable", "policy_error", "policy_chain_unavailable"})
"""Denials that say something of the hub's state and nothing of the message (wire reference, hub-behaviour.md section
3)."""


@record(frozen=False)
class Flight:
    """One parcel that was sent and has not ended."""

    parcel: Parcel
    sent: float
    spoken: list[str] = field(default_factory=list)
    unmatched_at: float | None = None
    probed: bool = False
    proved: bool = False
    """The hub answered a probe that was sent after the parcel: it had it."""
    unheard: bool = False
    """Neither the parcel nor the probe behind it was answered for so long that the person is told."""

    @property
    def answered(self) -> bool:
        """Whether the hub had it and said something to it, though perhaps not its last word."""
        return bool(self.spoken) or self.unmatched_at is not None

    @property
    def outcome(self) -> Outcome:
        """How it ends if the hub says no more."""
        if self.spoken:
            return Outcome.DONE
        return Outcome.UNKNOWN if self.unmatched_at is None else Outcome.UNANSWERED

    def hear(self, event: ThalovantEvent, now: float) -> Outcome | None:
        """Take in what the hub says to this parcel; its outcome once that was the last word."""
        if event.name in SPEAK_EVENTS:
            # Hubs send the same speech under an old name and a new one.
            if event.display_text and self.spoken[-1:] != [event.display_text]:
                self.spoken.append(event.display_text)
        elif event.name in _UNMATCHED:
            # A fallback may still take it.
            self.unmatched_at = now if self.unmatched_at is None else self.unmatched_at
        elif event.name == EVENT_UTTERANCE_HANDLED:
            return self.outcome if self.answered else Outcome.DONE
        return None


def heard(event: ThalovantEvent) -> Outcome | None:
    """What an event says about a parcel that nobody waits for any more; None when it says nothing."""
    if event.name in _UNMATCHED:
        return Outcome.UNANSWERED
    done = event.name == EVENT_UTTERANCE_HANDLED or (event.name in SPEAK_EVENTS and bool(event.display_text))
    return Outcome.DONE if done else None


def passing(denial: ThalovantEvent) -> bool:
    """Whether a denial will pass by itself: nothing was forwarded, and the message was not looked at."""
    return denial.data.get("code") in _PASSING


def reason(denial: Mapping[str, Any]) -> str:
    """The hub's own words for a denial, else its code."""
    words = (denial.get("reason"), denial.get("code"))
    return next((" ".join(word.split()) for word in words if isinstance(word, str) and word.strip()), "denied")
