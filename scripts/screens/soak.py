"""Whether the page stays as small as it began: python -m scripts.screens.soak --minutes 10.

A thousand answers a minute, each with a text, a table, a picture and choices, in a real browser. Told are the memory of
this process, which is the agent's part of it, and what the page holds after its garbage is gone.
"""

from __future__ import annotations

import argparse
import base64
import resource
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.page.branding import Branding
from agent.page.images import Images
from agent.page.items import Choice, Choices, Image, Table, Text
from agent.page.server import PageServer
from agent.page.state import Answer, Input, LinkLine, PageState
from agent.page.taps import Verdict
from tests.peers.browser import Browser
from tests.peers.waiting import eventually

_DRAWN = "Number(document.querySelector('.words')?.textContent.match(/\\d+/)?.[0] ?? 0)"


@dataclass(frozen=True, slots=True)
class Size:
    """What is in use at one moment."""

    answers: int
    process_bytes: int
    """Resident memory of this process."""
    heap_bytes: int
    """Of the page's JavaScript."""
    nodes: int
    listeners: int

    def __str__(self) -> str:
        return (
            f"{self.answers:6d} answers: process {self.process_bytes / 2**20:.1f} MiB, "
            f"page {self.heap_bytes / 2**20:.2f} MiB, {self.nodes} nodes, {self.listeners} listeners"
        )


def soak(answers: int, every: float, *, looks: int = 5) -> Iterator[Size]:
    """Show so many answers, one `every` seconds, and look at the size `looks` times in between."""
    images = Images((), user_agent="")
    server = PageServer(
        0, Branding(name="Soak", code_entry=True), lambda tap, reply: reply(Verdict(True)), images=images
    )
    stop, serving = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: server.run(stop, serving.set), name="page")
    thread.start()
    try:
        with Browser() as browser:
            serving.wait(10)
            browser.open(f"http://127.0.0.1:{server.port}/")
            began = time.monotonic()
            for number in range(1, answers + 1):
                server.show(_state(number, time.monotonic()))
                time.sleep(max(began + number * every - time.monotonic(), 0))
                if number % max(answers // looks, 1) == 0:
                    eventually(lambda number=number: browser.evaluate(_DRAWN) == number, what="the answer")  # type: ignore[misc]
                    held = browser.memory()
                    yield Size(
                        answers=number,
                        process_bytes=_resident(),
                        heap_bytes=int(held["JSHeapUsedSize"]),
                        nodes=int(held["Nodes"]),
                        listeners=int(held["JSEventListeners"]),
                    )
    finally:
        stop.set()
        server.wake()
        thread.join()


def _state(number: int, now: float) -> PageState:
    scan = Input(id=str(number), title=f"INV-{number:06d}", state="done", at=now)
    earlier = tuple(Input(id=f"{number}-{each}", title=f"INV-{each}", state="kept", at=now - each) for each in range(5))
    table = Table(("Article", "Count"), tuple((f"Article {number} {row}", str(row)) for row in range(20)))
    choices = Choices(tuple(Choice(f"Choice {each}", f"/choose {number} {each}") for each in range(4)))
    items = (Text(f"Answer {number} " + "word " * (number % 40)), table, Image(_picture(number)), choices)
    return PageState(
        answer=Answer(number=number, items=items, to=str(number)),
        current=str(number),
        inputs=(scan, *earlier),
        link=LinkLine(state="up" if number % 7 else "down", cause="dns", waiting=number % 5),
    )


def _picture(number: int) -> str:
    """A small PNG picture of its own for each hundred answers."""
    shade = number // 100 % 256

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + bytes([shade, 90, 160]) * 64) * 48)
    head = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts.screens.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--per-minute", type=float, default=1000.0, help="answers")
    arguments = parser.parse_args()
    answers = round(arguments.minutes * arguments.per_minute)
    for size in soak(answers, 60 / arguments.per_minute, looks=max(round(arguments.minutes), 5)):
        print(size, flush=True)


if __name__ == "__main__":
    main()
