"""From the edges of contacts to what a person did with them. Pure: edges bring their times along, `tick` brings the
rest.

`hardware.edges` says which edge is a press, at once. A release is slower: a contact that opens may be a bounce, or a
button that was held while something shook it, so it counts once the contact has stayed open, and bears the time at
which it opened. Everything else follows from presses, releases and time, and is told only where it was asked for:
nobody who wants presses waits for a double click that may come.

| gesture | told |
|---|---|
| press | at the first edge |
| release | when the contact has stayed open |
| click | at the release; where double or triple is wanted too, when no other press followed in time |
| double, triple | at the second or third release |
| long | when it has been held so long; its release is no click |
| repeat | again and again, while it is held for longer |

A button that is down when the machine starts does nothing until it is let go, and one that is held for minutes stops
repeating. Both are told as lost: they are stuck, or wired the wrong way round.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from agent.record import record
from hardware.edges import PressMachine
from hardware.facts import DeviceError, Gesture

_CLICKS: tuple[Gesture, ...] = ("click", "double", "triple")
BUTTON_GESTURES: frozenset[Gesture] = frozenset({"press", "release", "click", "double", "triple", "long", "repeat"})
"""What one button can do."""


@record(kw_only=True)
class Timing:
    """How long things take, in seconds."""

    debounce_seconds: float = 0.03
    """How long the contact must be quiet before another press counts, and open before a release does."""
    hold_seconds: float = 0.8
    """From here on a press is a long one."""
    repeat_seconds: float = 0.25
    """Between two repeats, of which the first comes with the long press."""
    multi_seconds: float = 0.35
    """Between a release and the next press of a double click, at most."""
    stuck_seconds: float = 120.0
    """Nobody holds a button for so long."""


@record
class Made:
    """A gesture, or a button that stuck or came free."""

    what: Gesture | Literal["stuck", "stuck at the start", "free"]
    at: float


class ButtonMachine:
    """The gestures of one button. Times are seconds of one even clock.

    `pressed` is the contact at `at`, the start.
    """

    def __init__(
        self, wanted: frozenset[Gesture], timing: Timing | None = None, *, pressed: bool = False, at: float = 0.0
    ) -> None:
        self._wanted = wanted
        self._timing = timing or Timing()
        self._contact = PressMachine(debounce_seconds=self._timing.debounce_seconds, pressed=pressed)
        self._changed = at
        self._down: float | None = at if pressed else None  # when it was pressed; None while it is not
        self._mute = pressed  # what is held now makes no more gestures
        self._stuck = False
        self._at_start = pressed
        self._long = False
        self._repeated = 0
        self._clicks = 0
        self._released = 0.0
        self._holds = bool(wanted & {"long", "repeat"})
        self._most_clicks = max((n for n, click in enumerate(_CLICKS, 1) if click in wanted), default=0)

    @property
    def down_since(self) -> float | None:
        """When the button that is held now was pressed; None when it is not, or was down from the start."""
        return None if self._at_start else self._down

    @property
    def is_open(self) -> bool:
        """Whether the contact is open now, be it for a moment."""
        return not self._contact.pressed

    def edge(self, pressed: bool, at: float) -> list[Made]:
        """The gestures that an edge to this level completes, and those that were due before it."""
        made = self.tick(at)
        is_press = self._contact.edge(pressed, at)
        if is_press:
            if self._down is not None:  # by a hair: it is a press, so the contact was open for long enough
                made += self._let_go(self._changed)
            self._down, self._mute, self._stuck, self._long, self._repeated = at, False, False, False, 0
            if "press" in self._wanted:
                made.append(Made("press", at))
        self._changed = at
        return made

    def tick(self, now: float) -> list[Made]:
        """The gestures that are complete because it is `now`."""
        made: list[Made] = []
        if self._down is not None:
            if self._contact.pressed:
                made += self._held(self._down, now)
            elif now >= self._changed + self._timing.debounce_seconds:
                made += self._let_go(self._changed)
        if self._down is None and self._clicks and now >= self._released + self._timing.multi_seconds:
            made += self._clicked()
        return made

    def due(self) -> float | None:
        """When `tick` has something to do, if no edge comes before; None for never."""
        timing = self._timing
        if self._down is None:
            return self._released + timing.multi_seconds if self._clicks else None
        if not self._contact.pressed:
            return self._changed + timing.debounce_seconds
        ends = []
        if not self._stuck:
            ends.append(self._down if self._at_start else self._down + timing.stuck_seconds)
            if self._holds and not self._mute:
                if not self._long:
                    ends.append(self._down + timing.hold_seconds)
                elif "repeat" in self._wanted:
                    ends.append(self._next_repeat(self._down))
        return min(ends, default=None)

    def mute(self) -> None:
        """What is held now belongs to a chord, and is no gesture of this button alone."""
        self._mute = True
        self._clicks = 0

    def _held(self, down: float, now: float) -> list[Made]:
        timing = self._timing
        made: list[Made] = []
        if self._holds and not self._mute and not self._long and now >= down + timing.hold_seconds:
            self._long = True
            made += self._clicked()  # of before; a click and a long press are not a double click
            if "long" in self._wanted:
                made.append(Made("long", down + timing.hold_seconds))
        while (
            self._long
            and "repeat" in self._wanted
            and not (self._mute or self._stuck)
            and self._next_repeat(down) <= min(now, down + timing.stuck_seconds)
        ):
            made.append(Made("repeat", self._next_repeat(down)))
            self._repeated += 1
        if not self._stuck and (self._at_start or now >= down + timing.stuck_seconds):
            self._stuck = True
            made.append(
                Made("stuck at the start", down) if self._at_start else Made("stuck", down + timing.stuck_seconds)
            )
        return made

    def _let_go(self, at: float) -> list[Made]:
        made: list[Made] = []
        if self._stuck:
            made.append(Made("free", at))
        if not self._at_start:
            if "release" in self._wanted and not self._mute:
                made.append(Made("release", at))
            if self._most_clicks and not (self._mute or self._long or self._stuck):
                self._clicks += 1
                self._released = at
                if self._clicks == self._most_clicks:
                    made += self._clicked()
        self._down, self._at_start, self._mute, self._stuck, self._long = None, False, False, False, False
        return made

    def _clicked(self) -> list[Made]:
        """The clicks since the last gesture, as one; two that nobody wants as a double click are two clicks."""
        count, self._clicks = self._clicks, 0
        if not count:
            return []
        if _CLICKS[count - 1] in self._wanted:
            return [Made(_CLICKS[count - 1], self._released)]
        return [Made("click", self._released)] * count if "click" in self._wanted else []

    def _next_repeat(self, down: float) -> float:
        return down + self._timing.hold_seconds + self._repeated * max(self._timing.repeat_seconds, 0.01)


@record(kw_only=True)
class Chord:
    """Several buttons pressed together. What they do alone should be a click, not a press, which comes too early."""

    name: str
    buttons: frozenset[str]
    window_seconds: float = 0.3
    """Between the first and the last press, at most."""
    hold_seconds: float = 0.0
    """How long all must be held; 0: the last press is enough."""


class ChordMachine:
    """Notices one chord, by looking at its buttons. `button` gives the machine of a name; None where it is missing."""

    def __init__(self, chord: Chord, button: Callable[[str], ButtonMachine | None]) -> None:
        if len(chord.buttons) < 2:
            raise DeviceError(f'the chord "{chord.name}" needs two buttons at least')
        self.chord = chord
        self._button = button
        self._complete: float | None = None  # since when all of its buttons are held
        self._told = False

    def look(self, now: float) -> tuple[bool, float | None]:
        """Whether its buttons have just come together, and when the chord was made, if that is by `now`."""
        machines = self._machines()
        times = [machine.down_since for machine in machines if machine.down_since is not None]
        if len(times) < len(self.chord.buttons):
            self._complete, self._told = None, False
            return False, None
        if any(machine.is_open for machine in machines):
            return False, None  # let go, or a bounce: its machine will know
        together = self._complete is None and max(times) - min(times) <= self.chord.window_seconds
        if together:
            self._complete = max(times)
        if self._complete is None or self._told or now < self._complete + self.chord.hold_seconds:
            return together, None
        self._told = True
        return together, self._complete + self.chord.hold_seconds

    def due(self) -> float | None:
        """When the chord will have been held for long enough; None for never."""
        if self._complete is None or self._told or any(machine.is_open for machine in self._machines()):
            return None
        return self._complete + self.chord.hold_seconds

    def _machines(self) -> list[ButtonMachine]:
        return [machine for name in self.chord.buttons if (machine := self._button(name)) is not None]


_TURNS = {(0b11, 0b01): 1, (0b01, 0b00): 1, (0b00, 0b10): 1, (0b10, 0b11): 1}
_TURNS |= {(new, old): -1 for (old, new) in tuple(_TURNS)}


class KnobMachine:
    """The steps of a rotary encoder, from the levels of its two contacts, of which A comes first clockwise.

    `edges_per_step` is how many edges lie between two places where it rests: 4 for most, 2 or 1 for some. Bounces go to
    and fro between two neighbours and cancel out, so it needs no debounce; where an edge was lost, the step still
    counts.
    """

    def __init__(self, *, edges_per_step: int = 4) -> None:
        if edges_per_step not in {1, 2, 4}:
            raise DeviceError(f"a knob has 1, 2 or 4 edges to a step, not {edges_per_step}")
        self._edges = edges_per_step
        self._state = self._rest = 0b11  # both contacts open, and pulled up
        self._turned = 0

    def level(self, contact: Literal["a", "b"], high: bool) -> None:
        """The level of a contact at the start, where the knob is at rest."""
        self._state = self._rest = self._with(contact, high)
        self._turned = 0

    def edge(self, contact: Literal["a", "b"], high: bool) -> Literal["clockwise", "counterclockwise"] | None:
        """The step that an edge of one contact to this level completes."""
        state = self._with(contact, high)
        self._turned += _TURNS.get((self._state, state), 0)
        moved, self._state = state != self._state, state
        if not moved or not self._at_rest(state):
            return None
        turned, self._turned = self._turned, 0
        if abs(turned) < max(self._edges // 2, 1):
            return None
        return "clockwise" if turned > 0 else "counterclockwise"

    def _with(self, contact: Literal["a", "b"], high: bool) -> int:
        bit = 0b10 if contact == "a" else 0b01
        return self._state | bit if high else self._state & ~bit

    def _at_rest(self, state: int) -> bool:
        return self._edges == 1 or state == self._rest or (self._edges == 2 and state == self._rest ^ 0b11)
