"""How a scanner is set up, from what it sends for three codes that we know. Pure.

The sheet is hardware/wiring/learn-scanner.svg. The first code is digits alone: it shows the speed, since at a wrong one
nothing of it is left, and what the scanner puts around a code. The second has a letter that most character sets write
differently. The third is a GS1 code whose GS the scanner must show somehow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from agent.record import record
from hardware.facts import DeviceError
from hardware.framing import CR, LF, Framing
from hardware.gs1 import GS
from hardware.reading import Reading

SPEEDS = (9600, 115200, 38400, 57600, 19200, 4800)
"""Bits in a second that are tried, the usual ones first."""
CODES = ("4006381333931", "agent ü Ж 7", f"010400638133393110AB{GS}217")
"""What is on the sheet: an EAN-13, a QR symbol in UTF-8, a GS1 Data Matrix."""

_SHAPES = (rb"4006381333931", rb"agent (.{1,4}?) (.{1,4}?) 7", rb"010400638133393110AB(.{0,6}?)217")
_AIM = re.compile(rb"\][A-Za-z][0-9A-Za-z]\Z")
ENCODINGS = ("utf-8", "gbk", "shift_jis", "big5", "iso8859-5", "cp1251", "latin-1")
"""What scanners write characters in, the commonest first."""
_IDLE_SECONDS = 0.05
_GARBLED = 0.7
"""With less than this share of printable characters, a burst is noise of a wrong speed."""


@record(kw_only=True)
class Learned:
    """The settings of a scanner."""

    baud: int
    framing: Framing
    reading: Reading
    sends_aim: bool
    sends_gs: bool
    """Without either, a GS1 code cannot be told apart, or not taken apart; set the scanner to send them."""
    identifiers: tuple[str, ...] = ()
    """The AIM identifiers it sent, in the order of the sheet: "]E0", "]Q1", "]d2"."""

    def lines(self, name: str, port: str) -> list[str]:
        """The table for agent.toml; keys that stand at their defaults are left out."""
        framing, reading = self.framing, self.reading
        lines = ["[[scanner]]", f"name = {_toml(name)}", f"port = {_toml(port)}"]
        if self.baud != 9600:
            lines.append(f"baud = {self.baud}")
        if framing.terminators != (CR,):
            ends = ", ".join(_toml(end.decode("latin-1")) for end in framing.terminators)
            lines.append(f"terminators = [{ends}]")
        if framing.idle_seconds:
            lines.append(f"idle_seconds = {framing.idle_seconds}")
        for key, value in (("start", framing.start), ("prefix", framing.prefix), ("suffix", framing.suffix)):
            if value:
                lines.append(f"{key} = {_toml(value.decode('latin-1'))}")
        if reading.encoding != "utf-8":
            lines.append(f"encoding = {_toml(reading.encoding)}")
        if reading.gs:
            lines.append(f"gs = {_toml(reading.gs)}")
        return lines


@record
class Step:
    """What comes next."""

    kind: Literal["scan", "again", "other speed", "silent", "done", "gave up"]
    """`scan` the next code; the same one `again`, which was another; `other speed`: the same one once more; `silent`:
    nothing came for a while."""
    code: int
    """The place of the code to be scanned, from 0."""
    baud: int
    """The speed to listen at."""


class Learner:
    """Learns one scanner by its bursts: all the bytes of one scan, as one silence divides them from the next."""

    def __init__(self, speeds: Sequence[int] = SPEEDS) -> None:
        self._speeds = tuple(speeds)
        self._tried = 0
        self._again = False
        self._bursts: list[bytes] = []
        self._baud = self._speeds[0]

    @property
    def step(self) -> Step:
        """Where it begins."""
        return Step("scan", 0, self._baud)

    def heard(self, burst: bytes) -> Step:
        """What comes after a scan. At the end `result` is there."""
        code = len(self._bursts)
        if fits(code, burst):
            self._bursts.append(burst)
            return Step("done" if code + 1 == len(CODES) else "scan", min(code + 1, len(CODES) - 1), self._baud)
        # At some wrong speeds twelve digits become seven letters, so a text that is wrong twice is no proof of the
        # speed.
        if code or (is_readable(burst) and not self._again):
            self._again = True
            return Step("again", code, self._baud)
        self._again = False
        self._tried += 1
        if self._tried >= 2 * len(self._speeds):  # each twice: a scan can be cut by a change of speed
            return Step("gave up", code, self._baud)
        self._baud = self._speeds[self._tried % len(self._speeds)]
        return Step("other speed", code, self._baud)

    def result(self) -> Learned:
        """The settings. Raises DeviceError when the scans do not agree on any."""
        return learned(self._bursts, self._baud)


def fits(code: int, burst: bytes) -> bool:
    """Whether a burst holds the code of that place."""
    return re.search(_SHAPES[code], burst, re.DOTALL) is not None


def is_readable(burst: bytes) -> bool:
    """Whether a burst looks like text, and not like the noise of a wrong speed."""
    printable = sum(0x20 <= byte < 0x7F or byte in b"\r\n\t\x02\x03\x1d" for byte in burst)
    return len(burst) > 3 and printable >= _GARBLED * len(burst)


def learned(bursts: Sequence[bytes], baud: int) -> Learned:
    """The settings under which a scanner sends these bursts for the codes of the sheet, in order.

    Raises DeviceError when a burst is of another code, or what is around them differs.
    """
    found = [re.search(shape, burst, re.DOTALL) for shape, burst in zip(_SHAPES, bursts, strict=True)]
    around = []
    marked: list[str] = []
    for match, burst in zip(found, bursts, strict=True):
        if match is None:
            raise DeviceError("one of the three codes was another; scan the sheet from top to bottom")
        head, tail = burst[: match.start()], burst[match.end() :]
        marked += [mark[0].decode() for mark in [_AIM.search(head)] if mark]
        around.append((_AIM.sub(b"", head), tail))
    if len(set(around)) > 1:
        raise DeviceError("the scanner puts something else around each code; switch its own code identifiers off")
    text, gs = found[1], found[2]
    assert text is not None and gs is not None  # noqa: PT018 - told above
    head, tail = around[0]
    written = gs[1].decode("latin-1")
    return Learned(
        baud=baud,
        framing=_framing(head, tail),
        reading=Reading(encoding=_encoding(text[1], text[2]), gs="" if written == GS else written),
        sends_aim=len(marked) == len(found),
        sends_gs=bool(written),
        identifiers=tuple(marked),
    )


def _framing(head: bytes, tail: bytes) -> Framing:
    if head.endswith(b"\x02") and tail.startswith(b"\x03"):
        return Framing(start=b"\x02", terminators=(b"\x03",), prefix=b"")
    if not tail:
        return Framing(terminators=(), idle_seconds=_IDLE_SECONDS, prefix=head)
    for end in (CR + LF, CR, LF, b"\t", b"\x03"):
        if tail.endswith(end):
            # A terminator of CR takes an LF along, and suits a scanner that is set up anew, too.
            return Framing(terminators=(CR if end == CR + LF else end,), prefix=head, suffix=tail[: -len(end)])
    return Framing(terminators=(tail,), prefix=head)


def _encoding(umlaut: bytes, cyrillic: bytes) -> str:
    """The first encoding in which at least one of the two letters is written so."""
    scores = {encoding: _writes(encoding, "ü", umlaut) + _writes(encoding, "Ж", cyrillic) for encoding in ENCODINGS}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] else "utf-8"


def _writes(encoding: str, letter: str, data: bytes) -> bool:
    try:
        return letter.encode(encoding) == data
    except UnicodeEncodeError:
        return False


def _toml(text: str) -> str:
    """A string as TOML writes it."""
    names = {"\r": "\\r", "\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return '"' + "".join(names.get(c) or (c if c.isprintable() else f"\\u{ord(c):04X}") for c in text) + '"'
