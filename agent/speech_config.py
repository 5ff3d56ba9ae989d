"""The `[speech]` table of `agent.toml`, and when it is too late in the evening to speak."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from agent.record import field, record
from agent.settings import Filled, Range
from hardware.voices import OWN, PROFILES

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class _Hours:
    """A time of the day until another one, or nothing."""

    def problem(self, value: str) -> str | None:
        return None if not value or _HOURS.fullmatch(value) else 'hours such as "22:00-07:00"'


@record(kw_only=True)
class SpeechConfig:
    """`[speech]`: what the hub says, aloud."""

    enabled: bool = False
    """Whether anything is said or played at all."""
    profile: Literal["espeak-ng", "piper"] = "espeak-ng"
    """The program that speaks. Piper's voices are files: `voices = { en = "/var/lib/piper/en.onnx" }`."""
    command: str = ""
    """Run for each text, which it reads on standard input, in the place of the profile and the player."""
    player: Annotated[str, Filled("a command")] = "aplay -q"
    """Plays a sound file from its standard input: the profile's speech, the hub's sounds."""
    timeout_seconds: Annotated[float, Range(1, 600)] = 30.0
    """A command still running after this is ended."""
    voices: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The voice of a language: `en-us = "en-us"`. A language not listed uses its first part, `en`."""
    rate: Annotated[float, Range(0.3, 3)] = 1.0
    """How fast: 1 is as usual, 2 twice as fast."""
    volume: Annotated[float, Range(0, 200)] = 100.0
    """How loud, in percent of the usual."""
    when: Literal["queue", "newest"] = "queue"
    """Whether a new answer waits for the one being spoken, or interrupts it."""
    max_age_seconds: Annotated[float, Range(1, 3600)] = 60.0
    """An answer to an input made longer ago than this is shown and not spoken: who asked has left."""
    quiet: Annotated[str, _Hours()] = ""
    """When nothing is spoken or played, by the device's own time: `22:00-07:00`."""
    lead_silence_ms: Annotated[int, Range(0, 5000)] = 0
    """Silence played before the first word after a pause, for amplifiers that swallow it."""

    @property
    def command_line(self) -> str:
        """The shell command for one text, with `{voice}` left to be filled in."""
        profile = OWN if self.command.strip() else PROFILES[self.profile]
        line = self.command if self.command.strip() else f"{profile.command} | {self.player}"
        return line.replace("{rate}", profile.rate(self.rate)).replace("{volume}", profile.volume(self.volume))

    def is_quiet(self, hour: int, minute: int) -> bool:
        """Whether nothing is to be heard at this time of the day."""
        hours = _HOURS.fullmatch(self.quiet)
        if hours is None:
            return False
        first, last = (int(hours[at]) * 60 + int(hours[at + 1]) for at in (1, 3))
        now = hour * 60 + minute
        return first <= now < last if first <= last else now >= first or now < last
