"""From a scanner's bytes to codes. Pure: how the reads were cut plays no part, and silence is something one is told.

A scanner sends a code and then a suffix that somebody set with a programming sheet. Only what the sheet added is cut
off. Everything else is the code, whatever it looks like: the GS at the end of a GS1 code means something, and so may
a leading space.

Most scanners send CR or CR LF, and which of the two is the setting nobody remembers. So a terminator of CR takes an
LF right behind it along, and a terminator of LF the CR right before it. A terminator of CR LF is taken literally:
that is one setting for codes with line ends inside (a vCard in a QR symbol), which the other two would cut to pieces.
There are three more: a start and an end byte around each code (STX, ETX), no terminator but a pause, and
`line_seconds`.

Silence is what somebody waited for in vain. The time between two reads is not: a reader that was busy finds the two
halves of one code in its port, and its clock says that they came far apart.

Bytes are looked at one by one, which makes it plain that no cut can matter. A scanner sends 11,520 in a second at the
most.
"""

from __future__ import annotations

import re

from agent.record import record
from hardware.answers import Answer, Expected
from hardware.facts import DeviceError, RefusalReason

CR, LF = b"\r", b"\n"
_AIM = rb"\][A-Za-z][0-9A-Za-z]"
"""With this a scanner that sends AIM identifiers begins every code."""
_GAP_SECONDS = 0.25
"""No scanner pauses for so long within a code, nor sends the next one sooner."""


@record(kw_only=True)
class Framing:
    """What one scanner puts around a code."""

    terminators: tuple[bytes, ...] = (CR,)
    """Any of these ends a code. None at all needs `idle_seconds`."""
    idle_seconds: float = 0.0
    """So much silence ends a code; 0: only a terminator does. 0.05 suits most scanners that send no suffix."""
    line_seconds: float = 0.0
    """A terminator with more bytes behind it within this time belongs to a code of several lines; 0: it never does.

    0.005 suits a USB scanner. Codes that wait in the port together are then told apart by their AIM identifiers alone.
    """
    start: bytes = b""
    """What comes before a code, such as STX; bytes before it are noise. A code that lacks it is taken all the same."""
    prefix: bytes = b""
    """Cut off the front of a code where it is there."""
    suffix: bytes = b""
    """Cut off the end of a code where it is there, before the terminator."""
    max_length: int = 2953
    """Bytes of the longest code. The largest QR symbol holds 2953, or 7089 digits."""


@record
class Refused:
    """A frame that is no code."""

    reason: RefusalReason
    raw: bytes


Frame = bytes | Refused | Answer


class CodeFramer:
    """Cuts a scanner's byte stream into codes.

    A code of more than `max_length` bytes is refused whole, once, as soon as it is known to be too long; so a stuck
    scanner can neither fill the memory nor send the tail of a long code as if it were one. Empty frames are dropped.

    Times are seconds of one even clock. Raises DeviceError for a framing that cannot work.
    """

    def __init__(self, framing: Framing | None = None) -> None:
        framing = framing or Framing()
        _check(framing)
        self._framing = framing
        self._cr_takes_lf = CR in framing.terminators
        self._lf_takes_cr = LF in framing.terminators and not self._cr_takes_lf
        self._ends = framing.terminators
        longest = max(map(len, self._ends), default=1)
        # Bytes past the longest code that may still turn out to be no part of it.
        self._slack = longest - 1 + self._lf_takes_cr + len(framing.prefix) + len(framing.suffix)
        # Of a code that is skipped, the bytes that may still be the beginning of its end.
        self._tail = max(longest, len(framing.start)) - 1
        self._next: re.Pattern[bytes] | None = None
        if framing.line_seconds:
            if self._cr_takes_lf:
                self._ends = (*self._ends, CR + LF)
            longest = max(map(len, self._ends))
            self._slack += longest
            self._tail = max(longest + 3, len(framing.start))
            self._next = re.compile(b"(?:%b)(%b)" % (b"|".join(map(re.escape, self._ends)), _AIM))
        self._expected: Expected | None = None
        self._heard = 0.0  # when the last byte came
        self._clear()

    @property
    def pending(self) -> int:
        """How many bytes of a code wait for its end."""
        return 0 if self._skipping else len(self._buffer)

    def feed(self, data: bytes, now: float = 0.0) -> list[Frame]:
        """What `data`, read at `now`, completes, in order: codes without their framing, refusals, answers."""
        frames: list[Frame] = []
        self._give_up_waiting(now, frames)
        for byte in data:
            self._take(byte, frames)
        if data:
            self._heard = now
        return frames

    def quiet(self, now: float) -> list[Frame]:
        """What is complete because nothing came until `now`."""
        frames: list[Frame] = []
        self._give_up_waiting(now, frames)
        end = self._ends_by_silence()
        if end is not None and now >= end:
            self._end_by_silence(frames)
        return frames

    def due(self) -> float | None:
        """When `quiet` has something to do, if no byte comes before; None for never."""
        ends = (self._ends_by_silence(), self._expected.until if self._expected is not None else None)
        return min((end for end in ends if end is not None), default=None)

    def expect(self, expected: Expected) -> None:
        """A command was sent: its answer may now stand where a code would begin, until it came or is overdue."""
        self._expected = expected
        self._ruled_out = self._skipping or bool(self._buffer)

    def skip(self, now: float) -> None:
        """Bytes were lost: what comes until the next end, or until nothing has come for a while, is no whole code."""
        self._clear()
        self._skipping = self._broken = True
        self._heard = now

    def reset(self) -> None:
        """Forget the unfinished code and the pending command: the port they belong to is gone."""
        self._expected = None
        self._clear()

    def _clear(self) -> None:
        self._buffer = bytearray()
        self._skipping = self._broken = False
        self._ruled_out = False  # this frame is no answer
        # True from the start: the CR of a CR LF may have been read by whoever had the port before.
        self._after_end = True

    # -- one byte

    def _take(self, byte: int, frames: list[Frame]) -> None:
        if self._after_end and self._cr_takes_lf and byte == LF[0]:
            self._after_end = False
            return
        self._after_end = False
        self._buffer.append(byte)
        if self._expected is not None and not self._ruled_out and self._may_be_answer(self._expected, frames):
            return
        if self._framing.start and self._buffer.endswith(self._framing.start):
            self._buffer.clear()
            self._skipping = self._broken = False
        elif self._next is not None:
            self._take_of_lines(self._next, frames)
        elif self._ends and self._buffer.endswith(self._ends):
            self._drop_end()
            self._end(frames)
        self._limit(frames)

    def _take_of_lines(self, following: re.Pattern[bytes], frames: list[Frame]) -> None:
        """A code of several lines ends before the next one's AIM identifier."""
        found = following.search(self._buffer, max(len(self._buffer) - self._tail, 0))
        if found is not None and found.end() == len(self._buffer):
            identifier = found[1]
            del self._buffer[found.start() :]
            self._end(frames)
            self._after_end = False
            self._buffer += identifier

    def _limit(self, frames: list[Frame]) -> None:
        if self._skipping:
            del self._buffer[: max(len(self._buffer) - self._tail, 0)]
        elif len(self._buffer) > self._framing.max_length + self._slack:
            frames.append(self._too_long(bytes(self._buffer).removeprefix(self._framing.prefix)))
            self._skipping = True

    # -- answers

    def _may_be_answer(self, expected: Expected, frames: list[Frame]) -> bool:
        """Whether the byte was dealt with as one of an answer, or may yet turn out to be."""
        data = bytes(self._buffer)
        answer = expected.look(data)
        if answer is not None:
            self._expected = None
            self._clear()
            frames.append(answer)
        elif not expected.may_become(data):
            self._take_back(frames)
        return True

    def _take_back(self, frames: list[Frame]) -> None:
        """What was held back as the beginning of an answer was the beginning of a code."""
        held, self._buffer = bytes(self._buffer), bytearray()
        self._ruled_out = True
        for byte in held:
            self._take(byte, frames)

    def _give_up_waiting(self, now: float, frames: list[Frame]) -> None:
        if self._expected is not None and now >= self._expected.until:
            self._expected = None
            frames.append(Answer("none", b""))
            if self._buffer and not self._ruled_out:
                self._take_back(frames)

    # -- ends

    def _ends_by_silence(self) -> float | None:
        """When silence will have ended what is in the buffer; None when it will not."""
        framing = self._framing
        if self._broken:
            return self._heard + _GAP_SECONDS
        if framing.line_seconds and self._buffer.endswith(self._ends):
            return self._heard + framing.line_seconds
        if framing.idle_seconds and (self._buffer or self._skipping):
            return self._heard + framing.idle_seconds
        return None

    def _end_by_silence(self, frames: list[Frame]) -> None:
        if self._next is not None:
            self._drop_end()
        self._end(frames)

    def _drop_end(self) -> None:
        """Take the terminator off the buffer; the longest, where one is the end of another."""
        longest = max((len(end) for end in self._ends if self._buffer.endswith(end)), default=0)
        del self._buffer[len(self._buffer) - longest :]

    def _end(self, frames: list[Frame]) -> None:
        """What is in the buffer has come to its end."""
        frame, skipped = bytes(self._buffer), self._skipping
        self._clear()
        if skipped:
            return  # the end of what was refused already
        if self._lf_takes_cr:
            frame = frame.removesuffix(CR)
        frame = frame.removeprefix(self._framing.prefix).removesuffix(self._framing.suffix)
        if len(frame) > self._framing.max_length:
            frames.append(self._too_long(frame))
        elif frame:
            frames.append(frame)

    def _too_long(self, frame: bytes) -> Refused:
        return Refused("too long", frame[: self._framing.max_length])


def _check(framing: Framing) -> None:
    ends = framing.terminators
    if not all(ends):
        raise DeviceError("a scanner's terminator needs at least one byte; set the scanner to send CR")
    if not ends and not framing.idle_seconds:
        raise DeviceError("without a terminator nothing ends a code; set idle_seconds, or the scanner to send CR")
    if framing.line_seconds and not ends:
        raise DeviceError("line_seconds is about terminators, and there is none; use idle_seconds alone")
    if min(framing.idle_seconds, framing.line_seconds) < 0:
        raise DeviceError("idle_seconds and line_seconds are times, and cannot be negative")
    if framing.max_length < 1:
        raise DeviceError(f"max_length {framing.max_length} leaves no room for a code; 2953 is the largest QR symbol's")
    if framing.start and any(framing.start in end or end in framing.start for end in ends):
        raise DeviceError("what starts a code cannot be what ends one; STX and ETX are the usual pair")
