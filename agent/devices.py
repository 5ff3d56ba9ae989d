"""The hardware of `agent.toml`: built from it, started, and given its orders.

A device that is missing or fails is told about and tried again, and never keeps another from working.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.config import Config, LightConfig, ScannerConfig
from agent.outputs import DisplayOutput, SpeechOutput
from agent.screen import Screen
from agent.workers import Workers
from hardware.buttons import Buttons, ButtonSpec
from hardware.displays import ConsoleDisplay
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.serial_scanner import SerialScanner
from hardware.stopping import StopEvent

if TYPE_CHECKING:
    from gpiozero import Factory

HardwareFact = CodeScanned | ScanRefused | ButtonPressed | DeviceFound | DeviceLost
Emit = Callable[[HardwareFact], object]

_LIMIT_SECONDS = 200.0
"""Scanners, displays and pins beat every 90 s at least, but may wait 5 s for a far port and 2 s for a console."""
_BUTTON_SECONDS = 30.0
"""Between two attempts at buttons that do not work: each may import pin libraries."""


class Devices:
    """All hardware of one device. The core's thread owns it; the orders return at once."""

    def __init__(
        self,
        config: Config,
        emit: Emit,
        workers: Workers,
        *,
        emit_scan: Emit | None = None,
        pin_factory: Factory | None = None,
    ) -> None:
        """`emit` is called from many threads and must not wait; `emit_scan`, for what scanners tell, may hold them up.

        `pin_factory` gives the pins instead of the board's.
        """
        self._emit = emit
        self._emit_scan = emit_scan or emit
        self._workers = workers
        self._pin_factory = pin_factory
        self._inputs_end = StopEvent()
        self._outputs_end = StopEvent()
        self._scanners = config.scanners
        self._buttons = [
            ButtonSpec(
                name=button.name,
                pin=button.pin,
                pull=button.pull,
                active="low" if button.active_low else "high",
                debounce_seconds=button.debounce_seconds,
            )
            for button in config.buttons
        ]
        self._pins = Buttons(self._buttons, self._tell_button, pin_factory)
        self._missing: set[str] = {spec.name for spec in self._buttons}
        self._lights = [_Signalling(light, emit, pin_factory) for light in config.lights]
        self._displays = [
            DisplayOutput(
                display.name, ConsoleDisplay(display.target, columns=display.columns, rows=display.rows), emit
            )
            for display in config.displays
        ]
        self._screen = Screen()
        self._speech: SpeechOutput | None = None
        self._speech_seconds = 0.0
        if config.speech.enabled:
            from hardware.speech import SpeechCommand

            speech = config.speech
            voice = SpeechCommand(speech.command, voices=speech.voices, timeout_seconds=speech.timeout_seconds)
            self._speech, self._speech_seconds = SpeechOutput(voice, emit), speech.timeout_seconds

    # -- starting and ending

    def start(self) -> None:
        """Start the outputs, then the inputs; when this returns they are read."""
        for number, display in enumerate(self._displays, 1):
            self._start(f"display-{number}", display.run, self._outputs_end)
        if self._speech is not None:
            self._start("speech", self._speech.run, self._outputs_end, self._speech_seconds + _LIMIT_SECONDS)
        for scanner in self._scanners:
            self._start_scanner(scanner)
        if self._buttons:
            self._pins.open()
        if self._missing:
            self._start("buttons", self._reopen, self._inputs_end)

    def end_inputs(self, timeout: float) -> None:
        """Read nothing more; scanners get `timeout` seconds altogether to hand out what they have."""
        self._inputs_end.set()
        self._pins.close()
        names = [name for name in self._workers.names if name.startswith("scanner-")]
        for name in names:
            self._workers.end(name, timeout / len(names))

    def end_outputs(self) -> None:
        """Let the outputs come to an end after what they were given last; lights go dark."""
        self._outputs_end.set()
        for display in self._displays:
            display.show(dataclasses.replace(self._screen))  # as a new one, which wakes it
        if self._speech is not None:
            self._speech.wake()
        for light in self._lights:
            light.close()

    # -- orders

    def signal(self, name: str) -> None:
        """Play a signal on every light and beeper that shows it."""
        for light in self._lights:
            light.signal(name)

    def rest(self, name: str) -> None:
        """What lights and beepers go back to; "" for dark and quiet."""
        for light in self._lights:
            light.rest(name)

    def show(self, screen: Screen) -> None:
        """Draw the screen on every display."""
        self._screen = screen
        for display in self._displays:
            display.show(screen)

    def say(self, text: str, language: str) -> None:
        """Speak the text, where there is a voice."""
        if self._speech is not None:
            self._speech.say(text, language)

    def drive(self, pin: int, level: str) -> None:
        """Put a button's mock pin to "low" or "high". Any thread. Raises DeviceError where the pins are real."""
        # Only libraries that are loaded by now can be in use.
        gpiozero, mock = sys.modules.get("gpiozero.devices"), sys.modules.get("gpiozero.pins.mock")
        factory = self._pin_factory or (gpiozero.Device.pin_factory if gpiozero else None)
        if mock is None or not isinstance(factory, mock.MockFactory):
            raise DeviceError("the pins of this device are real; press the button")
        if pin not in {spec.pin for spec in self._buttons}:
            raise DeviceError(f"no button is on pin {pin}")
        wired: Any = factory.pin(pin)
        if level == "low":
            wired.drive_low()
        else:
            wired.drive_high()

    # -- how it is done

    def _start_scanner(self, scanner: ScannerConfig) -> None:
        try:
            reader = SerialScanner(
                scanner.name,
                scanner.port,
                baud=scanner.speed(),
                framing=scanner.framing(),
                reading=scanner.reading(),
                commands=scanner.make().commands,
                at_start=scanner.commands_at_start,
            )
        except DeviceError as error:
            self._emit(DeviceLost("scanner", scanner.name, str(error)))
            return
        self._start(
            f"scanner-{scanner.name}", lambda stop, beat: reader.run(self._emit_scan, stop, beat), self._inputs_end
        )

    def _start(
        self,
        name: str,
        run: Callable[[threading.Event, Callable[[], None]], None],
        end: StopEvent,
        limit_seconds: float = _LIMIT_SECONDS,
    ) -> None:
        def work(stop: threading.Event, beat: Callable[[], None]) -> None:
            # Ours can be polled, and is set in its turn; theirs follows when all are to end.
            run(end, beat)
            if end.is_set():
                stop.wait(_LIMIT_SECONDS)

        self._workers.start(name, work, limit_seconds=limit_seconds)

    def _reopen(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        while not stop.wait(_BUTTON_SECONDS) and self._missing:
            beat()
            self._pins.open()
        while not stop.wait(_BUTTON_SECONDS):
            beat()

    def _tell_button(self, fact: ButtonPressed | DeviceFound | DeviceLost) -> None:
        if isinstance(fact, DeviceFound):
            self._missing.discard(fact.name)
        self._emit(fact)


class _Signalling:
    """One light or beeper, with what it shows; its trouble is told when it begins, changes and ends."""

    def __init__(self, config: LightConfig, emit: Emit, factory: Factory | None) -> None:
        from hardware.lights import Light
        from hardware.patterns import DARK, PATTERNS

        self._dark, self._patterns = DARK, PATTERNS[config.kind]
        self._light = Light(
            config.name, config.pin, kind=config.kind, active_high=config.active == "high", factory=factory
        )
        self._shows = frozenset[str](config.signals)
        self._emit = emit
        self._trouble = ""

    def signal(self, name: str) -> None:
        if name in self._shows:
            self._do(lambda: self._light.play(self._patterns[name]))

    def rest(self, name: str) -> None:
        pattern = self._patterns[name] if name in self._shows else self._dark
        self._do(lambda: self._light.rest(pattern))

    def close(self) -> None:
        self._light.close()

    def _do(self, order: Callable[[], None]) -> None:
        try:
            order()
        except DeviceError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._emit(DeviceLost("light", self._light.name, self._trouble))
        else:
            if self._trouble:
                self._trouble = ""
                self._emit(DeviceFound("light", self._light.name, ""))
