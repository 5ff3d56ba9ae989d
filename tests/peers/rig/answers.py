"""What the assistant behind the hub answers: a function, and a script that may overrule it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HEARD_TYPES = ("recognizer_loop:utterance", "ovos.utterance.handle")

BusPair = tuple[str, Mapping[str, Any]]
"""Type and data of one bus message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One utterance, as a skill sees it."""

    utterance: str
    lang: str
    input: Mapping[str, Any]
    """`kind` and the rest for a code or an action, empty for speech."""
    request_id: str | None
    session_id: str | None

    @classmethod
    def from_bus(cls, data: Mapping[str, Any], context: Mapping[str, Any]) -> Heard:
        return cls(
            utterance=next(iter(data.get("utterances") or ()), ""),
            lang=data.get("lang") or "en-us",
            input=context.get("input") or {},
            request_id=context.get("request_id"),
            session_id=(context.get("session") or {}).get("session_id"),
        )


Answer = Callable[[Heard], Iterable[BusPair]]
"""The bus messages for one utterance. `ovos.utterance.handled` follows by itself."""


def speak(text: str, lang: str = "en-us", **data: Any) -> BusPair:
    return "speak", {"utterance": text, "lang": lang, "expect_response": False, **data}


def unmatched(heard: Heard) -> BusPair:
    """No skill took it."""
    return "ovos.intent.unmatched", {"utterance": heard.utterance, "lang": heard.lang}


def echo(heard: Heard) -> Iterator[BusPair]:
    yield speak(f"echo: {heard.utterance}", heard.lang)


def find_answer(name: str) -> Answer:
    """The function `name` ("package.module:function") names."""
    module, _, function = name.partition(":")
    answer: Answer = getattr(importlib.import_module(module), function)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the answers are to be given from now on."""

    reply: bool = True
    """False: the assistant hears and stays mute, without even an `ovos.utterance.handled`."""
    delay: float = 0.0
    """Seconds before each answer. Answers are given one after the other."""
    answer: str | None = None
    """Say this instead of what the function says."""
    messages: Sequence[BusPair] | None = None
    """Send these instead, for instance a rich answer or an unmatched intent."""
    handled: bool = True
    """Whether `ovos.utterance.handled` follows."""

    def answers(self, heard: Heard, answer: Answer) -> Iterator[BusPair]:
        """The bus messages for `heard`, the closing one included; none when mute."""
        if not self.reply:
            return
        if self.messages is not None:
            yield from self.messages
        elif self.answer is not None:
            yield speak(self.answer, heard.lang)
        else:
            yield from answer(heard)
        if self.handled:
            yield "ovos.utterance.handled", {}
