"""One scanner that poses as a keyboard, from its keys to its facts. Pure."""

from __future__ import annotations

from agent.record import replace
from hardware.framing import Framing
from hardware.keymaps import KeyReader
from hardware.reading import Reading
from hardware.scanning import ScanFact, ScanMachine


class KeyMachine(ScanMachine):
    """A `ScanMachine` that is fed with keys. The characters are the layout's, so `reading.encoding` plays no part."""

    def __init__(
        self, name: str, layout: str = "us", framing: Framing | None = None, reading: Reading | None = None
    ) -> None:
        super().__init__(name, framing, replace(reading or Reading(), encoding="utf-8"))
        self._keys = KeyReader(layout)

    def key(self, code: int, value: int, now: float) -> list[ScanFact]:
        """The facts that a key completes by going down (1) or up (0)."""
        return self.feed(self._keys.key(code, value).encode("utf-8", "ignore"), now)

    def broken(self, now: float) -> list[ScanFact]:
        """Keys were lost: the code in progress is refused, and no key counts as down any more."""
        self._keys.reset()
        return super().broken(now)

    def reset(self) -> None:
        """Forget the code in progress and the keys that are down: the scanner is gone."""
        self._keys.reset()
        super().reset()
