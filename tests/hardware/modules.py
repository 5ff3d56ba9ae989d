"""Scanner modules that read the sheet of codes, each set up in its own way: on a pseudo-terminal, with a real UART's
bits."""

from __future__ import annotations

import queue
import termios
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from hardware.learning import CODES, Step
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (4800, 9600, 19200, 38400, 57600, 115200)}
_AIM = ("]E0", "]Q1", "]d2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one module is set up."""

    baud: int = 9600
    head: bytes = b""
    tail: bytes = b"\r"
    aim: bool = False
    encoding: str = "utf-8"
    gs: bytes = b"\x1d"

    def sends(self, code: int) -> bytes:
        """The bytes for the code at that place of the sheet."""
        text = CODES[code].encode(self.encoding, "replace").replace(b"\x1d", self.gs)
        return self.head + (_AIM[code].encode() if self.aim else b"") + text + self.tail


def heard_at(data: bytes, sent: int, listening: int) -> bytes:
    """What a UART at one speed makes of bytes sent at another: the line is sampled in the middle of each of its
    bits."""
    line = [1] * 10
    for byte in data:
        line += [0, *((byte >> bit) & 1 for bit in range(8)), 1]
    line += [1] * 20
    scale = sent / listening

    def level(time: float) -> int:
        return line[min(int(time), len(line) - 1)]

    heard, time = bytearray(), 0.0
    while time < len(line) - 1:
        if level(time):
            time += min(0.05, scale / 8)
            continue
        bits = [level(time + scale * (bit + 1.5)) for bit in range(8)]
        heard.append(sum(bit << place for place, bit in enumerate(bits)))
        time += scale * 9.5
        while time < len(line) - 1 and not level(time):  # the stop bit, or a break
            time += min(0.05, scale / 8)
    return bytes(heard)


class ModuleInHand:
    """A module and the person who holds it to the sheet whenever they are told to; `told` is what they were told."""

    def __init__(self, link: Path, setting: Setting, *, first: str = "") -> None:
        """`first` is a code of something else that the person tries before the sheet."""
        self._scanner = PtyScanner(link)
        self._setting = setting
        self._first = first.encode()
        self._steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._follow, name=f"person at {link.name}")
        self.told: list[Step] = []

    @property
    def port(self) -> str:
        """Where it is."""
        return self._scanner.port

    def hear(self, step: Step) -> None:
        """To be given as `say`."""
        self.told.append(step)
        if step.kind != "done":
            self._steps.put(step)

    def _follow(self) -> None:
        while (step := self._steps.get()) is not None:
            eventually(partial(self._listens, step.baud), what=f"{step.baud} baud")
            data = self._setting.sends(step.code)
            if self._first:
                data, self._first = self._first + self._setting.tail, b""
            self._scanner.types(heard_at(data, self._setting.baud, step.baud))

    def _listens(self, baud: int) -> bool:
        return _SPEEDS.get(termios.tcgetattr(self._scanner._slave)[5]) == baud

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.put(None)
        self._thread.join(20)
        self._scanner.close()
