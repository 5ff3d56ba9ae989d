"""Take the pictures: scripts/screenshots FOLDER [--only NAME]... [--dark]."""

from __future__ import annotations

import argparse
import dataclasses
import threading
import time
from pathlib import Path

from agent.page.server import PageServer
from agent.page.taps import Verdict
from scripts.screens.scenes import LANGUAGES, SCENES, SIZES, branding
from tests.peers.browser import Browser
from tests.peers.waiting import eventually

_DRAWN = "document.documentElement.dataset.view !== 'start' && document.fonts.status === 'loaded'"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description="Take pictures of the kiosk page.")
    parser.add_argument("folder", type=Path, help="where the PNG files go")
    parser.add_argument("--only", action="append", metavar="NAME", help="a scene: " + ", ".join(s.name for s in SCENES))
    parser.add_argument("--dark", action="store_true", help="with the dark theme")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        browser.prefer(prefers_reduced_motion="reduce")
        for language in LANGUAGES:
            _take(browser, language, arguments.folder, arguments.only, dark=arguments.dark)


def _take(browser: Browser, language: str, folder: Path, only: list[str] | None, *, dark: bool) -> None:
    look = branding(language)
    if dark:
        look = dataclasses.replace(look, theme="dark", colour="#53d3bf")
    server = PageServer(0, look, lambda tap, reply: reply(Verdict(True)))
    stop, serving = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: server.run(stop, serving.set), name="page")
    thread.start()
    try:
        serving.wait(10)
        for width, height in SIZES:
            browser.resize(width, height)
            for scene in SCENES:
                if only and scene.name not in only:
                    continue
                state = scene.state(language, time.monotonic())
                server.show(state)
                browser.open(f"http://127.0.0.1:{server.port}/")
                eventually(lambda: browser.evaluate(_DRAWN), what="the page to be drawn")
                if scene.touch:
                    browser.touch(scene.touch)
                path = folder / f"{scene.name}-{language}-{width}x{height}{'-dark' if dark else ''}.png"
                browser.screenshot(path)
                print(path)
    finally:
        stop.set()
        server.wake()
        thread.join()


if __name__ == "__main__":
    main()
