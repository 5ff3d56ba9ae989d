"""From a scanner's bytes to codes. Pure: how the reads were cut plays no part.

A scanner sends a code and then a suffix that somebody set with a programming sheet. Only that suffix is cut off.
Everything before it is the code, whatever it looks like: the GS at the end of a GS1 code means something, and so may
a leading space.

Most scanners send CR or CR LF, and which of the two is the setting nobody remembers. So a terminator of CR takes an
LF right behind it along, and a terminator of LF the CR right before it. A terminator of CR LF is taken literally:
that is the setting for codes with line ends inside (a vCard in a QR symbol), which the other two would cut to pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware.facts import DeviceError, RefusalReason

CR, LF = b"\r", b"\n"


@dataclass(frozen=True, slots=True)
class Code:
    """One code, without its suffix."""

    raw: bytes
    value: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that is no code."""

    reason: RefusalReason
    raw: bytes


class CodeFramer:
    """Cuts a scanner's byte stream into codes, one per terminator.

    A code of more than `max_length` bytes is refused whole, once, as soon as it is known to be too long; so a stuck
    scanner can neither fill the memory nor send the tail of a long code as if it were one. Empty frames are dropped.

    Raises DeviceError for a terminator, length or encoding that cannot work.
    """

    def __init__(self, terminator: bytes = CR, *, encoding: str = "utf-8", max_length: int = 2953) -> None:
        if not terminator:
            raise DeviceError("a scanner's terminator needs at least one byte; set the scanner to send CR")
        if max_length < 1:
            raise DeviceError(f"max_length {max_length} leaves no room for a code; 2953 is the largest QR symbol's")
        try:
            b"0".decode(encoding)  # one byte, because Python does not look the codec up for none
        except (LookupError, UnicodeDecodeError):
            raise DeviceError(f'"{encoding}" is no encoding of bytes; use utf-8, latin-1, gbk or the like') from None
        self._terminator = terminator
        self._encoding = encoding
        self._max_length = max_length
        # Bytes past the code that may still turn out to be its end.
        self._slack = 1 if terminator == LF else len(terminator) - 1
        self._pending = b""
        self._skipping = False
        # True from the start: the CR of a CR LF may have been read by whoever had the port before.
        self._after_end = True

    @property
    def pending(self) -> int:
        """How many bytes of a code wait for its end."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Code | Refused]:
        """The codes that `data` completes, in order, and what had to be refused."""
        results: list[Code | Refused] = []
        *frames, rest = self._split(self._pending + data)
        for frame in frames:
            if self._skipping:
                self._skipping = False  # the end of what was refused already
            elif frame:
                results.append(self._judge(frame))
        if not self._skipping and len(rest) > self._max_length + self._slack:
            results.append(self._too_long(rest))
            self._skipping = True
        # While skipping, only a terminator cut in two is of interest.
        self._pending = rest[max(len(rest) - self._slack, 0) :] if self._skipping else rest
        return results

    def reset(self) -> None:
        """Forget the unfinished code: the port it came from is gone."""
        self._pending = b""
        self._skipping = False
        self._after_end = True

    def _split(self, data: bytes) -> list[bytes]:
        """Frames without their ends; the last one has no end yet."""
        if self._terminator == LF:
            *frames, rest = data.split(LF)
            return [frame.removesuffix(CR) for frame in frames] + [rest]
        if self._terminator != CR:
            return data.split(self._terminator)
        if not data:
            return [data]
        *frames, rest = data.split(CR)
        # The LF of a CR LF now stands at the start of the next frame, or will come with the next read.
        starts = [self._after_end and not self._pending] + [True] * len(frames)
        self._after_end = not rest
        frames.append(rest)
        return [frame.removeprefix(LF) if start else frame for frame, start in zip(frames, starts, strict=True)]

    def _judge(self, frame: bytes) -> Code | Refused:
        if len(frame) > self._max_length:
            return self._too_long(frame)
        try:
            return Code(frame, frame.decode(self._encoding))
        except UnicodeDecodeError:
            return Refused("undecodable", frame)

    def _too_long(self, frame: bytes) -> Refused:
        return Refused("too long", frame[: self._max_length])
