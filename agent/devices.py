"""The hardware of `agent.toml`: built from it, started, and given its orders.

A device that is missing or fails is told about and tried again, and never keeps another from working.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent.config import Config, LightConfig
from agent.input_devices import InputDevices, KeptPorts
from agent.outputs import DisplayOutput
from agent.panels import display_of
from agent.quiet_hours import QuietHours, local_minute
from agent.record import replace
from agent.screen import Screen
from agent.speech_config import SpeechConfig
from agent.workers import Workers
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.stopping import StopEvent

if TYPE_CHECKING:
    from gpiozero import Factory

    from agent.recorded_inputs import RecordedInputs
    from agent.speech_output import SpeechOutput, Voice
    from hardware.recording import Record

HardwareFact = CodeScanned | ScanRefused | ButtonPressed | DeviceFound | DeviceLost
Emit = Callable[[HardwareFact], object]

_LIMIT_SECONDS = 200.0
"""Displays beat every 90 s at least, but may wait 2 s for a console."""


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
        ports: KeptPorts | None = None,
        recording: Sequence[Record] | None = None,
        minute: Callable[[], int | None] = local_minute,
    ) -> None:
        """`emit` is called from many threads and must not wait; `emit_scan`, for what scanners tell, may hold them up.

        `pin_factory` gives the pins instead of the board's. `ports` keeps the scanners' ports open over a restart. A
        `recording` takes the place of all inputs.
        `minute` is the one of the day, None for a clock that is not set.
        """
        self._emit = emit
        self._workers = workers
        self._inputs: InputDevices | RecordedInputs
        if recording is None:
            self._inputs = InputDevices(
                config, emit, workers, emit_scan=emit_scan or emit, pin_factory=pin_factory, ports=ports
            )
        else:
            from agent.recorded_inputs import RecordedInputs

            self._inputs = RecordedInputs(config, emit_scan or emit, workers, recording)
        self._outputs_end = StopEvent()
        self._minute = minute
        self._beeper_quiet = QuietHours(config.signals.quiet)
        self._speech_quiet = QuietHours([config.speech.quiet] if config.speech.quiet else [])
        self._quiet: QuietHours | None = None  # in the place of both
        self._lights = [_Signalling(light, emit, pin_factory) for light in config.lights]
        self._displays = [DisplayOutput(display.name, display_of(display), emit) for display in config.displays]
        self._screen = Screen()
        self._speech_config = config.speech
        self._speech: SpeechOutput | None = None
        self._voice: Voice | None = None
        if config.speech.enabled:
            self._speech, self._voice = _speech(
                config.speech, config.device.language, emit, lambda: self._is_quiet(self._speech_quiet)
            )

    # -- starting and ending

    def start(self) -> None:
        """Start the outputs, then the inputs; when this returns they are read."""
        for number, display in enumerate(self._displays, 1):
            self._start(f"display-{number}", display.run, self._outputs_end)
        if self._speech is not None:
            limit_seconds = self._speech_config.longest_seconds + _LIMIT_SECONDS
            self._start("speech", self._speech.run, self._outputs_end, limit_seconds)
        self._inputs.start()

    def end_inputs(self, timeout: float) -> None:
        """Read nothing more; scanners get `timeout` seconds altogether to hand out what they have."""
        self._inputs.end(timeout)

    def end_outputs(self) -> None:
        """Let the outputs come to an end after what they were given last; lights go dark."""
        self._outputs_end.set()
        for display in self._displays:
            display.show(replace(self._screen))  # as a new one, which wakes it
        if self._speech is not None:
            self._speech.wake()
        for light in self._lights:
            light.close()

    # -- orders

    def signal(self, name: str, origin: str = "") -> None:
        """Play a signal on every light that shows it, and on every beeper outside of the quiet hours.

        The scanner called `origin` is told it as well, where its table says how.
        """
        self._inputs.acknowledge(origin, name)
        is_quiet = self._is_quiet(self._beeper_quiet)
        for light in self._lights:
            if not (is_quiet and light.is_beeper):
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

    def say(self, text: str, language: str, about: str) -> None:
        """Speak the text, where there is a voice; `about` names the answer it is part of."""
        if self._speech is not None:
            self._speech.say(text, language, about)

    def play(self, sound: bytes, about: str, says: str) -> None:
        """Play the sound in its turn, or in the place of the text it says."""
        if self._speech is not None:
            self._speech.play(sound, about, says)

    def hush(self) -> None:
        """Stop speaking."""
        if self._speech is not None:
            self._speech.hush()

    def set_quiet(self, spans: Sequence[str] | None) -> None:
        """Let beepers and speech be silent in these hours; None: in those of the configuration."""
        self._quiet = None if spans is None else QuietHours(spans)

    def set_volume(self, percent: float | None) -> None:
        """Speak as loud as this; None: as the configuration says. Raises DeviceError where speech has no volume."""
        if self._voice is None:
            raise DeviceError("this device does not speak; set speech.enabled = true in its configuration")
        if not self._speech_config.has_volume:
            raise DeviceError("the speech command of this device has no {volume}")
        self._voice.change(self._speech_config.command_at(percent))

    def drive(self, pin: int, level: str) -> None:
        """Put a button's mock pin to "low" or "high". Any thread. Raises DeviceError where the pins are real."""
        self._inputs.drive(pin, level)

    # -- how it is done

    def _is_quiet(self, hours: QuietHours) -> bool:
        return (self._quiet or hours).hold(self._minute())

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


def _speech(
    config: SpeechConfig, language: str, emit: Emit, is_quiet: Callable[[], bool]
) -> tuple[SpeechOutput, Voice]:
    # Most devices have no loudspeaker.
    from agent.speech_output import SpeechOutput
    from hardware.sounds import SoundCommand

    player = SoundCommand(config.player, timeout_seconds=config.timeout_seconds)
    voice: Voice
    if config.kept:
        from hardware.kept_speech import KeptSpeech

        voice = KeptSpeech(
            config.command_at(), player, language=language, voices=config.voices, timeout_seconds=config.timeout_seconds
        )
    else:
        from hardware.speech import SpeechCommand

        voice = SpeechCommand(config.command_at(), voices=config.voices, timeout_seconds=config.timeout_seconds)

    output = SpeechOutput(
        voice,
        emit,
        player=player,
        newest=config.when == "newest",
        lead_silence_ms=config.lead_silence_ms,
        is_quiet=is_quiet,
    )
    return output, voice


class _Signalling:
    """One light or beeper, with what it shows; its trouble is told when it begins, changes and ends."""

    def __init__(self, config: LightConfig, emit: Emit, factory: Factory | None) -> None:
        from hardware.lights import Light
        from hardware.patterns import COLOURS, DARK, PATTERNS, PITCHES, WHITE

        looks = {name: (pattern, COLOURS[name]) for name, pattern in PATTERNS[config.kind].items()}
        self._looks, self._dark, self._pitches = looks, (DARK, WHITE), PITCHES
        self._light = Light(
            config.name,
            config.pins or config.pin,
            kind=config.kind,
            active_high=config.active == "high",
            brightness=config.brightness,
            tone_hz=config.tone_hz,
            factory=factory,
        )
        self._shows = frozenset[str](config.signals)
        self._emit = emit
        self._trouble = ""

    @property
    def is_beeper(self) -> bool:
        return self._light.kind == "beeper"

    def signal(self, name: str) -> None:
        if name in self._shows:
            self._do(lambda: self._light.play(*self._looks[name], self._pitches[name]))

    def rest(self, name: str) -> None:
        look = self._looks[name] if name in self._shows else self._dark
        self._do(lambda: self._light.rest(*look))

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
