"""The tables of `agent.toml` for what is pressed and turned: buttons, chords and knobs.

What the hardware would refuse is refused here already, as with scanners, and what that takes is imported for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from agent.record import field, record
from agent.scanner_config import ScannerConfig
from agent.settings import Filled, Range
from agent.value_checks import Language, Name, NoRepeats, Pin
from hardware.facts import DeviceError, Gesture

if TYPE_CHECKING:
    from hardware.gestures import Chord

TRIGGER = "trigger"
"""The command of a profile that has a module read once."""
_Seconds = Annotated[float, Range(0.05, 60)]


@record(kw_only=True)
class ButtonConfig:
    """One push button, from a `[[button]]` table."""

    name: Name
    """How the journal and `status` call it."""
    pin: Pin
    """The GPIO number, not the position on the header: GPIO 17 is position 11."""
    payload: str = ""
    """The action the hub's skills receive, at each press and at once."""
    gestures: Mapping[str, Annotated[str, Filled("a payload")]] = field(default_factory=lambda: MappingProxyType({}))
    """The actions of other gestures: `{ click = "/next", long = "/staff" }`."""
    trigger: str = ""
    """The scanner that a press has read, where its module reads on command; with or without a payload."""
    hold_seconds: _Seconds = 0.8
    """From here on a press is a long one."""
    repeat_seconds: _Seconds = 0.25
    """Between two repeats while it is held; the first comes with the long press."""
    multi_seconds: _Seconds = 0.35
    """Between the presses of a double or triple click, at most."""
    stuck_seconds: Annotated[float, Range(1, 86_400)] = 120.0
    """Held for so long it is stuck: told, and repeated no more."""
    title: str = ""
    """What the person meant by it, for display."""
    language: Language = ""
    """Empty: the device's."""
    session: str = ""
    """Empty: the device's."""
    pull: Literal["up", "down", "none"] = "up"
    """The Pi's own resistor; `none` when the board has one outside."""
    active: Literal["", "low", "high"] = ""
    """The level while it is pressed. Empty follows `pull`: low for up and none, high for down; the other one is for a
    contact that opens when it is pushed."""
    debounce_seconds: Annotated[float, Range(0, 2)] = 0.03
    """An edge counts once the level has stayed for this time."""
    replay: bool = False
    """Whether a press whose outcome is unknown is sent again; only for actions that do no harm twice."""
    ends_visit: bool = False
    """Whether a press ends the visit, where the device's session is "visit"."""

    @property
    def active_low(self) -> bool:
        """Whether a press pulls the pin to ground."""
        return (self.active or ("high" if self.pull == "down" else "low")) == "low"

    @property
    def actions(self) -> Mapping[Gesture, str]:
        """The payload of each gesture that has one."""
        pressed = {"press": self.payload} if self.payload else {}
        return {**self.gestures, **pressed}  # type: ignore[dict-item]  # names are checked with the file

    @property
    def wanted(self) -> tuple[Gesture, ...]:
        """The gestures that do something."""
        return tuple(dict.fromkeys((*self.actions, *(("press",) if self.trigger else ()))))

    def problems(self, scanners: Sequence[ScannerConfig]) -> Iterator[tuple[str, str]]:
        """What is wrong with the table as a whole, beside these scanners: a key, and a sentence for it."""
        from hardware.board import Board

        if not self.payload.strip() and (self.payload or not (self.gestures or self.trigger)):
            yield "payload", "this key is required, unless gestures has actions or trigger a scanner"
        if self.trigger:
            yield from self._trigger_problems(scanners)
        if self.payload and "press" in self.gestures:
            yield "gestures.press", "payload is the action of a press; leave one of the two out"
        try:
            Board().add_button(self.name, self.wanted)
        except DeviceError as error:
            yield "gestures", str(error)

    def _trigger_problems(self, scanners: Sequence[ScannerConfig]) -> Iterator[tuple[str, str]]:
        scanner = next((scanner for scanner in scanners if scanner.name == self.trigger), None)
        if scanner is None:
            known = ", ".join(scanner.name for scanner in scanners) or "none"
            yield "trigger", f'no scanner is called "{self.trigger}"; there are: {known}'
            return
        try:
            commands = scanner.make().commands
        except DeviceError:
            return  # told already
        if scanner.device or TRIGGER not in commands:
            yield "trigger", f'"{self.trigger}" cannot be told to read; give it a profile with the command {TRIGGER}'


@record(kw_only=True)
class ChordConfig:
    """Several buttons pressed together, from a `[[chord]]` table."""

    name: Name
    """How the journal calls it."""
    buttons: Annotated[tuple[str, ...], NoRepeats()]
    """The names of its buttons, two at least."""
    payload: Annotated[str, Filled("a payload")]
    """The action the hub's skills receive."""
    window_seconds: Annotated[float, Range(0.01, 5)] = 0.3
    """Between the first and the last press, at most."""
    hold_seconds: Annotated[float, Range(0, 60)] = 0.0
    """How long all must be held; 0: the last press is enough."""

    @property
    def chord(self) -> Chord:
        """The same, as the board wants it."""
        from hardware.gestures import Chord

        return Chord(
            name=self.name,
            buttons=frozenset(self.buttons),
            window_seconds=self.window_seconds,
            hold_seconds=self.hold_seconds,
        )

    def problems(self, buttons: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What is wrong with the table among buttons of these names: a key, and a sentence for it."""
        from hardware.board import Board

        for name in self.buttons:
            if name not in buttons:
                yield "buttons", f'no button is called "{name}"; there are: {", ".join(buttons) or "none"}'
        try:
            Board([self.chord])
        except DeviceError as error:
            yield "buttons", str(error)


@record(kw_only=True)
class KnobConfig:
    """One rotary encoder, from a `[[knob]]` table; its push button is a button."""

    name: Name
    """How the journal and `status` call it."""
    a: Pin
    b: Pin
    """The GPIO numbers of its contacts. Exchange them where it turns the wrong way."""
    clockwise: Annotated[str, Filled("a payload")]
    """The action of a step to the right."""
    counterclockwise: Annotated[str, Filled("a payload")]
    """The action of a step to the left."""
    pull: Literal["up", "down", "none"] = "up"
    """The Pi's own resistor; `none` when the board has one outside."""
    edges_per_step: Literal[1, 2, 4] = 4
    """Edges between two places where it rests; 2 where two steps are felt and one is told."""
