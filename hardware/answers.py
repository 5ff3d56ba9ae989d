"""What a scanner module answers to a command. Pure.

The answer comes down the same wire as the codes, without a terminator, and looks like one: `06` alone, or seven bytes
of which two are a checksum and may be CR. So it is looked for only while a command waits for it, and only where a code
would begin: a module says one thing after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agent.record import record
from hardware.facts import DeviceError

_ANY, _LENGTH, _COUNTED, _TEXT = -1, -2, -3, -4
_WORDS = {"??": _ANY, "LL": _LENGTH, "..": _COUNTED, "*": _TEXT}


@record
class Answer:
    """A command was answered, or was not within its time."""

    verdict: Literal["accepted", "refused", "none"]
    raw: bytes


class AnswerPattern:
    """The shape of an answer, as `hardware/profiles` writes it: `"02 00 00 LL .. ?? ??"`.

    Two digits are a byte, `??` is any byte, `LL` any byte that says how many bytes stand where `..` is, and `*` any
    number of printable characters. Raises DeviceError for anything else.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        words = pattern.split()
        try:
            self._words = [_WORDS[word] if word in _WORDS else _byte(word) for word in words]
        except ValueError:
            raise DeviceError(f'"{pattern}" is no answer; write bytes as two hex digits, or ??, LL, .. and *') from None
        if not words or (_COUNTED in self._words and _LENGTH not in self._words[: self._words.index(_COUNTED)]):
            raise DeviceError(f'"{pattern}" is no answer; ".." needs an "LL" before it')
        if self._words[-1] == _TEXT:
            raise DeviceError(f'"{pattern}" is no answer; nothing ends the "*"')

    def fits(self, data: bytes) -> bool | None:
        """Whether `data` is such an answer; None when it is the beginning of one."""
        at, length = 0, 0
        for word in self._words:
            if word == _TEXT:
                while at < len(data) and 0x20 <= data[at] < 0x7F:
                    at += 1
                continue
            if word == _COUNTED:
                at += length
                continue
            if at >= len(data):
                return None
            if word == _LENGTH:
                length = data[at]
            elif word not in {_ANY, data[at]}:
                return False
            at += 1
        return None if at > len(data) else at == len(data)


def _byte(word: str) -> int:
    (byte,) = bytes.fromhex(word)  # ValueError for none and for two, too
    return byte


@record
class Expected:
    """The answers one command may get, until a time."""

    until: float
    accepted: Sequence[AnswerPattern]
    refused: Sequence[AnswerPattern]

    def look(self, data: bytes) -> Answer | None:
        """The answer that `data` is; None when it is none, or not yet."""
        if any(pattern.fits(data) for pattern in self.accepted):
            return Answer("accepted", data)
        if any(pattern.fits(data) for pattern in self.refused):
            return Answer("refused", data)
        return None

    def may_become(self, data: bytes) -> bool:
        """Whether more bytes could make an answer of it."""
        return any(pattern.fits(data) is None for pattern in (*self.accepted, *self.refused))
