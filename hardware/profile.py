"""What is known about scanners by their maker: how they are set when they come out of the box, and what they can be
told.

One file each in `hardware/profiles`, loaded by its name. The codes that set a scanner up are in
hardware/wiring/scanners.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.record import field, record
from hardware.answers import AnswerPattern
from hardware.facts import DeviceError
from hardware.framing import Framing
from hardware.reading import Reading

_KEYS = {"title", "baud", "terminators", "start", "encoding", "commands"}
_COMMAND_KEYS = {"send", "accepted", "refused", "seconds"}


@record(kw_only=True)
class Command:
    """Something a scanner can be told."""

    send: bytes
    accepted: tuple[AnswerPattern, ...] = ()
    refused: tuple[AnswerPattern, ...] = ()
    """What it answers; a command without answers is not waited for."""
    seconds: float = 0.5
    """How long the answer may take."""

    @property
    def is_answered(self) -> bool:
        """Whether an answer is to come."""
        return bool(self.accepted or self.refused)


@record(kw_only=True)
class Profile:
    """One kind of scanner."""

    name: str
    title: str
    baud: int = 9600
    framing: Framing = field(default_factory=Framing)
    reading: Reading = field(default_factory=Reading)
    commands: Mapping[str, Command] = field(default_factory=lambda: MappingProxyType({}))
    """By name: `trigger` and `stop` where it reads on command, `accepted` where it can beep for a code that was
    taken."""


_FOLDER = Path(__file__).with_name("profiles")
# Not importlib.resources, which brings tempfile, shutil and with them three compressors.


def names() -> list[str]:
    """The profiles there are."""
    return sorted(file.stem for file in _FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """The profile of that name. Raises DeviceError naming those there are."""
    if name not in names():
        raise DeviceError(f'there is no scanner profile "{name}"; known: {", ".join(names())}')
    return parse(name, (_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Profile:
    """The profile that a file's text describes. Raises DeviceError for one that is wrong."""
    try:
        table = tomllib.loads(text)
        _only(table, _KEYS)
        return Profile(
            name=name,
            title=str(table["title"]),
            baud=int(table.get("baud", 9600)),
            framing=Framing(
                terminators=tuple(str(end).encode() for end in table.get("terminators", ["\r"])),
                start=str(table.get("start", "")).encode(),
            ),
            reading=Reading(encoding=str(table.get("encoding", "utf-8"))),
            commands=MappingProxyType({key: _command(value) for key, value in table.get("commands", {}).items()}),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(f"the scanner profile {name} is wrong: {error}") from error


def _command(table: dict[str, Any]) -> Command:
    _only(table, _COMMAND_KEYS)
    return Command(
        send=bytes.fromhex(table["send"]),
        accepted=tuple(map(AnswerPattern, table.get("accepted", []))),
        refused=tuple(map(AnswerPattern, table.get("refused", []))),
        seconds=float(table.get("seconds", 0.5)),
    )


def _only(table: dict[str, Any], keys: set[str]) -> None:
    for key in table:
        if key not in keys:
            raise ValueError(f"{key} is no key of it; known: {', '.join(sorted(keys))}")
