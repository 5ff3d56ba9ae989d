"""What happened and when, a line each, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable

from scripts.laptop.device import Device
from tests.peers.tail import Tail


class Transcript:
    """Tells what a device does while a person, or a script, does something to it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """`write` puts one line before whoever reads."""
        self._write = write
        self._began = time.monotonic()
        self._tails: dict[str, Tail] = {}
        self._lines: list[tuple[str, str]] = []

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def follow(self, device: Device) -> None:
        """Tell what appears on its display and what it speaks, at every `look`."""
        self._tails = {"display": Tail(device.agent.display), "speech": Tail(device.spoken)}

    def tell(self, source: str, text: str) -> None:
        self._write(f"{self.seconds:6.1f} s  {source:<8}  {text}")

    def look(self) -> None:
        """Tell what is new."""
        for source, tail in self._tails.items():
            for line in filter(None, map(str.strip, tail.new())):
                self._lines.append((source, line))
                self.tell(source, line)

    def mark(self) -> int:
        """Where we are now, for `since`."""
        return len(self._lines)

    def since(self, mark: int, source: str) -> str:
        """Everything the display showed or the voice said after `mark`, in one piece."""
        self.look()
        return "\n".join(line for told, line in self._lines[mark:] if told == source)
