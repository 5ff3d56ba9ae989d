"""What a person may do with messages that ended badly: see them, send them again, drop them.

The core's thread does it, since the outbox is the core's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent import inputs
from agent.control_commands import ALL
from agent.delivery import Delivery
from agent.effects import Drop, Durable, Store
from agent.outbox import DeadLetter, Outbox, OutboxError
from agent.record import replace
from agent.stamps import StampSource, age

_MOST_SHOWN = 100


class DeadLetters:
    """The dead letters of one outbox. Every method answers with what the control socket says."""

    def __init__(self, outbox: Outbox, delivery: Delivery, stamps: StampSource) -> None:
        self._outbox = outbox
        self._delivery = delivery
        self._stamps = stamps

    def list(self) -> dict[str, Any]:
        """The newest of them, newest first, with what people scanned: it is theirs who ask on this machine."""
        counts = self._outbox.counts()
        try:
            letters = self._outbox.dead_letters(_MOST_SHOWN)
        except OutboxError as error:
            return {"ok": False, "error": str(error)}
        now = self._stamps()
        return {
            "ok": True,
            "waiting": counts.waiting,
            "bytes": counts.bytes,
            "dead": counts.dead,
            "letters": [
                {
                    "request_id": letter.parcel.request_id,
                    "kind": letter.parcel.kind,
                    "origin": letter.parcel.origin,
                    "title": inputs.title(letter.parcel),
                    "outcome": letter.outcome.value,
                    "reason": letter.reason,
                    "age_seconds": round(age(letter.parcel.made, now), 1),
                }
                for letter in letters
            ],
        }

    def retry(self, request_id: str, now: float) -> dict[str, Any]:
        """Send one again, or "all": under its old id, with all its time before it."""

        def renewed(letter: DeadLetter) -> tuple[Durable, ...]:
            parcel = replace(letter.parcel, made=self._stamps(), attempted=False, sequence=0)
            # Behind what waits, as what is scanned now would be.
            return Drop(parcel.request_id), Store(parcel)

        answer, changes = self._change(request_id, renewed)
        for change in changes:
            if isinstance(change, Store):
                self._delivery.stored(change.parcel, now)
        return answer

    def drop(self, request_id: str) -> dict[str, Any]:
        """Forget one, or "all"."""
        return self._change(request_id, lambda letter: (Drop(letter.parcel.request_id),))[0]

    def _change(
        self, request_id: str, orders: Callable[[DeadLetter], tuple[Durable, ...]]
    ) -> tuple[dict[str, Any], tuple[Durable, ...]]:
        try:
            chosen = [letter for letter in self._outbox.dead_letters() if request_id in {ALL, letter.parcel.request_id}]
            if not chosen and request_id != ALL:
                return {"ok": False, "error": f"there is no dead letter {request_id}"}, ()
            # The oldest first, so that they keep their order.
            changes = tuple(change for letter in reversed(chosen) for change in orders(letter))
            self._outbox.commit(changes)
        except OutboxError as error:
            return {"ok": False, "error": str(error)}, ()
        return {"ok": True, "changed": len(chosen)}, changes
