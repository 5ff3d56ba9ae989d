"""One scanner that poses as a USB keyboard, plugged in or not.

It is grabbed, so that a code is typed nowhere else. What it types while nobody has it open goes to the console and is
lost: a scanner that can pose as a serial port should.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from hardware import keyboards
from hardware.answers import Answer
from hardware.facts import CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.framing import Framing
from hardware.hotplug import Hotplug
from hardware.keyboards import Key, Keyboard
from hardware.keying import KeyMachine
from hardware.ports import PortMissingError
from hardware.reading import Reading
from hardware.recording import Record, Recorder
from hardware.scanning import ScanFact

Emit = Callable[[CodeScanned | ScanRefused | DeviceFound | DeviceLost], object]

_BEAT_SECONDS = 10.0


class HidScanner:
    """Reads one keyboard scanner for as long as it is told to, through unplugging.

    `device` is a path, best one under /dev/input/by-id that ends in -event-kbd, a pattern of paths, or the vendor's and
    the product's number as `lsusb` shows them, "0c2e:0b61". `layout` is the one the scanner is set to. Raises
    DeviceError for settings that cannot work.
    """

    def __init__(
        self,
        name: str,
        device: str,
        *,
        layout: str = "us",
        framing: Framing | None = None,
        reading: Reading | None = None,
        record: Recorder | None = None,
        grab: bool = True,
        system: Path = Path("/sys/class/input"),
        look_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._device = device
        self._machine = KeyMachine(name, layout, framing, reading)
        self._record = record or (lambda _: None)
        self._grab = grab
        self._system = system
        self._look_seconds = look_seconds
        self._clock = clock
        self._trouble = ""

    def run(self, emit: Emit, stop: threading.Event, beat: Callable[[], None] | None = None) -> None:
        """Hand each code to `emit` until `stop` is set; calls `beat` at least every 10 s.

        A `StopEvent` ends this at once, any other Event within 0.4 s. Only what `emit` raises comes out.
        """
        beat = beat or (lambda: None)
        self._trouble = ""
        with ExitStack() as missing:
            hotplug: Hotplug | None = None
            while not stop.is_set():
                beat()
                keyboard = self._open(emit)
                if keyboard is not None:
                    missing.close()
                    hotplug = None
                    try:
                        self._read(keyboard, emit, stop, beat)
                    finally:
                        keyboard.close()
                        self._machine.reset()
                if not stop.is_set():
                    hotplug = hotplug or missing.enter_context(Hotplug())
                    hotplug.wait(stop, self._look_seconds)

    def _open(self, emit: Emit) -> Keyboard | None:
        try:
            keyboard = Keyboard(keyboards.find(self._device, self._system), grab=self._grab)
        except DeviceError as error:
            missing = isinstance(error, PortMissingError)
            trouble = "missing" if missing else str(error)
            if trouble != self._trouble:
                self._trouble = trouble
                emit(DeviceLost("scanner", self._name, f"{error}; {self._alternatives()}" if missing else str(error)))
            return None
        self._trouble = ""
        emit(DeviceFound("scanner", self._name, keyboard.name))
        return keyboard

    def _read(self, keyboard: Keyboard, emit: Emit, stop: threading.Event, beat: Callable[[], None]) -> None:
        while not stop.is_set():
            beat()
            due = self._machine.due()
            patience = _BEAT_SECONDS if due is None else min(max(due - self._clock(), 0.0), _BEAT_SECONDS)
            try:
                heard = keyboard.wait(stop, patience)
                keys = keyboard.read() if heard else []
            except OSError:
                keyboard.close()
                self._trouble = "missing"
                self._record(Record(self._clock(), "lost", "", self._name))
                emit(DeviceLost("scanner", self._name, f"{keyboard.name} was unplugged"))
                return
            now = self._clock()
            if keys:
                _tell(self._pressed(keys, now), emit)
            elif not heard and (due := self._machine.due()) is not None and now >= due:
                self._record(Record(now, "quiet", "", self._name))
                _tell(self._machine.quiet(now), emit)

    def _pressed(self, keys: Iterable[Key | None], now: float) -> list[ScanFact]:
        facts: list[ScanFact] = []
        for key in keys:
            if key is None:
                self._record(Record(now, "broken", "", self._name))
                facts += self._machine.broken(now)
            else:
                self._record(Record(now, "key", f"{key.code}:{key.value}", self._name))
                facts += self._machine.key(key.code, key.value, now)
        return facts

    def _alternatives(self) -> str:
        found = [f"{numbers} ({name})" for _, numbers, name in keyboards.present(self._system)]
        return f"there are {', '.join(found)}" if found else "no keyboard is plugged in"


def _tell(facts: Iterable[ScanFact], emit: Emit) -> None:
    for fact in facts:
        if not isinstance(fact, Answer):  # a keyboard is told nothing
            emit(fact)
