"""From the hub's words, as the link hands them out, to what a person sees and hears of them."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from scripts.benches.bed import Device, unit_environment
from scripts.benches.ear import Ear
from scripts.benches.process import Watched
from scripts.benches.sheet import Row, Sheet
from tests.peers.browser import Browser, find_chromium
from tests.peers.rig.ports import free_port
from tests.peers.waiting import eventually

_SECONDS = 20.0
_QUIET_SECONDS = 0.25
"""Without a byte from the speech program for this long, it has ended."""
_WATCH_PAGE = """
(() => {
  window.seen = {};
  const told = new MessageChannel();
  // A message posted while a frame is made is read when that frame has been painted.
  told.port1.onmessage = (event) => { window.seen[event.data] = performance.timeOrigin + performance.now(); };
  new MutationObserver(() => {
    const number = document.getElementById("hero").textContent.match(/Parcel (\\d+)/)?.[1];
    if (number && !(number in window.seen)) { window.seen[number] = 0; told.port2.postMessage(number); }
  }).observe(document.getElementById("hero"), { childList: true, subtree: true });
  return true;
})()
"""


@dataclass(slots=True)
class Seen:
    """How long it took until each was there, in seconds, for each of the hub's answers."""

    page: list[float] = field(default_factory=list)
    console: list[float] = field(default_factory=list)
    panel: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)


def measure(folder: Path, *, answers: int = 60) -> Sheet:
    """`answers` answers, one after the other, to a device with a page, a console, a panel and a voice."""
    return sheet(watched(folder, answers=answers))


def sheet(seen: Seen) -> Sheet:
    """The figures of what was seen; what was not says what to install."""
    rows = [
        *_rows("first pixel on the page, in Chromium", seen.page, "apt install chromium"),
        *_rows("line on the console", seen.console, ""),
        *_rows("picture of a 128 × 64 panel", seen.panel, "install the extra oled"),
        *_rows("first sound of espeak-ng", seen.sound, "apt install espeak-ng"),
    ]
    return Sheet(
        name="output",
        title="Output",
        rows=rows,
        notes=(
            "From the moment at which the link hands out the hub's speak, all four outputs at work at once.",
            "A pixel is there when the browser has painted the frame; a sound with the first sample above 1 % of the",
            "loudest that the speech program gives to its player. What a screen, a player and an amplifier add is not",
            "in it.",
        ),
    )


def watched(folder: Path, *, answers: int) -> Seen:
    """What became of each answer. Without Chromium, Pillow or espeak-ng that list stays empty."""
    seen = Seen()
    with ExitStack() as stack:
        device = Device(folder / "device", identity=_identity(folder))
        stack.callback(device.close)
        ear = stack.enter_context(Ear(folder / "ear")) if shutil.which("espeak-ng") else None
        picture = folder / "panel.png" if importlib.util.find_spec("PIL") else None
        port = free_port()
        with device.config.open("a") as config:
            config.write(_outputs(port, ear, picture))
        argv = [sys.executable, "-m", "scripts.benches.told", str(device.config)]
        agent = stack.enter_context(Watched(argv, unit_environment()))
        agent.wait("Ready")
        browser = stack.enter_context(_page(port)) if find_chromium() else None
        watchers = _Watchers(agent, browser, ear, picture)
        watchers.answer(0, Seen())  # the first one warms up
        for number in range(1, answers + 1):
            watchers.answer(number, seen)
    return seen


@dataclass(frozen=True, slots=True)
class _Watchers:
    """Everything that looks and listens."""

    agent: Watched
    browser: Browser | None
    ear: Ear | None
    picture: Path | None

    def answer(self, number: int, seen: Seen) -> None:
        """Have the hub say something, and note when it was seen and heard."""
        text = f"Parcel {number} is ready for you"
        if self.ear:
            self.ear.begin()
        with _replaced(self.picture) as drawn:
            choices = [{"title": "Thank you", "payload": "/thanks"}]
            self.agent.tell(json.dumps({"utterance": text, "quick_replies": choices}))
            began, shown = self._told(text)
            seen.console.append(shown - began)
            if self.browser:
                seen.page.append(self.browser.wait(f"window.seen[{number}]") / 1000 - began)
            if self.ear:
                seen.sound.append(self._heard(self.ear) - began)
        if drawn:
            seen.panel.append(drawn[0] - began)

    def _told(self, text: str) -> tuple[float, float]:
        """When the link handed it out, and when the console had it: the two lines come in either order."""
        began = shown = 0.0
        while not (began and shown):
            at, line = self.agent.line("", _SECONDS)
            if text in line:
                shown = at + time.time() - time.perf_counter()
            elif line.startswith('{"at"'):
                began = float(json.loads(line)["at"])
        return began, shown

    def _heard(self, ear: Ear) -> float:
        first: float = eventually(lambda: ear.first, timeout=_SECONDS, what="a sound")
        eventually(lambda: time.time() - ear.last > _QUIET_SECONDS, timeout=_SECONDS, what="silence")
        return first


@contextmanager
def _page(port: int) -> Iterator[Browser]:
    with Browser() as browser:
        browser.open(f"http://127.0.0.1:{port}/")
        browser.wait('document.getElementById("link").dataset.link === "up"')
        browser.evaluate(_WATCH_PAGE)
        yield browser


@contextmanager
def _replaced(picture: Path | None) -> Iterator[list[float]]:
    """When the picture was replaced first within the block; waits for that at its end."""
    found: list[float] = []
    if picture is None:
        yield found
        return
    before, ends = _inode(picture), time.monotonic() + _SECONDS

    def watch() -> None:
        while _inode(picture) == before and time.monotonic() < ends:
            time.sleep(0.0005)
        found.append(time.time())

    thread = threading.Thread(target=watch, name="panel")
    thread.start()
    yield found
    thread.join()


def _inode(picture: Path) -> int:
    with suppress(FileNotFoundError):
        return os.stat(picture).st_ino
    return 0


def _outputs(port: int, ear: Ear | None, picture: Path | None) -> str:
    tables = [f'\n[page]\nenabled = true\nport = {port}\nname = "Hall"\n']
    if ear:
        tables.append(f'\n[speech]\nenabled = true\nprofile = "espeak-ng"\nplayer = {json.dumps(ear.player)}\n')
    if picture:
        tables.append(f'\n[[display]]\nname = "panel"\ntype = "png"\nfile = {json.dumps(str(picture))}\n')
    return "".join(tables)


def _identity(folder: Path) -> Path:
    identity = folder / "identity.json"
    words = {"access_key": "k" * 16, "password": "p" * 16, "site_id": "hall", "default_master": "wss://localhost"}
    identity.write_text(json.dumps(words))
    identity.chmod(0o600)
    return identity


def _rows(what: str, seconds: list[float], otherwise: str) -> list[Row]:
    if not seconds:
        return [Row(measure=f"speak to the {what}: not measured, {otherwise}")]
    return [
        Row(measure=f"speak to the {what}, p50", unit="ms", ours=median(seconds) * 1000),
        Row(measure="the same, p95", unit="ms", ours=quantiles(seconds, n=20)[18] * 1000),
    ]
