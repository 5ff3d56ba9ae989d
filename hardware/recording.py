"""What came in, with its times, as lines of text; and the same again, through the same machines.

    # thalovant recording 1
    12.345678 bytes 5d453034303036333831333333393331 counter
    12.345991 quiet - counter
    12.401112 edge 1 help
    12.801345 key 28:1 wedge

Time (seconds of a monotonic clock), kind, data, name. `bytes` are hexadecimal. `quiet` says that a reader waited until
then in vain, since the time between two reads is no silence. `edge` is 1 for a pressed button or a high contact of a
knob. `key` is a Linux key code with 1 for down, 0 for up, 2 for held. `command` names one that was sent, so that its
answer is known; `level` is a button's or a contact's state at the start; `lost` is a scanner unplugged, `broken` one
whose keys came too fast. Times are written with all their digits: a replay is exact. A line that starts with # is for
people, and a line cut short by a power failure is left out.

A recording holds what people scanned. It is written when somebody asks for it, and is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from agent.record import record
from hardware.facts import DeviceError

if TYPE_CHECKING:
    from hardware.board import Board, ButtonFact
    from hardware.scanning import ScanFact, ScanMachine

Kind = Literal["bytes", "quiet", "edge", "level", "key", "command", "lost", "broken"]
HEADER = "# thalovant recording 1"
_KINDS = frozenset(get_args(Kind))
_NOTHING = "-"


@record
class Record:
    """One thing that came in."""

    at: float
    kind: Kind
    data: str
    name: str

    @property
    def line(self) -> str:
        """The record as a line of a recording, without its end."""
        return f"{self.at!r} {self.kind} {self.data or _NOTHING} {self.name}"


Recorder = Callable[[Record], object]
"""Takes each record as it happens, from the thread that read it; must not wait and must not raise."""


def read(lines: Iterable[str]) -> Iterator[Record]:
    """The records of a recording. Raises DeviceError naming the first line that is none."""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        parts = text.split(" ", 3)
        try:
            at, kind, data, name = float(parts[0]), parts[1], parts[2], parts[3]
            if kind not in _KINDS or not name:
                raise ValueError
        except (ValueError, IndexError):
            if not line.endswith("\n"):
                return  # the last one, cut short
            raise DeviceError(f"line {number} is not of a recording: {text[:40]!r}") from None
        yield Record(at, kind, "" if data == _NOTHING else data, name)  # type: ignore[arg-type]


def replay(
    records: Iterable[Record], scanners: Mapping[str, ScanMachine], board: Board
) -> Iterator[tuple[Record, list[ScanFact | ButtonFact]]]:
    """Each record with the facts that it completes, in their order.

    What is in the recording and not on this device completes nothing. Time passes on the board between the records, and
    for a second past the last one: a recording ends when somebody has enough of it, and the last click may have waited
    to become a double one. Raises DeviceError for a record that its scanner cannot read.
    """
    last: Record | None = None
    for made in records:
        facts: list[ScanFact | ButtonFact] = [*_passed(board, made.at)]
        if made.kind == "level":
            board.level(made.name, made.data == "1", made.at)
        elif made.kind == "edge":
            facts += board.edge(made.name, made.data == "1", made.at)[1]
        elif made.name in scanners:
            facts += _scanned(scanners[made.name], made)
        yield made, facts
        last = made
    if last is not None:
        yield last, [*_passed(board, last.at + 1.0)]


def _scanned(machine: ScanMachine, record: Record) -> list[ScanFact]:
    try:
        match record.kind:
            case "bytes":
                return machine.feed(bytes.fromhex(record.data), record.at)
            case "quiet":
                return machine.quiet(record.at)
            case "broken":
                return machine.broken(record.at)
            case "command":
                machine.sent(record.data, record.at)
            case "key":
                return _typed(machine, record)
            case "lost":
                machine.reset()
            case _:
                raise ValueError
    except ValueError:
        raise DeviceError(f"{record.name} cannot read {record.line[:40]!r}") from None
    return []


def _typed(machine: ScanMachine, record: Record) -> list[ScanFact]:
    from hardware.keying import KeyMachine  # what writes records is imported by all readers, and few are keyboards

    if not isinstance(machine, KeyMachine):
        raise ValueError
    code, value = record.data.split(":")
    return machine.key(int(code), int(value), record.at)


def _passed(board: Board, until: float) -> list[ButtonFact]:
    """What falls due on the way to a time, each at its own."""
    facts: list[ButtonFact] = []
    while (due := board.due()) is not None and due <= until:
        facts += board.tick(due)
    return facts
