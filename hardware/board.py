"""All buttons and knobs of a device as one machine: edges and time in, facts out. Pure.

It exists apart from the pins, so that a recording, a test and every pin library drive the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from hardware.facts import ButtonPressed, DeviceError, DeviceFound, DeviceLost, Gesture
from hardware.gestures import BUTTON_GESTURES, ButtonMachine, Chord, ChordMachine, KnobMachine, Made, Timing

ButtonFact = ButtonPressed | DeviceFound | DeviceLost


class Board:
    """The gestures of many contacts. Times are seconds of one clock; one thread uses it.

    An edge or a tick that is older than what was told already counts as of then: libraries deliver late, and what has
    been told cannot be taken back.
    """

    def __init__(self, chords: Sequence[Chord] = ()) -> None:
        self._wanted: dict[str, tuple[frozenset[Gesture], Timing | None]] = {}
        self._buttons: dict[str, ButtonMachine] = {}
        self._knobs: dict[str, KnobMachine] = {}
        self._chords = [ChordMachine(chord, self._buttons.get) for chord in chords]
        self._now = float("-inf")

    def add_button(self, name: str, wanted: Sequence[Gesture] = ("press",), timing: Timing | None = None) -> None:
        """Watch a button. Raises DeviceError for a gesture that no button makes."""
        wrong = sorted(set(wanted) - BUTTON_GESTURES)
        if wrong:
            raise DeviceError(f'no button makes "{wrong[0]}"; known: {", ".join(sorted(BUTTON_GESTURES))}')
        self._wanted[name] = frozenset(wanted), timing
        self.level(name, False, 0.0)

    def add_knob(self, name: str, *, edges_per_step: int = 4) -> None:
        """Watch a knob, whose edges are those of the contacts `name/a` and `name/b`. Raises DeviceError."""
        self._knobs[name] = KnobMachine(edges_per_step=edges_per_step)

    def level(self, contact: str, level: bool, at: float) -> None:
        """How a contact is before its first edge; whatever it did before is forgotten."""
        if contact in self._wanted:
            wanted, timing = self._wanted[contact]
            self._buttons[contact] = ButtonMachine(wanted, timing, pressed=level, at=at)
        elif contact[:-2] in self._knobs:
            self._knobs[contact[:-2]].level("a" if contact.endswith("a") else "b", level)

    def remove(self, name: str) -> None:
        """Watch a button or knob no longer."""
        self._wanted.pop(name, None)
        self._buttons.pop(name, None)
        self._knobs.pop(name, None)

    def edge(self, contact: str, level: bool, at: float) -> tuple[float, list[ButtonFact]]:
        """The time that an edge counts as, and what it completes. `level` is "pressed" of a button, "high" of a knob.

        An edge of a contact that is not watched says nothing.
        """
        facts = self.tick(at)
        at = self._now
        if contact in self._buttons:
            facts += self._told(contact, self._buttons[contact].edge(level, at))
            facts += self._chorded(at)
        elif contact[:-2] in self._knobs and contact.endswith(("/a", "/b")):
            turned = self._knobs[contact[:-2]].edge("a" if contact.endswith("a") else "b", level)
            if turned is not None:
                facts.append(ButtonPressed(contact[:-2], at, turned))
        return at, facts

    def tick(self, now: float) -> list[ButtonFact]:
        """What is complete because it is `now`."""
        self._now = now = max(now, self._now)
        facts: list[ButtonFact] = []
        facts += self._chorded(now)  # first: what a chord takes is no long press any more
        for name, machine in self._buttons.items():
            facts += self._told(name, machine.tick(now))
        return facts + self._chorded(now)

    def due(self) -> float | None:
        """When `tick` has something to do, if no edge comes before; None for never."""
        machines: list[ButtonMachine | ChordMachine] = [*self._buttons.values(), *self._chords]
        return min((due for machine in machines if (due := machine.due()) is not None), default=None)

    def _chorded(self, now: float) -> list[ButtonFact]:
        facts: list[ButtonFact] = []
        for machine in self._chords:
            together, made = machine.look(now)
            if together:
                for name in machine.chord.buttons:
                    self._buttons[name].mute()
            if made is not None:
                facts.append(ButtonPressed(machine.chord.name, made, "chord"))
        return facts

    def _told(self, name: str, made: list[Made]) -> list[ButtonFact]:
        facts: list[ButtonFact] = []
        for one in made:
            match one.what:
                case "stuck":
                    facts.append(DeviceLost("button", name, "it has been held down for minutes: it is stuck"))
                case "stuck at the start":
                    facts.append(
                        DeviceLost(
                            "button", name, "it is down from the start: it is stuck, or rest and pressed are exchanged"
                        )
                    )
                case "free":
                    facts.append(DeviceFound("button", name, "let go"))
                case gesture:
                    facts.append(ButtonPressed(name, one.at, gesture))
        return facts
