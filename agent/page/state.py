"""Everything the page shows, as one value.

The core builds a new `PageState` whenever something changes and hands it over whole; the page draws what differs. Times
are seconds of the monotonic clock and leave as ages: the browser needs no clock to say "two minutes ago", and the
device may have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from agent.page.items import Choices, File, Image, Item, Table, Text
from agent.record import field, record

InputState = Literal["kept", "sent", "done", "unanswered", "refused", "expired", "unknown", "not saved", "again"]
"""What became of an input: the outcomes of `agent.parcel`, and before them `kept` (on disk, waiting for a link) and
`sent` (with the hub); `not saved`: nothing was accepted; `again`: the scanner read something that is no code."""

LinkState = Literal["up", "connecting", "down", "attention"]

_INPUTS = 6
_TITLE = 120
_REASON = 240


@record(kw_only=True)
class Input:
    """One scan, press or touch, and what became of it."""

    id: str
    """Its request id, or anything that is not another one's."""
    title: str
    """The code as it was read, or what the button says."""
    kind: Literal["code", "action", "utterance"] = "code"
    state: InputState
    reason: str = ""
    """Why, for `refused`, `not saved` and `again`; the hub's or the device's own words."""
    at: float = 0.0
    """When it was made."""


@record(kw_only=True)
class Answer:
    """What the hub said."""

    number: int
    """Another one for each answer, so that the page knows an answer that grew from a new one."""
    items: tuple[Item, ...]
    language: str = ""
    """The language it is in, for hyphenation and screen readers."""
    to: str = ""
    """The `Input.id` it belongs to; empty for what the hub said unasked."""


@record(kw_only=True)
class LinkLine:
    """How the way to the hub is."""

    state: LinkState = "connecting"
    cause: str = ""
    """A value of `agent.hub.protocol.causes.Cause`, while there is no link; the page has the words for it."""
    waiting: int = 0
    """Messages on disk that the hub has not answered yet."""


@record(kw_only=True)
class Trouble:
    """Something else a person should know: a full store, a scanner that is gone, a missing identity."""

    kind: Literal["store", "identity", "device", "stopping"]
    text: str
    """One sentence in the device's language."""


@record(kw_only=True)
class PageState:
    """The whole screen. The defaults are a device that has just started."""

    answer: Answer | None = None
    current: str = ""
    """The `Input.id` the large part is about; empty when nobody is being served, which shows the idle text."""
    inputs: tuple[Input, ...] = ()
    """The latest, newest first. What belongs to a person who has left is not among them."""
    link: LinkLine = field(default_factory=LinkLine)
    troubles: tuple[Trouble, ...] = ()
    """Worst first."""
    clock: bool = True
    """False while the device does not know the time: then the page shows none."""

    def as_json(self, now: float, picture: Callable[[Image], dict[str, Any]]) -> dict[str, Any]:
        """The state as JSON data; `picture` says what the browser may load of an image."""
        return {
            "answer": None if self.answer is None else _answer(self.answer, picture),
            "current": self.current,
            "inputs": [_input(each, now) for each in self.inputs[:_INPUTS]],
            "link": {"state": self.link.state, "cause": self.link.cause, "waiting": self.link.waiting},
            "troubles": [{"kind": each.kind, "text": _cut(each.text, _REASON)} for each in self.troubles[:3]],
            "clock": self.clock,
        }

    def payloads(self) -> Iterator[str]:
        """The actions this screen offers."""
        for item in self.answer.items if self.answer else ():
            if isinstance(item, Choices):
                yield from (choice.payload for choice in item.choices)


def _input(one: Input, now: float) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": _cut(one.title, _TITLE),
        "kind": one.kind,
        "state": one.state,
        "reason": _cut(one.reason, _REASON),
        "age": round(max(now - one.at, 0.0), 1),
    }


def _answer(answer: Answer, picture: Callable[[Image], dict[str, Any]]) -> dict[str, Any]:
    return {
        "number": answer.number,
        "items": [_item(item, picture) for item in answer.items],
        "language": answer.language,
        "to": answer.to,
    }


def _item(item: Item, picture: Callable[[Image], dict[str, Any]]) -> dict[str, Any]:
    match item:
        case Text():
            return {"kind": "text", "text": item.text}
        case Table():
            return {"kind": "table", "head": item.head, "rows": item.rows, "left_out": item.left_out}
        case Image():
            return {"kind": "image", "title": item.title, **picture(item)}
        case File():
            return {"kind": "file", "title": item.title}
        case Choices():
            return {
                "kind": "choices",
                "choices": [{"title": each.title, "payload": each.payload} for each in item.choices],
            }


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
