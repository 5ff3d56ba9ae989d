"""The inputs of `agent.toml`, read: scanners at ports, scanners that pose as keyboards, buttons, chords and knobs.

Whoever reads inputs (the agent, `scan --watch`, `record`) reads them through here, so that they cannot differ.
`machines` is the same without any hardware, for a recording. What reads one kind of input is imported where there is
one of that kind.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from agent.button_config import TRIGGER, ButtonConfig, KnobConfig
from agent.config import Config
from agent.effects import REPEAT
from agent.scanner_config import ScannerConfig
from agent.workers import Workers
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.stopping import StopEvent

if TYPE_CHECKING:
    from gpiozero import Factory

    from hardware.board import Board
    from hardware.buttons import Buttons, ButtonSpec, KnobSpec
    from hardware.hid_scanner import HidScanner
    from hardware.recording import Recorder
    from hardware.scanning import ScanMachine
    from hardware.serial_scanner import SerialScanner

InputFact = CodeScanned | ScanRefused | ButtonPressed | DeviceFound | DeviceLost
Emit = Callable[[InputFact], object]

LIMIT_SECONDS = 200.0
"""Scanners and pins beat every 90 s at least, but may wait 5 s for a far port."""
_BUTTON_SECONDS = 30.0
"""Between two looks at buttons that do not work, of which each may import pin libraries, or may be stuck."""


class KeptPorts(Protocol):
    """Who holds open ports while the agent is away."""

    def adopt(self) -> Mapping[str, int]:
        """The ports that were kept, by scanner; they are the caller's from now on."""
        ...

    def keep(self, scanner: str, descriptor: int) -> None:
        """Hold this port."""
        ...

    def forget(self, scanner: str) -> None:
        """Hold it no longer."""
        ...

    def drop(self, unclaimed: Mapping[str, int]) -> None:
        """Close ports that nobody wants, and hold them no longer."""
        ...


class InputDevices:
    """All inputs of one device. One thread owns it."""

    def __init__(
        self,
        config: Config,
        emit: Emit,
        workers: Workers,
        *,
        emit_scan: Emit | None = None,
        pin_factory: Factory | None = None,
        ports: KeptPorts | None = None,
        record: Recorder | None = None,
    ) -> None:
        """`emit` is called from many threads and must not wait, and so is `record`, which gets all that comes in;
        `emit_scan`, for what scanners tell, may hold them up.

        `pin_factory` gives the pins instead of the board's, `ports` keeps open ports over a restart.
        """
        self._emit = emit
        self._emit_scan = emit_scan or emit
        self._workers = workers
        self._pin_factory = pin_factory
        self._ports = ports
        self._record = record
        self._end = StopEvent()
        self._scanners = config.scanners
        self._readers: dict[str, SerialScanner] = {}
        self._answers = {
            (scanner.name, signal): command
            for scanner in config.scanners
            for signal, command in scanner.commands_when.items()
        }
        self._triggers = {button.name: button.trigger for button in config.buttons if button.trigger}
        turned = [pin for knob in config.knobs for pin in (knob.a, knob.b)]
        self._driven = frozenset[int]([*(button.pin for button in config.buttons), *turned])
        self._pins = self._buttons(config) if self._driven else None
        self._missing = {button.name for button in config.buttons} | {knob.name for knob in config.knobs}
        # Presses and steps of a knob are known at the edge; all else is known by the time that passes.
        self._timed = bool(config.chords) or any(set(button.wanted) != {"press"} for button in config.buttons)

    def start(self) -> None:
        """Read everything; when this returns it is read."""
        adopted = self._ports.adopt() if self._ports is not None else {}
        at_ports = {scanner.name for scanner in self._scanners if not scanner.device}
        # First those that nobody wants: a scanner with a new name is at the port that was kept under the old one.
        self._drop(adopted, set(adopted) - at_ports)
        self._drop(adopted, {scanner.name for scanner in self._scanners if not self._start_scanner(scanner, adopted)})
        if self._pins is None:
            return
        if self._timed:
            self._start("gestures", self._pins.run)
        self._pins.open()
        self._start("buttons", functools.partial(self._look, self._pins))

    def end(self, timeout: float) -> None:
        """Read nothing more; scanners get `timeout` seconds altogether to hand out what they have."""
        self._end.set()
        if self._pins is not None:
            self._pins.close()
        names = [name for name in self._workers.names if name.startswith("scanner-")]
        for name in names:
            self._workers.end(name, timeout / len(names))

    def acknowledge(self, scanner: str, signal: str) -> None:
        """Tell a scanner what became of its code, where its table has a command for that. Returns at once."""
        command = self._answers.get((scanner, "accepted" if signal == REPEAT else signal))
        if command is not None:
            self._order(scanner, command)

    def drive(self, pin: int, level: str) -> None:
        """Put a button's mock pin to "low" or "high". Any thread. Raises DeviceError where the pins are real."""
        # Only libraries that are loaded by now can be in use.
        gpiozero, mock = sys.modules.get("gpiozero.devices"), sys.modules.get("gpiozero.pins.mock")
        factory = self._pin_factory or (gpiozero.Device.pin_factory if gpiozero else None)
        if mock is None or not isinstance(factory, mock.MockFactory):
            raise DeviceError("the pins of this device are real; press the button")
        if pin not in self._driven:
            raise DeviceError(f"no button is on pin {pin}")
        wired: Any = factory.pin(pin)
        if level == "low":
            wired.drive_low()
        else:
            wired.drive_high()

    # -- how it is done

    def _order(self, scanner: str, command: str) -> None:
        reader = self._readers.get(scanner)
        if reader is not None:
            reader.send(command)

    def _start_scanner(self, scanner: ScannerConfig, adopted: Mapping[str, int]) -> bool:
        try:
            reader: HidScanner | SerialScanner
            if scanner.device:
                reader = self._keyboard(scanner)
            else:
                reader = self._readers[scanner.name] = self._port(scanner, adopted)
        except (DeviceError, UnicodeError) as error:
            self._emit(DeviceLost("scanner", scanner.name, str(error)))
            return False
        self._start(f"scanner-{scanner.name}", lambda stop, beat: reader.run(self._emit_scan, stop, beat))
        return True

    def _drop(self, adopted: Mapping[str, int], scanners: set[str]) -> None:
        if self._ports is not None:
            self._ports.drop({name: kept for name, kept in adopted.items() if name in scanners})

    def _buttons(self, config: Config) -> Buttons:
        from hardware.buttons import Buttons

        return Buttons(
            [_button(button) for button in config.buttons],
            self._tell_button,
            self._pin_factory,
            knobs=[_knob(knob) for knob in config.knobs],
            chords=[chord.chord for chord in config.chords],
            record=self._record,
        )

    def _port(self, scanner: ScannerConfig, adopted: Mapping[str, int]) -> SerialScanner:
        from hardware.serial_scanner import SerialScanner

        return SerialScanner(
            scanner.name,
            scanner.port,
            baud=scanner.speed(),
            framing=scanner.framing(),
            reading=scanner.reading(),
            commands=scanner.make().commands,
            at_start=scanner.commands_at_start,
            adopted=adopted,
            keep=self._ports.keep if self._ports is not None else None,
            forget=self._ports.forget if self._ports is not None else None,
            record=self._record,
        )

    def _keyboard(self, scanner: ScannerConfig) -> HidScanner:
        from hardware.hid_scanner import HidScanner

        return HidScanner(
            scanner.name,
            scanner.device,
            layout=scanner.layout,
            framing=scanner.framing(),
            reading=scanner.reading(),
            record=self._record,
        )

    def _start(self, name: str, run: Callable[[threading.Event, Callable[[], None]], None]) -> None:
        def work(stop: threading.Event, beat: Callable[[], None]) -> None:
            # Ours can be polled, and is set in its turn; theirs follows when all are to end.
            run(self._end, beat)
            if self._end.is_set():
                stop.wait(LIMIT_SECONDS)

        self._workers.start(name, work, limit_seconds=LIMIT_SECONDS)

    def _look(self, pins: Buttons, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Try pins that could not be had again, and notice buttons that are stuck, for which no edge comes."""
        while not stop.wait(_BUTTON_SECONDS):
            beat()
            if self._missing:
                pins.open()
            if not self._timed:
                pins.turn()

    def _tell_button(self, fact: ButtonPressed | DeviceFound | DeviceLost) -> None:
        if isinstance(fact, DeviceFound):
            self._missing.discard(fact.name)
        elif isinstance(fact, ButtonPressed) and fact.gesture == "press" and fact.button in self._triggers:
            self._order(self._triggers[fact.button], TRIGGER)
        self._emit(fact)


def machines(config: Config) -> tuple[dict[str, ScanMachine], Board]:
    """What reads the inputs, without the inputs: for a recording of them. Raises DeviceError."""
    from hardware.board import Board
    from hardware.keying import KeyMachine
    from hardware.scanning import ScanMachine

    scanners: dict[str, ScanMachine] = {}
    for scanner in config.scanners:
        if scanner.device:
            machine: ScanMachine = KeyMachine(scanner.name, scanner.layout, scanner.framing(), scanner.reading())
        else:
            machine = ScanMachine(scanner.name, scanner.framing(), scanner.reading(), scanner.make().commands)
        scanners[scanner.name] = machine
    board = Board([chord.chord for chord in config.chords])
    for spec in map(_button, config.buttons):
        board.add_button(spec.name, spec.gestures, spec.timing)
    for knob in config.knobs:
        board.add_knob(knob.name, edges_per_step=knob.edges_per_step)
    return scanners, board


def _button(button: ButtonConfig) -> ButtonSpec:
    from hardware.buttons import ButtonSpec

    return ButtonSpec(
        name=button.name,
        pin=button.pin,
        pull=button.pull,
        active="low" if button.active_low else "high",
        debounce_seconds=button.debounce_seconds,
        gestures=button.wanted,
        hold_seconds=button.hold_seconds,
        repeat_seconds=button.repeat_seconds,
        multi_seconds=button.multi_seconds,
        stuck_seconds=button.stuck_seconds,
    )


def _knob(knob: KnobConfig) -> KnobSpec:
    from hardware.buttons import KnobSpec

    return KnobSpec(name=knob.name, a=knob.a, b=knob.b, pull=knob.pull, edges_per_step=knob.edges_per_step)
