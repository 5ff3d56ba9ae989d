"""The `[speech]` table of `agent.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from agent.quiet_hours import Span
from agent.record import field, record
from agent.settings import Filled, Range
from hardware.voices import OWN, PROFILES, Profile

LOUDEST = 200.0
"""Percent of the usual: espeak-ng goes no further."""


class _Hours:
    """A time of the day until another one, or nothing."""

    def problem(self, value: str) -> str | None:
        return Span().problem(value) if value else None


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
    volume: Annotated[float, Range(0, LOUDEST)] = 100.0
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
        return self.command_line_at(self.volume)

    def command_line_at(self, volume: float) -> str:
        """The same, as loud as `volume` says."""
        profile, line = self._command()
        return line.replace("{rate}", profile.rate(self.rate)).replace("{volume}", profile.volume(volume))

    @property
    def has_volume(self) -> bool:
        """Whether the command can be told how loud to be."""
        return "{volume}" in self._command()[1]

    def _command(self) -> tuple[Profile, str]:
        if self.command.strip():
            return OWN, self.command
        profile = PROFILES[self.profile]
        return profile, f"{profile.command} | {self.player}"
