"""The table of hardware/wiring/buttons-and-lights.md, and the recordings it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import cast

import hardware
from hardware.board import Board
from hardware.facts import ButtonPressed, DeviceFound, DeviceLost, Gesture
from hardware.gestures import Chord
from hardware.recording import Record, read, replay

SHEET = Path(hardware.__file__).parent / "wiring" / "buttons-and-lights.md"
RECORDINGS = Path(__file__).parents[1] / "recordings" / "gestures"


@dataclass(frozen=True, slots=True)
class GestureRow:
    """One line of the table."""

    name: str
    """Of the recording."""
    wanted: str
    told: str

    @property
    def records(self) -> list[Record]:
        """The edges."""
        return list(read((RECORDINGS / f"{self.name}.rec").read_text(encoding="utf-8").splitlines(keepends=True)))

    @property
    def contacts(self) -> list[str]:
        """The buttons, and the contacts of the knob, that the recording has."""
        return list(dict.fromkeys(record.name for record in self.records))

    @property
    def gestures(self) -> list[Gesture]:
        """Those that are wanted of each button."""
        return [cast(Gesture, word) for word in self.wanted.partition(" + ")[0].split(", ") if word]

    @property
    def chords(self) -> list[Chord]:
        """The chord of both buttons, where one is wanted."""
        chord = self.wanted.partition(" + ")[2]
        hold = re.search(r"of (\d+) s", chord)
        held = float(hold[1]) if hold else 0.0
        return [Chord(name="both", buttons=frozenset({"left", "right"}), hold_seconds=held)] if chord else []

    def replayed(self, records: Sequence[Record]) -> list[object]:
        """What the machine makes of these edges, with no pins at all."""
        board = Board(self.chords)
        for contact in self.contacts:
            if contact == "volume/a":
                board.add_knob("volume")
            elif "/" not in contact:
                board.add_button(contact, self.gestures)
        return [fact for _, facts in replay(records, {}, board) for fact in facts]

    def words(self, facts: Sequence[object]) -> str:
        """What was told, as the table writes it."""
        told = [word for fact in facts if (word := self._word(fact))]
        runs = [(word, len(list(same))) for word, same in groupby(told)]
        return ", ".join(f"{word} × {count}" if count > 9 else ", ".join([word] * count) for word, count in runs)

    def _word(self, fact: object) -> str:
        match fact:
            case ButtonPressed(button, _, gesture):
                return f"{button} {gesture}" if "left" in self.contacts else gesture
            case DeviceLost():
                return "lost"
            case DeviceFound(detail="let go"):
                return "found"
        return ""


def rows() -> list[GestureRow]:
    """Every line of the table."""
    text = SHEET.read_text(encoding="utf-8")
    table = text[text.index("| recording |") :].split("\n\n")[0].splitlines()[2:]
    cells: Iterable[list[str]] = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    return [GestureRow(name, wanted, told) for name, _, wanted, told in cells]
