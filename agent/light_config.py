"""The tables of `agent.toml` that are about lights and beepers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from agent.quiet_hours import Span
from agent.record import record
from agent.settings import Range
from agent.value_checks import Name, NoRepeats, Pin

LightSignal = Literal["accepted", "done", "unanswered", "refused", "again", "offline", "attention"]

ALL_SIGNALS: tuple[LightSignal, ...] = ("accepted", "done", "unanswered", "refused", "again", "offline", "attention")
NO_PIN = -1
"""In the place of a pin's number: there is none."""
_COLOURS = 3


class _Tone:
    """A frequency in hertz that a pin can be driven with; 0 for none. The pin library lgpio ends at 10 kHz."""

    def problem(self, value: int) -> str | None:
        """What was expected, or None."""
        return None if value == 0 or 50 <= value <= 10_000 else "0, or 50 to 10000"


@record(kw_only=True)
class SignalsConfig:
    """`[signals]`: what holds for all lights and beepers."""

    quiet: Annotated[tuple[Annotated[str, Span()], ...], NoRepeats()] = ()
    """Hours by local time in which beepers are silent, `["22:00-06:00"]`; lights and displays show everything."""


@record(kw_only=True)
class LightConfig:
    """One light or beeper, from a `[[light]]` table."""

    name: Name
    """How the journal and `status` call it."""
    pin: Pin = NO_PIN
    """The GPIO number, not the position on the header; an rgb light has `pins` instead."""
    pins: Annotated[tuple[Pin, ...], NoRepeats()] = ()
    """rgb: the GPIO numbers of red, green and blue."""
    kind: Literal["light", "rgb", "beeper"] = "light"
    """A light may stay on; an rgb light has colours as well; a beeper only beeps."""
    active: Literal["low", "high"] = "high"
    """The level that turns it on."""
    brightness: Annotated[float, Range(0.01, 1)] = 1.0
    """light, rgb: how bright, as a part of all it has. Less than 1 drives the pin with pulses."""
    tone_hz: Annotated[int, _Tone()] = 0
    """beeper: the tone of one that has none of its own; 0 for one that sounds by itself."""
    signals: Annotated[tuple[LightSignal, ...], NoRepeats()] = ALL_SIGNALS
    """What it shows."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """What no single key shows: the key, and what is wrong with it."""
        if self.kind == "rgb":
            if len(self.pins) != _COLOURS:
                yield "pins", f"expected three, for red, green and blue, got {len(self.pins)}"
            if self.pin != NO_PIN:
                yield "pin", 'has no meaning for kind = "rgb", which has pins'
        else:
            if self.pin == NO_PIN:
                yield "pin", "this key is required"
            if self.pins:
                yield "pins", f'has no meaning for kind = "{self.kind}", which has one pin'
        if self.kind == "beeper" and self.brightness != 1:
            yield "brightness", 'has no meaning for kind = "beeper"'
        if self.kind != "beeper" and self.tone_hz:
            yield "tone_hz", f'has no meaning for kind = "{self.kind}"'
