"""Learning a scanner at the ports of this machine."""

from __future__ import annotations

import functools
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from hardware.facts import DeviceError
from hardware.learning import Learned, Learner, Step
from hardware.ports import SerialPort

SILENT = 'set the scanner to pose as a serial port, which its own sheet calls "USB COM", "USB serial" or "virtual COM"'
"""What to do when nothing comes."""
_SILENCE_SECONDS = 0.15
"""Ends a burst: no scanner pauses for so long within a code, and nobody scans the next one sooner."""
_SILENT_SECONDS = 20.0
"""So long after it was asked, a person who scans has heard nothing, and wants to know why."""
_LONGEST = 8192


def learn_scanner(
    ports: Sequence[str],
    say: Callable[[Step], object],
    stop: threading.Event,
    *,
    timeout: float = 300.0,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[str, Learned]:
    """The port that scans come from, and the scanner's settings. `say` is told what is to be scanned, and of silence.

    Listens at all ports until the first scan comes, then at that one. A port that cannot be opened is left out. Raises
    DeviceError when no port can be, when `timeout` seconds pass, when `stop` is set, and when the scans make no sense.
    """
    end = clock() + timeout
    learner = Learner()
    step, where = learner.step, list(ports)
    while True:
        say(step)
        with ExitStack() as opened:
            listening = _open(where, step.baud, opened)
            silent = functools.partial(say, Step("silent", step.code, step.baud))
            port, burst = _burst(listening, stop, end, clock, silent)
        where = [port.name]
        step = learner.heard(burst)
        if step.kind == "done":
            say(step)
            return port.name, learner.result()
        if step.kind == "gave up":
            raise DeviceError(
                f"{port.name}: at none of the usual speeds the first code of the sheet is to be seen; "
                "reset the scanner with its own sheet, and start again"
            )


def usable(ports: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ports that can be listened at, and a sentence for each that cannot."""
    good, troubles = [], []
    for path in ports:
        try:
            SerialPort.open(path, 9600).close()
        except DeviceError as error:
            troubles.append(str(error))
        else:
            good.append(path)
    return good, troubles


def _open(where: Sequence[str], baud: int, opened: ExitStack) -> list[SerialPort]:
    ports = []
    trouble: DeviceError = DeviceError("no serial port is plugged in")
    for path in where:
        try:
            port = SerialPort.open(path, baud)
        except DeviceError as error:
            trouble = error
            continue
        opened.callback(port.close)
        ports.append(port)
    if not ports:
        raise trouble
    return ports


def _burst(
    ports: Sequence[SerialPort],
    stop: threading.Event,
    end: float,
    clock: Callable[[], float],
    silent: Callable[[], object],
) -> tuple[SerialPort, bytes]:
    """The bytes of the next scan, and the port it came from. `silent` is called once where none comes for long."""
    late = clock() + _SILENT_SECONDS
    poll = select.poll()
    for port in ports:
        poll.register(port.fileno(), select.POLLIN)
    heard: SerialPort | None = None
    burst = b""
    while True:
        left = end - clock()
        if stop.is_set() or left <= 0:
            raise DeviceError(f"nothing was scanned in time; {SILENT}")
        ready = {descriptor for descriptor, _ in poll.poll(min(_SILENCE_SECONDS, left) * 1000)}
        if heard is None:
            heard = next((port for port in ports if port.fileno() in ready), None)
        if heard is None:
            if clock() >= late:
                late = float("inf")
                silent()
            continue
        if heard.fileno() not in ready or len(burst) > _LONGEST:
            return heard, burst
        try:
            burst += heard.read()
        except OSError as error:
            raise DeviceError(f"{heard.name} was unplugged") from error
