"""What a person touched on the page; and that one touch is one wish, however often it arrives.

Pure. A browser may send a request twice, a finger may bounce: each touch carries an id of its own, made when the finger
came down, and what was answered to it is answered again.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from agent.record import record

_CODE = 512  # characters: whoever types more than this is not typing a damaged label
_TITLE = 160
_PAYLOAD = 2_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_OFFERS = 64
_REMEMBERED = 128


class TapError(ValueError):
    """The page sent something it never would."""


@record
class Touched:
    """A choice was touched."""

    tap: str
    payload: str
    title: str
    language: str
    """The language the person reads the page in; empty for the device's."""


@record
class Typed:
    """A code was typed, because its label cannot be read."""

    tap: str
    value: str
    language: str


Tap = Touched | Typed


@record
class Verdict:
    """What became of a tap: on disk, or not and why."""

    accepted: bool
    reason: str = ""
    """For the person, in the device's language; empty when accepted."""

    def as_json(self) -> dict[str, Any]:
        """The verdict as the page reads it."""
        return {"accepted": self.accepted, "reason": self.reason}


def read_tap(path: str, body: bytes) -> Tap:
    """The tap in the body of a request. Raises TapError."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise TapError("the body is no JSON object")
    tap = _text(said, "tap", 64)
    if not _ID.fullmatch(tap):
        raise TapError("tap is no id")
    language = said.get("language") or ""
    if language and not (isinstance(language, str) and _LANGUAGE.fullmatch(language)):
        raise TapError("language is none")
    if path == "/action":
        return Touched(tap, _text(said, "payload", _PAYLOAD), _text(said, "title", _TITLE), language)
    return Typed(tap, _text(said, "value", _CODE), language)


def _text(said: dict[str, Any], key: str, most: int) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise TapError(f"{key} must be a text of 1 to {most} characters")
    return value


class Taps:
    """The taps of late, and what was offered. One thread uses it."""

    def __init__(self) -> None:
        self._verdicts: OrderedDict[str, Verdict | None] = OrderedDict()
        self._offered: OrderedDict[str, None] = OrderedDict()

    def offer(self, payloads: Iterable[str]) -> None:
        """These are on the screen now. Those before stay good for a while: a finger may be on its way."""
        for payload in payloads:
            self._offered[payload] = None
            self._offered.move_to_end(payload)
        while len(self._offered) > _OFFERS:
            self._offered.popitem(last=False)

    def offered(self, payload: str) -> bool:
        """Whether the hub offered this. The page can send nothing else."""
        return payload in self._offered

    def begin(self, tap: str) -> bool:
        """Whether this tap is new. It is known from now on."""
        if tap in self._verdicts:
            return False
        self._verdicts[tap] = None
        while len(self._verdicts) > _REMEMBERED:
            self._verdicts.popitem(last=False)
        return True

    def verdict(self, tap: str) -> Verdict | None:
        """What became of a known tap, or None as long as nobody knows."""
        return self._verdicts.get(tap)

    def settle(self, tap: str, verdict: Verdict) -> bool:
        """What became of a tap; whether this is the first word about it."""
        if self._verdicts.get(tap, verdict) is not None:
            return False
        self._verdicts[tap] = verdict
        return True
