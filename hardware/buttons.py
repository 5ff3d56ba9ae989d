"""Push buttons, chords of them, and knobs, at GPIO pins.

gpiozero calls back on one thread for all pins, and an exception there would end every button of the process without a
word. So a callback puts the edge with the kernel's time of it on a queue and raises nothing; `run` takes it from there
and puts it through the pure machine. Where nobody runs `run`, as on a device that wants presses alone, the callback
does that too, still raising nothing. The libraries' own debounce is off: it means another thing with each of them, and
does not exist on the mock pins of the tests.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from agent.record import record
from hardware.board import Board, ButtonFact
from hardware.facts import DeviceError, DeviceFound, DeviceLost, Gesture
from hardware.gestures import Chord, Timing
from hardware.pins import pin_error, pin_factory
from hardware.recording import Record, Recorder
from hardware.stopping import Bell, wait_readable

if TYPE_CHECKING:
    from gpiozero import Factory

log = logging.getLogger(__name__)

_LATEST_SECONDS = 5.0
"""No edge waits this long for its callback; a larger difference is a library that stamps with another clock."""
_BEAT_SECONDS = 10.0
_PROMPT_SECONDS = 0.1
"""An edge that comes later than this after it happened has been waiting, and so may the next one have."""


@record(kw_only=True)
class ButtonSpec:
    """One button and its wiring."""

    name: str
    pin: int | str
    """A GPIO number, or any name gpiozero knows: "GPIO17", "BOARD11"."""
    pull: Literal["up", "down", "none"] = "up"
    """The Pi's own resistor; "none" where the board has one outside."""
    active: Literal["low", "high"] = "low"
    """The level while the button is pressed."""
    debounce_seconds: float = 0.03
    """How long the level must be quiet before another press counts."""
    gestures: tuple[Gesture, ...] = ("press",)
    """What is told of it; see `hardware.gestures` for what each means and when it is known."""
    hold_seconds: float = 0.8
    repeat_seconds: float = 0.25
    multi_seconds: float = 0.35
    stuck_seconds: float = 120.0
    """The times of those gestures; see `hardware.gestures.Timing`."""

    @property
    def timing(self) -> Timing:
        """The times, as the machine wants them."""
        return Timing(
            debounce_seconds=self.debounce_seconds,
            hold_seconds=self.hold_seconds,
            repeat_seconds=self.repeat_seconds,
            multi_seconds=self.multi_seconds,
            stuck_seconds=self.stuck_seconds,
        )


@record(kw_only=True)
class KnobSpec:
    """One rotary encoder and its wiring. It tells `clockwise` and `counterclockwise`; its push button is a button."""

    name: str
    a: int | str
    b: int | str
    """Its two contacts, of which A comes first clockwise. Exchange them where it turns the wrong way."""
    pull: Literal["up", "down", "none"] = "up"
    edges_per_step: Literal[1, 2, 4] = 4
    """Edges between two places where it rests: 4 for most. One step told for two felt is 4 where 2 is right."""


class Buttons:
    """All push buttons and knobs of a device. One that does not work is told about, and the others go on.

    Where any gesture but `press` is wanted, somebody must run `run`: the others are known by the time that passes.
    """

    def __init__(
        self,
        specs: Sequence[ButtonSpec],
        emit: Callable[[ButtonFact], object],
        factory: Factory | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        knobs: Sequence[KnobSpec] = (),
        chords: Sequence[Chord] = (),
        record: Recorder | None = None,
    ) -> None:
        """`emit` is called on the thread of `run`, without one on gpiozero's, and must not wait there.

        `factory` gives the pins instead of the board's. Raises DeviceError for gestures and chords that cannot be.
        """
        self._specs: dict[str, ButtonSpec | KnobSpec] = {spec.name: spec for spec in specs}
        self._specs |= {knob.name: knob for knob in knobs}
        self._emit = emit
        self._factory = factory
        self._clock = clock
        self._record = record or (lambda _: None)
        self._open: dict[str, list[tuple[Any, object]]] = {}  # devices and callbacks: gpiozero keeps neither alive
        self._board = Board(chords)
        self._edges: queue.SimpleQueue[tuple[str, bool, float]] = queue.SimpleQueue()
        self._bell = Bell()
        self._lock = threading.Lock()  # the board and the time have one user at a time
        self._time: _PinTime | None = None
        self._settled = float("-inf")  # by `clock`: until then edges may still come that happened long ago
        self._running = False
        unknown = {name for chord in chords for name in chord.buttons} - {spec.name for spec in specs}
        if unknown:
            raise DeviceError(f'a chord wants the button "{min(unknown)}", which is none')
        for spec in specs:
            self._board.add_button(spec.name, spec.gestures, spec.timing)
        for knob in knobs:
            self._board.add_knob(knob.name, edges_per_step=knob.edges_per_step)

    def open(self) -> None:
        """Watch every button that is not watched yet; each is told as found or lost. Raises nothing of a pin."""
        missing = [spec for name, spec in self._specs.items() if name not in self._open]
        if not missing:
            return
        try:
            factory = self._factory if self._factory is not None else pin_factory()
        except DeviceError as error:
            for spec in missing:
                self._emit(DeviceLost("button", spec.name, f"{_pins(spec)}: {error}"))
            return
        if self._time is None:
            self._time = _PinTime(factory, self._clock())
        for spec in missing:
            try:
                self._watch(spec, factory, self._time)
            except DeviceError as error:
                self._release(spec.name)
                self._emit(DeviceLost("button", spec.name, str(error)))
            else:
                self._emit(DeviceFound("button", spec.name, _pins(spec)))
        self._bell.ring()  # one that is down already is told about
        if not self._running:
            self.turn()

    def close(self) -> None:
        """Give the pins back. No press is told afterwards. Raises nothing."""
        for name in list(self._open):
            self._release(name)
        while not self._edges.empty():
            self._edges.get_nowait()

    def run(self, stop: threading.Event, beat: Callable[[], None] | None = None) -> None:
        """Tell gestures until `stop` is set; calls `beat` at least every 10 s. To be started before `open`.

        A `StopEvent` ends this at once, any other Event within 0.4 s. Only what `emit` raises comes out.
        """
        beat = beat or (lambda: None)
        self._running = True
        late = False
        try:
            while not stop.is_set():
                beat()
                planned = self._now() + self.patience()
                wait_readable(self._bell.fileno(), stop, self.patience())
                self._bell.heard()
                now = self._now()
                # Not twice in a row, or a board that is always late would never tell anything.
                late = not late and now - planned > _PROMPT_SECONDS
                if late:  # we stood still, and so did who brings the edges
                    self._settled = self._clock() + _PROMPT_SECONDS
                self.turn()
        finally:
            self._running = False

    def patience(self) -> float:
        """Seconds after which `turn` has something to do, if no edge comes before; 10 at most."""
        now = self._now()
        with self._lock:
            due = self._board.due()
            wait = _BEAT_SECONDS if due is None else max(due - now, self._settled - self._clock(), 0.0)
        return min(wait, _BEAT_SECONDS)

    def turn(self) -> None:
        """Tell what came of the edges so far and of the time up to now, without waiting.

        After a standstill of this process, as on a board that swaps, the library hands over one old edge after the
        other. The time between them is theirs: if it ran on to now, a click would be a long press because its end is
        still to come.
        """
        facts: list[ButtonFact] = []
        now = self._now()  # before the edges: one that comes meanwhile is not older than the time that has passed
        with self._lock:
            while not self._edges.empty():
                contact, level, at = self._edges.get_nowait()
                at, told = self._board.edge(contact, level, at)
                self._record(Record(at, "edge", str(int(level)), contact))
                facts += told
                if now - at > _PROMPT_SECONDS:
                    self._settled = self._clock() + _PROMPT_SECONDS
            if self._clock() >= self._settled:
                facts += self._board.tick(now)
        for fact in facts:
            self._emit(fact)

    def _now(self) -> float:
        with self._lock:
            return self._time.now() if self._time is not None else self._clock()

    def _watch(self, spec: ButtonSpec | KnobSpec, factory: Factory, time: _PinTime) -> None:
        if isinstance(spec, ButtonSpec):
            contacts = [_Contact(spec.name, spec.pin, spec.active == "high")]
        else:
            contacts = [_Contact(f"{spec.name}/a", spec.a, True), _Contact(f"{spec.name}/b", spec.b, True)]
        for contact in contacts:
            pull_up = {"up": True, "down": False, "none": None}[spec.pull]
            self._open.setdefault(spec.name, []).append(self._watch_pin(contact, pull_up, factory, time))

    def _watch_pin(
        self, contact: _Contact, pull_up: bool | None, factory: Factory, time: _PinTime
    ) -> tuple[Any, object]:
        """Have the edges of a pin queued. Raises DeviceError."""
        from gpiozero.input_devices import DigitalInputDevice

        # What counts as pressed is decided here, from the bare level: gpiozero has no say in it when the pin is pulled.
        active_state = True if pull_up is None else None
        try:
            device = DigitalInputDevice(
                contact.pin, pull_up=pull_up, active_state=active_state, bounce_time=None, pin_factory=factory
            )
        except Exception as error:  # lgpio's errors derive from Exception alone, others have others
            raise pin_error(contact.pin, error) from error

        def on_edge(ticks: float, level: object) -> None:
            try:
                with self._lock:
                    at = time.of(ticks)
                self._edges.put((contact.name, contact.is_active(level), at))
                self._bell.ring()
                if not self._running:
                    self.turn()
            except Exception:  # anything at all: see the top of this module
                log.exception("press lost", extra={"button": contact.name})

        try:
            level = contact.is_active(device.pin.state)
            with self._lock:
                at = time.now()
                self._record(Record(at, "level", str(int(level)), contact.name))
                self._board.level(contact.name, level, at)
            # Not when_activated, which is called without the kernel's time of the edge.
            device.pin.when_changed = on_edge
        except Exception as error:
            device.close()
            raise pin_error(contact.pin, error) from error
        return device, on_edge

    def _release(self, name: str) -> None:
        for device, _ in self._open.pop(name, []):
            try:
                device.close()
            except Exception:
                log.warning("pin not given back", extra={"button": name}, exc_info=True)


def _pins(spec: ButtonSpec | KnobSpec) -> str:
    return f"pin {spec.pin}" if isinstance(spec, ButtonSpec) else f"pins {spec.a} and {spec.b}"


@record
class _Contact:
    name: str
    pin: int | str
    active_high: bool

    def is_active(self, level: object) -> bool:
        return bool(level) == self.active_high


class _PinTime:
    """The clock of a pin library, made to run on from the clock of everybody else.

    Libraries count in their own way, and one begins again every 71 minutes. The distance of two of their times is good.
    """

    def __init__(self, factory: Factory, start: float) -> None:
        self._factory = factory
        self._ticks = factory.ticks()
        self._now = start

    def now(self) -> float:
        """The time, in seconds."""
        ticks = self._factory.ticks()
        self._now += max(float(self._factory.ticks_diff(ticks, self._ticks)), 0.0)
        self._ticks = ticks
        return self._now

    def of(self, ticks: float) -> float:
        """The time of something that has just happened at `ticks`."""
        now = self.now()
        age = float(self._factory.ticks_diff(self._ticks, ticks))
        return now - age if 0 <= age < _LATEST_SECONDS else now
