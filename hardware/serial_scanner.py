"""One serial scanner, plugged in or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from hardware.facts import CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.framing import Code, CodeFramer
from hardware.ports import Port, PortMissingError, open_port, ports_present

ScannerFact = CodeScanned | ScanRefused | DeviceFound | DeviceLost

_REOPEN_SECONDS = 1.0
"""Between two looks for a port that is gone. Looking is surer than one udev event, and as quick as a hand."""
_BEAT_SECONDS = 10.0


class SerialScanner:
    """Reads one scanner for as long as it is told to, through unplugging, another port number and a port not there
    yet.

    `port` is a path, best one under /dev/serial/by-id, a pattern of paths, or a pySerial URL. `terminator` is what
    the scanner sends after a code; `max_length` is in bytes. Raises DeviceError for settings that cannot work.
    """

    def __init__(
        self,
        name: str,
        port: str,
        *,
        baud: int = 9600,
        terminator: bytes = b"\r",
        encoding: str = "utf-8",
        max_length: int = 2953,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._port = port
        self._baud = baud
        self._framer = CodeFramer(terminator, encoding=encoding, max_length=max_length)
        self._clock = clock
        self._trouble = ""  # the reason last told for having no port

    def run(
        self, emit: Callable[[ScannerFact], object], stop: threading.Event, beat: Callable[[], None] | None = None
    ) -> None:
        """Hand each code to `emit` until `stop` is set; calls `beat` at least every 10 s.

        A `StopEvent` ends this at once, any other Event within 0.4 s. Only what `emit` raises comes out.
        """
        beat = beat or (lambda: None)
        self._trouble = ""
        while not stop.is_set():
            beat()
            port = self._open(emit)
            if port is not None:
                try:
                    self._read(port, emit, stop, beat)
                finally:
                    port.close()
                    self._framer.reset()
            stop.wait(_REOPEN_SECONDS)

    def _open(self, emit: Callable[[ScannerFact], object]) -> Port | None:
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
        self._trouble = ""
        emit(DeviceFound("scanner", self._name, port.name))
        return port

    def _read(
        self, port: Port, emit: Callable[[ScannerFact], object], stop: threading.Event, beat: Callable[[], None]
    ) -> None:
        """Read until `stop` is set or the port is gone, which is told."""
        while not stop.is_set():
            beat()
            try:
                data = port.read() if port.wait(stop, _BEAT_SECONDS) else b""
            except OSError:  # whatever it says: pySerial and the kernel have many words for a cable pulled out
                emit(DeviceLost("scanner", self._name, self._unplugged(port)))
                return
            now = self._clock()
            for frame in self._framer.feed(data):
                if isinstance(frame, Code):
                    emit(CodeScanned(self._name, frame.value, frame.raw, now))
                else:
                    emit(ScanRefused(self._name, frame.reason, frame.raw, now))

    def _unplugged(self, port: Port) -> str:
        self._trouble = "missing"
        lost = self._framer.pending
        unfinished = f"; the {lost} bytes of a code without its end are dropped" if lost else ""
        return f"{port.name} was unplugged{unfinished}"


def _alternatives() -> str:
    present = ports_present()
    return f"there are {', '.join(present)}" if present else "no serial port is plugged in"
