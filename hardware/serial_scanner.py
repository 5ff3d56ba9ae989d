"""One serial scanner, plugged in or not.

Nothing is lost over a restart when somebody keeps the open port: `keep` is handed each port that was opened, `adopted`
is what was kept, by scanner, when the program started (systemd's descriptor store does both). What the scanner sent
meanwhile waits in the port, and is read first.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from hardware.answers import Answer
from hardware.facts import CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.framing import Framing
from hardware.hotplug import Hotplug
from hardware.ports import Port, PortMissingError, SerialPort, adopt_port, open_port, ports_present
from hardware.profile import Command
from hardware.reading import Reading
from hardware.recording import Record, Recorder
from hardware.scanning import ScanFact, ScanMachine
from hardware.stopping import Bell

log = logging.getLogger(__name__)

ScannerFact = CodeScanned | ScanRefused | DeviceFound | DeviceLost
Emit = Callable[[ScannerFact], object]

_BEAT_SECONDS = 90.0
_FINISH_SECONDS = 0.3
"""How long a code that is half read when the program stops may take to end: a QR symbol of 2953 bytes at 115,200
baud."""


class SerialScanner:
    """Reads one scanner for as long as it is told to, through unplugging, another port number and a port not there
    yet.

    `port` is a path, best one under /dev/serial/by-id, a pattern of paths, or a pySerial URL. `framing` and `reading`
    say what the scanner sends; `terminator`, `encoding` and `max_length` are the same for who needs no more. `commands`
    are what `send` knows, and those of `at_start` are sent whenever the port was opened. `keep` and `forget` are called
    with the scanner's name when a port was opened and when it is gone. `record` gets all that comes in. A port that is
    gone is looked for every `look_seconds`, which is as quick as a hand, and whenever something is plugged in. Raises
    DeviceError for settings that cannot work.
    """

    def __init__(
        self,
        name: str,
        port: str,
        *,
        baud: int = 9600,
        framing: Framing | None = None,
        reading: Reading | None = None,
        terminator: bytes = b"\r",
        encoding: str = "utf-8",
        max_length: int = 2953,
        commands: Mapping[str, Command] | None = None,
        at_start: Sequence[str] = (),
        adopted: Mapping[str, int] | None = None,
        keep: Callable[[str, int], object] | None = None,
        forget: Callable[[str], object] | None = None,
        record: Recorder | None = None,
        look_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._port = port
        self._baud = baud
        self._commands = commands or {}
        self._machine = ScanMachine(
            name,
            framing or Framing(terminators=(terminator,), max_length=max_length),
            reading or Reading(encoding=encoding),
            self._commands,
        )
        unknown = sorted(set(at_start) - set(self._commands))
        if unknown:
            raise DeviceError(f'{name}: no command is called "{unknown[0]}"; known: {", ".join(self._commands)}')
        self._at_start = tuple(at_start)
        self._adopted = (adopted or {}).get(name)
        self._keep = keep
        self._forget = forget
        self._record = record or (lambda _: None)
        self._look_seconds = look_seconds
        self._clock = clock
        self._trouble = ""  # the reason last told for having no port
        self._orders: collections.deque[str] = collections.deque(maxlen=16)
        self._bell = Bell()
        self._waiting_for = ""

    def send(self, command: str) -> None:
        """Have a command sent at once, or never, where the port is not there. Any thread; does not wait.

        Raises DeviceError for a command that the scanner's profile does not have.
        """
        if command not in self._commands:
            known = ", ".join(self._commands) or "none"
            raise DeviceError(f'{self._name}: no command is called "{command}"; known: {known}')
        self._orders.append(command)
        self._bell.ring()

    def run(self, emit: Emit, stop: threading.Event, beat: Callable[[], None] | None = None) -> None:
        """Hand each code to `emit` until `stop` is set; calls `beat` at least every 90 s.

        A `StopEvent` ends this at once, any other Event within 0.4 s, unless a code is half read: it gets 0.3 s to end.
        Only what `emit` raises comes out.
        """
        beat = beat or (lambda: None)
        self._trouble = ""
        with contextlib.ExitStack() as missing:
            hotplug: Hotplug | None = None
            while not stop.is_set():
                beat()
                port = self._open(emit)
                if port is not None:
                    missing.close()
                    hotplug = None
                    try:
                        emit(DeviceFound("scanner", self._name, port.name))
                        self._read(port, emit, stop, beat)
                    except BaseException:
                        self._let_go(port)  # or the port that is kept would turn us away when we are started again
                        raise
                    finally:
                        port.close()
                        self._machine.reset()
                if not stop.is_set():
                    hotplug = hotplug or missing.enter_context(Hotplug())
                    hotplug.wait(stop, self._look_seconds)

    # -- the port

    def _open(self, emit: Emit) -> Port | None:
        port = self._adopt()
        if port is None:
            try:
                port = open_port(self._port, self._baud)
            except DeviceError as error:
                # A port that is missing may be so in several words; it is one trouble all the same.
                missing = isinstance(error, PortMissingError)
                trouble = "missing" if missing else str(error)
                if trouble != self._trouble:
                    self._trouble = trouble
                    emit(DeviceLost("scanner", self._name, f"{error}; {_alternatives()}" if missing else str(error)))
                return None
        if self._keep is not None and isinstance(port, SerialPort):
            self._keep(self._name, port.fileno())
            port.kept = True
        self._trouble = ""
        self._waiting_for = ""
        self._orders.clear()  # what was wished for while it was away is not wished for now
        self._orders.extend(self._at_start)
        return port

    def _adopt(self) -> Port | None:
        descriptor, self._adopted = self._adopted, None
        if descriptor is None:
            return None
        port = adopt_port(descriptor, self._port, self._baud)
        if port is None and self._forget is not None:
            self._forget(self._name)
        return port

    def _let_go(self, port: Port) -> None:
        """Have the port kept no longer."""
        if isinstance(port, SerialPort) and port.kept:
            port.kept = False
            if self._forget is not None:
                self._forget(self._name)

    def _read(self, port: Port, emit: Emit, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Read until `stop` is set or the port is gone, which is told."""
        facts: list[ScanFact] | None = []
        while facts is not None and not stop.is_set():
            beat()
            facts = self._turn(port, stop, _BEAT_SECONDS)
            self._tell(facts, emit)
        # A code that is half read comes to its end first: the next reader would take its tail for a code.
        end = self._clock() + _FINISH_SECONDS
        while facts is not None and self._machine.pending and (left := end - self._clock()) > 0:
            facts = self._turn(port, threading.Event(), left)
            self._tell(facts, emit)
        if facts is None:
            self._let_go(port)
            port.close()  # before anybody hears of it, and plugs something in under the same number
            self._record(Record(self._clock(), "lost", "", self._name))
            emit(DeviceLost("scanner", self._name, self._unplugged(port)))

    def _turn(self, port: Port, stop: threading.Event, longest: float) -> list[ScanFact] | None:
        """What one wait brings, at most so many seconds; None when the port is gone."""
        try:
            self._send_orders(port)
            due = self._machine.due()
            patience = longest if due is None else min(max(due - self._clock(), 0.0), longest)
            heard = port.wait(stop, patience, self._bell.fileno())
            data = port.read() if heard else b""
        except OSError:  # whatever it says: pySerial and the kernel have many words for a cable pulled out
            return None
        now = self._clock()
        if data:
            self._record(Record(now, "bytes", data.hex(), self._name))
            return self._machine.feed(data, now)
        if not heard and (due := self._machine.due()) is not None and now >= due:
            self._record(Record(now, "quiet", "", self._name))
            return self._machine.quiet(now)
        return []

    def _send_orders(self, port: Port) -> None:
        self._bell.heard()
        while self._orders and not self._waiting_for:
            command = self._orders.popleft()
            port.write(self._commands[command].send)
            now = self._clock()
            self._record(Record(now, "command", command, self._name))
            self._machine.sent(command, now)
            if self._commands[command].is_answered:
                self._waiting_for = command

    # -- telling

    def _tell(self, facts: Sequence[ScanFact] | None, emit: Emit) -> None:
        for fact in facts or ():
            if isinstance(fact, Answer):
                self._answered(fact)
            else:
                emit(fact)

    def _answered(self, answer: Answer) -> None:
        facts = {"scanner": self._name, "command": self._waiting_for, "answer": answer.raw.hex()}
        self._waiting_for = ""
        match answer.verdict:
            case "accepted":
                log.debug("scanner accepted a command", extra=facts)
            case "refused":
                log.warning("scanner refused a command", extra=facts)
            case _:
                log.warning("scanner did not answer a command", extra=facts)

    def _unplugged(self, port: Port) -> str:
        self._trouble = "missing"
        lost = self._machine.pending
        unfinished = f"; the {lost} bytes of a code without its end are dropped" if lost else ""
        return f"{port.name} was unplugged{unfinished}"


def _alternatives() -> str:
    present = ports_present()
    return f"there are {', '.join(present)}" if present else "no serial port is plugged in"
