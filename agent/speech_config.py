"""The `[speech]` table of `agent.toml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from agent.quiet_hours import Span
from agent.record import field, record
from agent.settings import Filled, Range
from hardware.voices import LOAD_SECONDS, OWN, PROFILES, Profile

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
    """The program that speaks. Piper is kept running, with the voice used last in 170 MB of memory, so the unit's
    `MemoryMax=` must be raised for it. Its voices are files: `voices = { en = "/var/lib/piper/en.onnx" }`."""
    command: str = ""
    """Run for each text, which it reads on standard input, in the place of the profile and the player."""
    markup: Literal["strip", "pass"] = "strip"
    """Whether `command` gets the speech mark-up (SSML) of a text too. espeak-ng must not: it runs what stands in the
    `src` of an `<audio>` through a shell."""
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

    def problems(self) -> Iterator[tuple[str, str]]:
        """What no single key shows: the key, and what is wrong with it."""
        if self.markup == "pass" and not self.command.strip():
            yield "markup", 'only a command of your own can be given "pass"'

    @property
    def kept(self) -> bool:
        """Whether the program is kept running: then it fills `{folder}`, and the player plays what is in there."""
        return self._profile.kept

    def command_at(self, volume: float | None = None) -> str:
        """The shell command that speaks, `volume` percent loud, else as loud as configured; `{voice}` is left open.

        For a program that is kept it is the program's alone, else its player's too, and run for each text.
        """
        profile = self._profile
        line = (profile.command or self.command).replace("{rate}", profile.rate(self.rate))
        line = line.replace("{volume}", profile.volume(self.volume if volume is None else volume))
        return line if profile is OWN or profile.kept else f"{line} | {self.player}"

    @property
    def whole_command(self) -> str:
        """All that it takes to speak: the program and what plays it."""
        return f"{self.command_at()} | {self.player}" if self.kept else self.command_at()

    @property
    def has_volume(self) -> bool:
        """Whether the command can be told how loud to be."""
        return "{volume}" in (self._profile.command or self.command)

    @property
    def longest_seconds(self) -> float:
        """No text takes longer."""
        return 2 * self.timeout_seconds + LOAD_SECONDS if self.kept else self.timeout_seconds

    @property
    def _profile(self) -> Profile:
        return OWN if self.command.strip() else PROFILES[self.profile]
