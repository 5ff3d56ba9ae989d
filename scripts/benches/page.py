"""Whether agent and page stay as small as they began: scripts/bench page [--minutes 10].

The whole agent at a real hub, its page in a real browser, a thousand answers a minute, each with a text, a table, a
picture and choices, and a scan for every sixteen of them. Told are the resident memory of the agent, what the browser
has for itself to draw pages, and what the page's script holds after its garbage is gone. At the end, as at night, the
page is left alone until it has loaded itself anew.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benches.bed import UP, Bed
from scripts.benches.process import memory
from tests.peers.browser import Browser
from tests.peers.rig.ports import free_port

_SCAN_EVERY = 16
"""So many answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What is in use at one moment."""

    answers: int
    agent: float
    """Resident memory of the agent, in MiB."""
    browser: float
    """What the browser's processes that draw pages have for themselves, in MiB."""
    heap: float
    """MiB of the page's script."""
    nodes: int
    listeners: int

    def __str__(self) -> str:
        return (
            f"{self.answers:6d} answers: agent {self.agent:.1f} MiB, browser {self.browser:.0f} MiB, "
            f"script {self.heap:.2f} MiB, {self.nodes} nodes, {self.listeners} listeners"
        )


def soak(folder: Path, answers: int, every: float, *, looks: int, renewed: bool = False) -> Iterator[Size]:
    """Show so many answers, one `every` seconds, and look at the sizes `looks` times in between.

    `renewed`: look once more when the page has loaded itself anew, a minute after the last of more than 2000.
    """
    port = free_port()
    with Bed(folder, devices=1) as bed, Browser() as browser:
        device = bed.device("wss")
        with device.config.open("a") as config:
            config.write(f'\n[page]\nenabled = true\nport = {port}\nname = "Hall"\ncode_entry = true\n')
        with device.start() as agent:
            agent.wait(UP)
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait('document.getElementById("link").dataset.link === "up"')
            bed.hub.wait_connected(1)
            began, stretch = time.monotonic(), max(answers // looks, 1)
            for number in range(1, answers + 1):
                bed.hub.emit("speak", _answer(number))
                # Not just before a look: the answer to it would stand where that looks.
                if number % _SCAN_EVERY == 0 and 0 < number % stretch < stretch - _SCAN_EVERY:
                    device.scanners[0].types(f"SOAK-{number}\r".encode())
                time.sleep(max(began + number * every - time.monotonic(), 0))
                if number % stretch == 0:
                    browser.wait(f"document.getElementById('hero').textContent.includes('Answer {number}.')")
                    yield _size(number, agent.pid, browser)
            if renewed:
                browser.evaluate("window.before = true")
                browser.wait("window.before === undefined && document.getElementById('hero')?.textContent", timeout=120)
                yield _size(answers, agent.pid, browser)


def _size(answers: int, agent: int, browser: Browser) -> Size:
    held = browser.memory()
    return Size(
        answers=answers,
        agent=memory(agent).rss,
        browser=browser.own_bytes() / 2**20,
        heap=held["JSHeapUsedSize"] / 2**20,
        nodes=int(held["Nodes"]),
        listeners=int(held["JSEventListeners"]),
    )


def _answer(number: int) -> dict[str, object]:
    return {
        "utterance": f"Answer {number}. " + "word " * (number % 40),
        "table": {
            "columns": ["Article", "Count"],
            "rows": [[f"Article {number} {row}", str(row)] for row in range(20)],
        },
        "image": _picture(number),
        "quick_replies": [{"title": f"Choice {each}", "payload": f"/choose {number} {each}"} for each in range(4)],
    }


def _picture(number: int) -> str:
    """A small PNG picture of its own for each hundred answers."""
    shade = number // 100 % 256

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes([shade, 90, 160]) * 64) * 48)
    head = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench page", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--per-minute", type=float, default=1000.0, help="answers")
    arguments = parser.parse_args(argv)
    answers = round(arguments.minutes * arguments.per_minute)
    folder = Path(tempfile.mkdtemp(prefix="thalovant-page-"))
    try:
        looks = max(round(arguments.minutes), 5)
        every = 60 / arguments.per_minute
        for size in soak(folder / "bed", answers, every, looks=looks, renewed=answers > 2000):
            print(size, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0
