"""One scanner, from its bytes to its facts, with no port in sight. Pure.

The same machine reads a serial port, a keyboard's keys and a recording, so that what happened once can happen again.
"""

from __future__ import annotations

from collections.abc import Mapping

from hardware.answers import Answer, Expected
from hardware.facts import CodeScanned, ScanRefused
from hardware.framing import CodeFramer, Frame, Framing, Refused
from hardware.profile import Command
from hardware.reading import CodeReader, Reading

ScanFact = CodeScanned | ScanRefused | Answer


class ScanMachine:
    """Makes facts of what one scanner sends; each scanner has its own, so two can never be mixed.

    Times are seconds of one even clock. Raises DeviceError for settings that cannot work.
    """

    def __init__(
        self,
        name: str,
        framing: Framing | None = None,
        reading: Reading | None = None,
        commands: Mapping[str, Command] | None = None,
    ) -> None:
        self.name = name
        self._commands = commands or {}
        self._framer = CodeFramer(framing)
        self._reader = CodeReader(name, reading)
        self._heard = 0.0

    @property
    def pending(self) -> int:
        """How many bytes of a code wait for its end."""
        return self._framer.pending

    def feed(self, data: bytes, now: float) -> list[ScanFact]:
        """The facts that `data`, read at `now`, completes."""
        facts = self._facts(self._framer.feed(data, now), now)
        if data:
            self._heard = now
        return facts

    def quiet(self, now: float) -> list[ScanFact]:
        """The facts that are complete because nothing came until `now`; a code bears the time of its last byte."""
        return self._facts(self._framer.quiet(now), self._heard)

    def due(self) -> float | None:
        """When `quiet` has something to do, if nothing comes before; None for never."""
        return self._framer.due()

    def sent(self, command: str, now: float) -> None:
        """A command went out: its answer, if it has one, may come from now on. One nobody knows changes nothing."""
        known = self._commands.get(command)
        if known is not None and known.is_answered:
            self._framer.expect(Expected(now + known.seconds, known.accepted, known.refused))

    def broken(self, now: float) -> list[ScanFact]:
        """The scanner sent more than could be read: the code in progress is not whole, and is refused."""
        self._framer.skip(now)
        return [ScanRefused(self.name, "incomplete", b"", now, "a part of it was lost")]

    def reset(self) -> None:
        """Forget the code in progress: the scanner is gone."""
        self._framer.reset()

    def _facts(self, frames: list[Frame], at: float) -> list[ScanFact]:
        facts: list[ScanFact] = []
        for frame in frames:
            match frame:
                case bytes():
                    facts.append(self._reader.read(frame, at))
                case Refused(reason, raw):
                    facts.append(ScanRefused(self.name, reason, raw, at))
                case Answer():
                    facts.append(frame)
        return facts
