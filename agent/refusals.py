"""The last things each scanner sent that were no codes, one for each reason, for whoever has to find out why.

Which character set a scanner uses shows in the bytes it sent and nowhere else, so they are kept. They are also what
somebody scanned, so they stay on the device: `thalovant-agent status` shows them in hex, to those who may read the
control socket. They are in nothing that leaves it, the report to the hub, the metrics and the archive of `report`
among them, in no journal, and on no disk: the next refusal of the same kind takes their place, and a restart forgets
them.
"""

from __future__ import annotations

from typing import Any

from hardware.facts import ScanRefused

MOST_BYTES = 256
"""Of one refusal. Where a character set is wrong, it shows at once; a whole QR symbol would be 3 kB."""


class Refusals:
    """Of each scanner and reason the last refusal: the empty read behind it must not hide the one that matters.

    Not thread-safe: the core's. Times are of the monotonic clock.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], ScanRefused] = {}

    def add(self, refused: ScanRefused) -> None:
        """Keep it in the place of the one before."""
        self._last[refused.scanner, refused.reason] = refused

    def as_list(self, now: float) -> list[dict[str, Any]]:
        """The same as JSON data, by scanner, newest first; `hex` is the beginning of the `bytes` that came."""
        return [
            {
                "scanner": refused.scanner,
                "reason": refused.reason,
                "remark": refused.remark,
                "seconds": round(max(now - refused.at, 0.0), 1),
                "bytes": len(refused.raw),
                "hex": refused.raw[:MOST_BYTES].hex(" "),
            }
            for refused in sorted(self._last.values(), key=lambda refused: (refused.scanner, -refused.at))
        ]
