"""`agent.toml` as records: every table, every key, its unit and its default.

`load` answers with a Config in which nothing is left to check, or with a ConfigError in the words of the file. What the
keys mean to an installer stands in `config/agent.toml`; a test keeps the two the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from agent import settings
from agent.button_config import ButtonConfig, ChordConfig, KnobConfig
from agent.display_config import DisplayConfig
from agent.hub.errors import ThalovantError
from agent.light_config import NO_PIN, LightConfig, SignalsConfig
from agent.offline import OfflineConfig
from agent.page_config import PageConfig
from agent.record import field, record
from agent.scanner_config import ScannerConfig, rule_problems
from agent.settings import Filled, Key, Range
from agent.speech_config import SpeechConfig
from agent.value_checks import LanguageTag, Name, NoRepeats
from hardware.routing import Rule

__all__ = [
    "ButtonConfig",
    "ChordConfig",
    "Config",
    "ConfigError",
    "KnobConfig",
    "LightConfig",
    "OfflineConfig",
    "Rule",
    "ScannerConfig",
    "SignalsConfig",
    "SpeechConfig",
    "load",
    "parse",
]
# The tables of what is plugged in are defined in modules of their own, and are had from here like all the others.

DEFAULT_PATH = Path("/etc/thalovant-agent/agent.toml")

Protocol = Literal["mqtt", "wss", "https"]

_NAMED_WITH = {"chord": "button", "knob": "button"}
"""Tables whose names are of one kind with those of another."""


class ConfigError(ThalovantError):
    """The configuration must be mended by a person; `problems` has one sentence for each place."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _SocketPath:
    """A path that fits into a Unix socket address (unix(7): 108 bytes with the final zero)."""

    def problem(self, value: Path) -> str | None:
        return None if len(str(value).encode()) <= 107 else "a path of at most 107 bytes"


@record(kw_only=True)
class DeviceConfig:
    """`[device]`: what holds for every input that does not say otherwise."""

    language: Annotated[str, LanguageTag(required=True)] = "en-us"
    """The language of the messages sent to the hub and of what the display says by itself."""
    session: Name = "device"
    """The conversation the inputs take part in; inputs that name the same one share it. "visit": each visitor has
    one."""
    visit_idle_seconds: Annotated[float, Range(5, 3600)] = 60.0
    """With "visit": a pause of this time ends a visit."""


@record(kw_only=True)
class IdentityConfig:
    """`[identity]`: who the device is, and where it keeps what it learns."""

    file: Path = Path("/etc/thalovant-agent/identity.json")
    """The identity file, readable by its owner alone."""
    state: Path = Path("/var/lib/thalovant-agent")
    """The folder of outbox, keyring and session ids; on a disk, since what lies in RAM is lost with the power."""


@record(kw_only=True)
class HubConfig:
    """`[hub]`: the link."""

    protocols: Annotated[tuple[Protocol, ...], Filled("at least one protocol"), NoRepeats()] = ("mqtt", "wss", "https")
    """The order in which they are tried; those the identity lacks are skipped."""
    answer_seconds: Annotated[float, Range(1, 600)] = 30.0
    """How long the hub may take to answer a message before its outcome counts as unknown."""
    in_flight: Annotated[int, Range(1, 32)] = 1
    """Messages that may wait for answers at a time, over WSS and HTTPS; with 1, a denial, which names no message, still
    has an owner. Over MQTT it is always 1: the released hub breaks its session under more."""


@record(kw_only=True)
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


@record(kw_only=True)
class ControlConfig:
    """`[control]`: the socket the command line speaks to."""

    socket: Annotated[Path, _SocketPath()] = Path("/run/thalovant-agent/control.sock")
    """Open to the agent's user and group."""


@record(kw_only=True)
class StatusConfig:
    """`[status]`: what the device tells the hub about itself."""

    every_seconds: Annotated[float, Range(10, 86_400)] = 300.0
    """Time between two reports when nothing changes."""
    emit: bool = True
    """Whether it reports at all."""


@record(kw_only=True)
class CommandsConfig:
    """`[commands]`: what the hub may have the device do."""

    enabled: bool = False
    """Whether it may at all: start the agent anew, reload its configuration, identify itself, set volume and quiet
    hours."""


@record(kw_only=True)
class MetricsConfig:
    """`[metrics]`: numbers for Prometheus."""

    textfile: str = ""
    """A path for node_exporter's textfile collector, which ends in .prom; empty writes none."""
    every_seconds: Annotated[float, Range(1, 3600)] = 30.0
    """Time between two writings."""
    port: Annotated[int, Range(0, 65_535)] = 0
    """A port of 127.0.0.1 where they can be had at /metrics; 0 opens none."""


@record(kw_only=True)
class LogConfig:
    """`[log]`: the journal."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level written. `debug` shows what people scanned and heard."""


@record(kw_only=True)
class Config:
    """A whole `agent.toml`."""

    device: DeviceConfig = field(default_factory=DeviceConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    outbox: OutboxConfig = field(default_factory=OutboxConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    status: StatusConfig = field(default_factory=StatusConfig)
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    log: LogConfig = field(default_factory=LogConfig)
    speech: SpeechConfig = field(default_factory=SpeechConfig)
    page: PageConfig = field(default_factory=PageConfig)
    signals: SignalsConfig = field(default_factory=SignalsConfig)
    displays: Annotated[tuple[DisplayConfig, ...], Key("display")] = ()
    scanners: Annotated[tuple[ScannerConfig, ...], Key("scanner")] = ()
    rules: Annotated[tuple[Rule, ...], Key("rule")] = ()
    buttons: Annotated[tuple[ButtonConfig, ...], Key("button")] = ()
    chords: Annotated[tuple[ChordConfig, ...], Key("chord")] = ()
    knobs: Annotated[tuple[KnobConfig, ...], Key("knob")] = ()
    lights: Annotated[tuple[LightConfig, ...], Key("light")] = ()
    offline: tuple[OfflineConfig, ...] = ()


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
    """What no single key shows: two of a name, two on a pin, two on a port, and tables that cannot work as a whole."""
    tables: dict[str, tuple[Any, ...]] = {
        "display": config.displays,
        "scanner": config.scanners,
        "button": config.buttons,
        "chord": config.chords,
        "knob": config.knobs,
        "light": config.lights,
    }
    owners: dict[tuple[str, object], str] = {}
    for table, items in tables.items():
        for index, item in enumerate(items, 1):
            for key, value in _claims(item):
                # Pins are shared by all tables, names by all that are pressed or turned, the rest within a table.
                space = "pin" if isinstance(value, int) else f"{_NAMED_WITH.get(table, table)}.{key}"
                here = f"{table}[{index}]"
                owner = owners.setdefault((space, value), f"{here}.{key}")
                if owner != f"{here}.{key}":
                    yield f"{here}.{key}: {settings.shown(value)} is taken by {owner.rpartition('.')[0]}"
    if config.page.enabled and config.metrics.port == config.page.port:
        yield f"metrics.port: {config.metrics.port} is taken by page.port"
    scanners = [scanner.name for scanner in config.scanners]
    buttons = [button.name for button in config.buttons]
    problems: list[tuple[str, tuple[Any, ...], Callable[[Any], Iterable[tuple[str, str]]]]] = [
        ("display", config.displays, lambda display: display.problems()),
        ("scanner", config.scanners, lambda scanner: scanner.problems()),
        ("rule", config.rules, lambda rule: rule_problems(rule, scanners)),
        ("button", config.buttons, lambda button: button.problems(config.scanners)),
        ("chord", config.chords, lambda chord: chord.problems(buttons)),
        ("light", config.lights, lambda light: light.problems()),
        ("offline", config.offline, lambda answer: answer.problems(buttons)),
    ]
    for table, items, of in problems:
        for index, item in enumerate(items, 1):
            yield from (f"{table}[{index}].{key}: {sentence}" for key, sentence in of(item))
    yield from (f"speech.{key}: {sentence}" for key, sentence in config.speech.problems())
    for index, display in enumerate(config.displays, 1):
        same = [number for number, other in enumerate(config.displays[: index - 1], 1) if other.i2c == display.i2c]
        if display.i2c is not None and same:
            yield f"display[{index}].address: {display.where} is taken by display[{same[0]}]"


def _claims(item: Any) -> Iterator[tuple[str, object]]:
    """What a table takes for itself, by key: a name, a place to plug in, pins."""
    for key in ("name", "target", "port", "device", "pin", "a", "b"):
        value = getattr(item, key, None)
        if value not in (None, "", NO_PIN) and not (key == "target" and item.type != "console"):
            yield key, value
    for number, pin in enumerate(getattr(item, "pins", ()), 1):
        yield f"pins[{number}]", pin


def _without_capital(text: str) -> str:
    return text[:1].lower() + text[1:]
