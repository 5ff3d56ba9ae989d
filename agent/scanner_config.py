"""A `[[scanner]]` table of `agent.toml`, and what is wrong with the rules for its codes.

What the hardware would refuse when it is opened is refused here already: everything that can be built without opening
anything is built once while the file is checked, and what it says becomes a problem of the key that is to blame. What
it is built of is imported for that: a device without a scanner has no use for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from agent.record import field, record, replace
from agent.settings import Filled, Range
from agent.value_checks import Baud, Encoding, Language, Name, NoRepeats
from hardware.check_digits import Kind
from hardware.facts import DeviceError
from hardware.routing import Rule

if TYPE_CHECKING:
    from hardware.framing import Framing
    from hardware.profile import Profile
    from hardware.reading import Reading

_NUMBERS = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}")
_TOLD = ("accepted", "refused", "again")
"""The signals that are about one code, so that its scanner can be told."""


@record(kw_only=True)
class ScannerConfig:
    """One scanner, from a `[[scanner]]` table: at a serial port, or one that poses as a keyboard."""

    name: Name
    """How the journal, the hub and `status` call it."""
    port: str = ""
    """A path under /dev/serial/by-id, which outlives unplugging, a pattern of such paths, or a pySerial URL."""
    device: str = ""
    """Instead of a port, a keyboard: "0c2e:0b61", as `lsusb` shows it, or a path under /dev/input/by-id."""
    layout: Literal["us", "uk", "de", "fr"] = "us"
    """The keyboard layout the scanner is set to."""
    profile: str = ""
    """The scanner's make, of those in hardware/profiles; it knows baud, terminators, start, encoding and commands."""
    baud: Annotated[int, Baud()] = 0
    """Bits in a second; 0: the profile's, 9600 without one. Scanners that pose as a serial port ignore it."""
    terminators: Annotated[tuple[Annotated[str, Filled("at least one character")], ...], NoRepeats()] = ()
    """What the scanner sends after each code: any of these. None given: the profile's, CR without one; and with
    `idle_seconds` none at all."""
    idle_seconds: Annotated[float, Range(0, 5)] = 0.0
    """So much silence ends a code; 0: only a terminator does."""
    line_seconds: Annotated[float, Range(0, 1)] = 0.0
    """A terminator with more behind it within this time belongs to a code of several lines; 0: it never does."""
    start: str = ""
    """What comes before each code, such as STX; empty: the profile's."""
    prefix: str = ""
    """Cut off the front of a code where it is there."""
    suffix: str = ""
    """Cut off the end of a code where it is there, before the terminator."""
    encoding: Annotated[str, Encoding()] = ""
    """How the scanner writes characters; empty: the profile's, UTF-8 without one."""
    aim: bool = True
    """Whether an AIM identifier before a code is one, and no part of the code."""
    gs: str = ""
    """What the scanner writes in place of GS, such as "^]"."""
    gs1: Literal["read", "strict", "off"] = "read"
    """Whether GS1 codes are taken apart; `strict` takes no faulty ones."""
    verify: bool = True
    """Whether the check digit of EAN and UPC must be right."""
    check: Annotated[tuple[Kind, ...], NoRepeats()] = ()
    """Codes without an AIM identifier that look like one of these numbers must be one."""
    commands_at_start: tuple[str, ...] = ()
    """Commands of the profile that are sent whenever the scanner was plugged in."""
    commands_when: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Commands of the profile that tell the scanner what became of its code: `{ accepted = "accepted" }`, of the
    signals accepted (it is on disk), refused (it is not) and again (it was no code)."""
    max_length: Annotated[int, Range(1, 65_536)] = 2953
    """Bytes of the longest code taken; the largest QR symbol, 40-L, holds 2953."""
    repeat_seconds: Annotated[float, Range(0, 3600)] = 1.0
    """The same code read again within this time is one scan held too long, not two; 0 sends every one."""
    kind: Name = "code"
    """What the codes are, for the hub's skills."""
    label: str = ""
    """What the codes are, for people."""
    language: Language = ""
    """Empty: the device's."""
    session: str = ""
    """Empty: the device's."""

    @property
    def place(self) -> str:
        """Where it is plugged in, for people."""
        return self.port or self.device

    def make(self) -> Profile:
        """What is known of scanners of this make. Raises DeviceError for a profile that is none."""
        from hardware import profile

        return profile.load(self.profile) if self.profile else profile.Profile(name="", title="a scanner")

    def framing(self) -> Framing:
        """What the scanner puts around its codes. Raises DeviceError, and UnicodeEncodeError, a ValueError."""
        from hardware.framing import CR, Framing

        make = self.make()
        ends = tuple(self._bytes(end) for end in self.terminators)
        return Framing(
            terminators=ends or (() if self.idle_seconds else make.framing.terminators or (CR,)),
            idle_seconds=self.idle_seconds,
            line_seconds=self.line_seconds,
            start=self._bytes(self.start) or make.framing.start,
            prefix=self._bytes(self.prefix),
            suffix=self._bytes(self.suffix),
            max_length=self.max_length,
        )

    def reading(self) -> Reading:
        """How the scanner's codes are read. Raises DeviceError."""
        from hardware.reading import Reading

        encoding = self.encoding or self.make().reading.encoding
        return Reading(encoding=encoding, aim=self.aim, gs=self.gs, gs1=self.gs1, verify=self.verify, check=self.check)

    def speed(self) -> int:
        """Bits in a second. Raises DeviceError."""
        return self.baud or self.make().baud

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the table as a whole: a key, and a sentence for it."""
        from hardware.reading import CodeReader

        if bool(self.port.strip()) == bool(self.device.strip()):
            both = "has a port already; a scanner is either at a port or poses as a keyboard"
            yield ("device", both) if self.port else ("port", "this key is required, or device for a keyboard scanner")
        elif self.device and "/" not in self.device and not _NUMBERS.fullmatch(self.device):
            yield "device", 'expected numbers such as "0c2e:0b61", as lsusb shows them, or a path'
        try:
            make = self.make()
        except DeviceError as error:
            yield "profile", str(error)
            return
        yield from self._unwritable()
        yield from self._framing_problems()
        try:
            CodeReader(self.name, self.reading())
        except DeviceError as error:
            yield "encoding", str(error)
        yield from self._command_problems(make)

    def _command_problems(self, make: Profile) -> Iterator[tuple[str, str]]:
        for signal in self.commands_when:
            if signal not in _TOLD:
                yield "commands_when", f'no scanner is told "{signal}"; known: {", ".join(_TOLD)}'
        wanted = [("commands_at_start", command) for command in self.commands_at_start]
        wanted += [(f"commands_when.{signal}", command) for signal, command in self.commands_when.items()]
        for key, command in wanted:
            if self.device:
                yield key, "a scanner that poses as a keyboard takes no commands"
                return
            if command not in make.commands:
                known = ", ".join(make.commands) or "none, without a profile that has some"
                yield key, f'no command is called "{command}"; known: {known}'

    def _unwritable(self) -> Iterator[tuple[str, str]]:
        for key, values in (
            ("terminators", self.terminators),
            ("start", (self.start,)),
            ("prefix", (self.prefix,)),
            ("suffix", (self.suffix,)),
        ):
            try:
                for value in values:
                    self._bytes(value)
            except UnicodeError:
                yield key, f"cannot be written in {self.reading().encoding}"

    def _framing_problems(self) -> Iterator[tuple[str, str]]:
        """The key is the one with which a framing that worked works no more."""
        from hardware.framing import CodeFramer

        try:
            whole = self.framing()
        except UnicodeError:
            return  # told already
        bare = replace(whole, line_seconds=0.0, start=b"")
        steps = (
            ("terminators", bare),
            ("line_seconds", replace(bare, line_seconds=whole.line_seconds)),
            ("start", whole),
        )
        for key, framing in steps:
            try:
                CodeFramer(framing)
            except DeviceError as error:
                yield key, str(error)
                return

    def _bytes(self, text: str) -> bytes:
        return text.encode("utf-8" if self.device else self.encoding or self.make().reading.encoding)


def rule_problems(rule: Rule, scanners: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule for scanners of these names: a key, and a sentence for it."""
    from hardware.routing import Routes

    if rule.scanner and rule.scanner not in scanners:
        yield "scanner", f'no scanner is called "{rule.scanner}"; there are: {", ".join(scanners) or "none"}'
    if not (rule.kind or rule.label or rule.session or rule.value or rule.action):
        yield "kind", "the rule changes nothing; give it a kind, label, session, value or action"
    # Each step has one key more, and the one with which a rule that worked works no more is to blame.
    bare = Rule(symbologies=rule.symbologies)
    for key, step in (
        ("symbologies", bare),
        ("identifiers", bare := replace(bare, identifiers=rule.identifiers)),
        ("pattern", bare := replace(bare, pattern=rule.pattern)),
        ("value", bare := replace(bare, value=rule.value)),
        ("action", replace(bare, action=rule.action)),
    ):
        try:
            Routes([step])
        except DeviceError as error:
            yield key, str(error).removeprefix("rule 1: ")
            return
