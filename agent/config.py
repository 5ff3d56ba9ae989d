"""`agent.toml` as frozen dataclasses: every table, every key, its unit and its default.

`load` answers with a Config in which nothing is left to check, or with a ConfigError in the words of the file. What the
keys mean to an installer stands in `config/agent.toml`; a test keeps the two the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from agent import settings
from agent.hub.errors import ThalovantError
from agent.settings import Filled, Key, Range

DEFAULT_PATH = Path("/etc/thalovant-agent/agent.toml")

Protocol = Literal["mqtt", "wss", "https"]
LightSignal = Literal["accepted", "done", "unanswered", "refused", "again", "offline", "attention"]

ALL_SIGNALS: tuple[LightSignal, ...] = ("accepted", "done", "unanswered", "refused", "again", "offline", "attention")


class ConfigError(ThalovantError):
    """The configuration must be mended by a person; `problems` has one sentence for each place."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Language:
    """A BCP 47 tag as the hub knows them, `en-us`; empty stands for the one of the table above."""

    def __init__(self, *, required: bool) -> None:
        self._required = required

    def problem(self, value: str) -> str | None:
        parts = value.split("-")
        fits = all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts) and parts[0].isalpha()
        return None if fits or (not value and not self._required) else 'a language such as "en-us"'


class _Encoding:
    """The name of a text encoding Python knows."""

    def problem(self, value: str) -> str | None:
        try:
            "".encode(value)
        except (LookupError, ValueError):
            return 'the name of a text encoding such as "utf-8"'
        return None


class _NoRepeats:
    """A list that names nothing twice."""

    def problem(self, value: tuple[str, ...]) -> str | None:
        return None if len(set(value)) == len(value) else "each entry once"


class _SocketPath:
    """A path that fits into a Unix socket address (unix(7): 108 bytes with the final zero)."""

    def problem(self, value: Path) -> str | None:
        return None if len(str(value).encode()) <= 107 else "a path of at most 107 bytes"


Name = Annotated[str, Filled("a name")]
Pin = Annotated[int, Range(0, 27)]  # the header of every Raspberry Pi brings out GPIO 0 to 27
Language = Annotated[str, _Language(required=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """`[device]`: what holds for every input that does not say otherwise."""

    language: Annotated[str, _Language(required=True)] = "en-us"
    """The language of the messages sent to the hub and of what the display says by itself."""
    session: Name = "device"
    """The conversation the inputs take part in; inputs that name the same one share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig:
    """`[identity]`: who the device is, and where it keeps what it learns."""

    file: Path = Path("/etc/thalovant-agent/identity.json")
    """The identity file, readable by its owner alone."""
    state: Path = Path("/var/lib/thalovant-agent")
    """The folder of outbox, keyring and session ids; on a disk, since what lies in RAM is lost with the power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """`[hub]`: the link."""

    protocols: Annotated[tuple[Protocol, ...], Filled("at least one protocol"), _NoRepeats()] = ("mqtt", "wss", "https")
    """The order in which they are tried; those the identity lacks are skipped."""
    answer_seconds: Annotated[float, Range(1, 600)] = 30.0
    """How long the hub may take to answer a message before its outcome counts as unknown."""
    in_flight: Annotated[int, Range(1, 32)] = 1
    """Messages that may wait for answers at a time; with 1, a denial, which names no message, still has an owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """`[outbox]`: what is kept on disk until the hub has answered."""

    max_messages: Annotated[int, Range(1, 10_000_000)] = 100_000
    """Messages kept; the next scan after that is refused, audibly."""
    max_bytes: Annotated[int, Range(65_536, 2**40)] = 67_108_864
    """Bytes of messages kept; the same."""
    expires_hours: Annotated[float, Range(0.01, 87_600)] = 168.0
    """How long a scan waits for a hub."""
    action_expires_seconds: Annotated[float, Range(1, 3600)] = 15.0
    """How long a press or an utterance waits: a wish of this moment must not open a door an hour late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """`[control]`: the socket the command line speaks to."""

    socket: Annotated[Path, _SocketPath()] = Path("/run/thalovant-agent/control.sock")
    """Open to the agent's user and group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusConfig:
    """`[status]`: what the device tells the hub about itself."""

    every_seconds: Annotated[float, Range(10, 86_400)] = 300.0
    """Time between two reports when nothing changes."""
    emit: bool = True
    """Whether it reports at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """`[log]`: the journal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level written. `debug` shows what people scanned and heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechConfig:
    """`[speech]`: what the hub says, aloud."""

    enabled: bool = False
    """Whether a speech command is run at all."""
    command: Annotated[str, Filled("a command")] = "espeak-ng --stdin --stdout -v {voice} | aplay -q"
    """Run for each text, which it reads on standard input; `{voice}` is replaced."""
    timeout_seconds: Annotated[float, Range(1, 600)] = 30.0
    """A command still running after this is ended."""
    voices: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The voice of a language: `en-us = "en-us"`. A language not listed uses its first part, `en`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayConfig:
    """One text display, from a `[[display]]` table."""

    name: Name = "screen"
    """How the journal and `status` call it."""
    type: Literal["console"] = "console"
    """A text console or terminal."""
    target: Annotated[str, Filled('a device such as "/dev/tty1", or "-"')] = "/dev/tty1"
    """The console's device, or `-` for standard output."""
    columns: Annotated[int, Range(0, 1000)] = 0
    """Characters in a line; 0 asks the console."""
    rows: Annotated[int, Range(0, 1000)] = 0
    """Lines; 0 asks the console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerConfig:
    """One serial scanner, from a `[[scanner]]` table."""

    name: Name
    """How the journal, the hub and `status` call it."""
    port: Annotated[str, Filled("a port")]
    """A path under /dev/serial/by-id, which outlives unplugging, a pattern of such paths, or a pySerial URL."""
    baud: Annotated[int, Range(50, 4_000_000)] = 9600
    """Bits in a second; USB scanners that pose as a serial port ignore it."""
    terminator: Annotated[str, Filled("at least one character")] = "\r"
    """What the scanner sends after each code; only this is cut off."""
    encoding: Annotated[str, _Encoding()] = "utf-8"
    """How the scanner writes characters."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonConfig:
    """One push button, from a `[[button]]` table."""

    name: Name
    """How the journal and `status` call it."""
    pin: Pin
    """The GPIO number, not the position on the header: GPIO 17 is position 11."""
    payload: Annotated[str, Filled("a payload")]
    """The action the hub's skills receive."""
    title: str = ""
    """What the person meant by it, for display."""
    language: Language = ""
    """Empty: the device's."""
    session: str = ""
    """Empty: the device's."""
    pull: Literal["up", "down", "none"] = "up"
    """The Pi's own resistor; `none` when the board has one outside."""
    active: Literal["", "low", "high"] = ""
    """The level while it is pressed. Empty follows `pull`: low for up and none, high for down."""
    debounce_seconds: Annotated[float, Range(0, 2)] = 0.03
    """An edge counts once the level has stayed for this time."""
    replay: bool = False
    """Whether a press whose outcome is unknown is sent again; only for actions that do no harm twice."""

    @property
    def active_low(self) -> bool:
        """Whether a press pulls the pin to ground."""
        return (self.active or ("high" if self.pull == "down" else "low")) == "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class LightConfig:
    """One light or beeper, from a `[[light]]` table."""

    name: Name
    """How the journal and `status` call it."""
    pin: Pin
    """The GPIO number, not the position on the header."""
    kind: Literal["light", "beeper"] = "light"
    """A light may stay on; a beeper only beeps."""
    active: Literal["low", "high"] = "high"
    """The level that turns it on."""
    signals: Annotated[tuple[LightSignal, ...], _NoRepeats()] = ALL_SIGNALS
    """What it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole `agent.toml`."""

    device: DeviceConfig = field(default_factory=DeviceConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    outbox: OutboxConfig = field(default_factory=OutboxConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    status: StatusConfig = field(default_factory=StatusConfig)
    log: LogConfig = field(default_factory=LogConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    displays: Annotated[tuple[DisplayConfig, ...], Key("display")] = ()
    scanners: Annotated[tuple[ScannerConfig, ...], Key("scanner")] = ()
    buttons: Annotated[tuple[ButtonConfig, ...], Key("button")] = ()
    lights: Annotated[tuple[LightConfig, ...], Key("light")] = ()


def load(path: Path | None = None) -> Config:
    """The configuration at `path`, or at the default place, where a missing file means all defaults.

    Raises ConfigError with every problem of the file. Relative paths in it are taken from its own folder.
    """
    source = DEFAULT_PATH if path is None else Path(path)
    try:
        text = source.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if path is None or source == DEFAULT_PATH:
            return Config()
        raise ConfigError(f"{source} does not exist") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is not UTF-8 text (at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return parse(text, source=source)


def parse(text: str, *, source: Path) -> Config:
    """The configuration written in `text`; `source` names it in messages and anchors its relative paths."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {_without_capital(str(error))}") from None
    except ValueError:
        raise ConfigError(f"{source} is not valid TOML: an integer has too many digits") from None
    except RecursionError:
        raise ConfigError(f"{source} is not valid TOML: nested too deeply") from None
    try:
        config = settings.read(Config, table, base=source.parent.absolute())
    except settings.SettingsError as error:
        raise ConfigError(*error.problems) from None
    conflicts = tuple(_conflicts(config))
    if conflicts:
        raise ConfigError(*conflicts)
    return config


def _conflicts(config: Config) -> Iterator[str]:
    """What no single key shows: two of a name, two on a pin, two on a port."""
    tables: dict[str, tuple[Any, ...]] = {
        "display": config.displays,
        "scanner": config.scanners,
        "button": config.buttons,
        "light": config.lights,
    }
    owners: dict[tuple[str, object], str] = {}
    for table, items in tables.items():
        for index, item in enumerate(items, 1):
            for key in ("name", "target", "port", "pin"):
                value = getattr(item, key, None)
                if value is None:
                    continue
                # Pins are shared by all tables, names only within their own.
                owner = owners.setdefault((key if key == "pin" else f"{table}.{key}", value), f"{table}[{index}]")
                if owner != f"{table}[{index}]":
                    yield f"{table}[{index}].{key}: {settings.shown(value)} is taken by {owner}"
    for index, scanner in enumerate(config.scanners, 1):
        try:
            scanner.terminator.encode(scanner.encoding)
        except UnicodeEncodeError:
            yield f"scanner[{index}].terminator: cannot be written in {scanner.encoding}"
    for index, button in enumerate(config.buttons, 1):
        if button.pull != "none" and button.active not in ("", "low" if button.pull == "up" else "high"):
            # gpiozero refuses the pair too: a pull towards the active level would read as pressed for ever.
            yield (
                f'button[{index}].active: a pin pulled {button.pull} cannot be active "{button.active}"; '
                'leave the key out, or set pull = "none"'
            )


def _without_capital(text: str) -> str:
    return text[:1].lower() + text[1:]
