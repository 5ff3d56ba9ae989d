"""What the command line wished for and waits to hear the outcome of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.delivery import Ending
from agent.effects import Answer, Effect
from agent.parcel import Outcome
from agent.record import record

_EMPTY_SECONDS = 5.0
"""After the hub was done with a question and said nothing: its words may come late (wire reference, messages.md section
6)."""
_SETTLE_SECONDS = 0.25
"""After the first of them: the same words come again under another name, or more do."""


@record(frozen=False)
class _Wish:
    ticket: str
    until: float
    """When it is answered at the latest."""
    ending: Ending | None = None
    """How it ended, while words may still come."""
    text: str = ""


class Wishes:
    """The tickets that are not answered yet, by request id. Not thread-safe: the core's."""

    def __init__(self) -> None:
        self._wishes: dict[str, _Wish] = {}

    def deadline(self) -> float | None:
        """When `tick` has something to answer, or None."""
        return min((wish.until for wish in self._wishes.values()), default=None)

    def add(self, request_id: str, ticket: str, until: float) -> None:
        """Somebody waits for what becomes of this request, until `until`."""
        self._wishes[request_id] = _Wish(ticket, until)

    def not_stored(self, request_id: str, answer: Mapping[str, Any]) -> list[Effect]:
        """The disk did not take it, and this is to be said."""
        wish = self._wishes.pop(request_id, None)
        return [Answer(wish.ticket, answer)] if wish else []

    def said(self, request_id: str | None, text: str, now: float) -> None:
        """The hub said something to a request it had ended."""
        wish = self._wishes.get(request_id or "")
        if wish is not None and wish.ending is not None and text and not wish.text:
            wish.text = text
            wish.until = min(wish.until, now + _SETTLE_SECONDS)

    def ended(self, ending: Ending, now: float) -> list[Effect]:
        """The request ended. A question that got no words yet is answered a little later."""
        wish = self._wishes.get(ending.parcel.request_id)
        if wish is None:
            return []
        wish.ending, wish.text = ending, ending.text
        if ending.outcome is Outcome.DONE and ending.parcel.kind == "utterance" and not ending.text:
            wish.until = min(wish.until, now + _EMPTY_SECONDS)
            return []
        return self._answer(ending.parcel.request_id)

    def tick(self, now: float) -> list[Effect]:
        """Answer what has waited long enough."""
        return [
            effect
            for request_id, wish in list(self._wishes.items())
            if now >= wish.until
            for effect in self._answer(request_id)
        ]

    def stop(self) -> list[Effect]:
        """Answer all of them: what is stored stays stored."""
        return [effect for request_id in list(self._wishes) for effect in self._answer(request_id)]

    def _answer(self, request_id: str) -> list[Effect]:
        wish = self._wishes.pop(request_id)
        if wish.ending is None:
            return [Answer(wish.ticket, still_kept(request_id))]
        ending = wish.ending
        return [
            Answer(
                wish.ticket,
                {
                    "ok": ending.outcome is Outcome.DONE,
                    "outcome": ending.outcome.value,
                    "request_id": request_id,
                    "text": wish.text,
                    "reason": ending.reason,
                },
            )
        ]


def still_kept(request_id: str) -> Mapping[str, Any]:
    """The answer to a request that is on the disk and has no outcome yet."""
    return {"ok": True, "outcome": "kept", "request_id": request_id}
