"""A real browser, driven over the DevTools protocol: Debian's Chromium, without a window.

`chromium --screenshot` waits for a page to have finished, and one with an open event stream never has. So the browser
is told step by step, over the socket it listens on, and looked at in between.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.waiting import eventually

_SECONDS = 30.0
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """The browser's program, or None on a machine that has none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class BrowserError(Exception):
    """The browser did not do what it was told."""


class Browser:
    """One browser with one tab. Within `with`; one thread uses it."""

    def __init__(self, width: int = 1280, height: int = 800, *, arguments: Sequence[str] = ()) -> None:
        self._size = (width, height)
        self._arguments = arguments
        self._numbers = itertools.count(1)
        self._socket: Any = None
        self.console: list[str] = []
        """What the page complained about."""

    def __enter__(self) -> Self:
        program = find_chromium()
        if program is None:
            raise BrowserError("there is no chromium; apt-get install chromium")
        self._folder = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        try:
            self._process = subprocess.Popen(
                [program, *_ARGUMENTS, f"--user-data-dir={self._folder.name}", *self._arguments, "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._attach()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and forget all it knew."""
        if self._socket is not None:
            self._socket.close()
        if hasattr(self, "_process"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._folder.cleanup()

    def resize(self, width: int, height: int) -> None:
        """Have a touch screen of so many pixels."""
        self._size = (width, height)
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        self.console.clear()
        answer = self.tell("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"the page did not load: {answer['errorText']}")
        eventually(
            lambda: self.evaluate("document.readyState") == "complete", what="the page to load", timeout=_SECONDS
        )

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, None when it is just being loaded anew; a promise is waited for."""
        answer = self.tell(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,  # what the page may not do, we may not do in its name
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(str(details.get("exception", {}).get("description") or details.get("text")))
        return answer["result"].get("value")

    def wait(self, script: str, *, timeout: float = _SECONDS) -> Any:
        """The value of an expression, once that is true."""
        return eventually(lambda: self.evaluate(script), timeout=timeout, what=script)

    def touch(self, selector: str) -> None:
        """Put a finger on the middle of the first element `selector` finds, and take it away."""
        x, y = self._middle(selector)
        self.tell("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.tell("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press_key(self, key: str) -> None:
        """Press a key of a keyboard: "Tab", "Enter", "Escape", or a letter."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        typed = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        self.tell("Input.dispatchKeyEvent", type="keyDown" if typed else "rawKeyDown", text=typed, **common)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path) -> None:
        """What the screen shows, as a PNG file."""
        path.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def prefer(self, **features: str) -> None:
        """What the person prefers, as CSS media features: `prefer(prefers_reduced_motion="reduce")`."""
        listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.tell("Emulation.setEmulatedMedia", features=listed)

    def memory(self) -> Mapping[str, float]:
        """Bytes and objects the page holds after its garbage is gone: `JSHeapUsedSize`, `Nodes`, `JSEventListeners`."""
        self.tell("HeapProfiler.collectGarbage")
        metrics = self.tell("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}

    def own_bytes(self) -> int:
        """Bytes that the processes that draw pages share with nobody: `RssAnon` of /proc/PID/status."""
        found = 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may be gone by now
                words = (process / "cmdline").read_bytes()
                if b"--type=renderer" in words and self._folder.name.encode() in words:
                    status = (process / "status").read_text().splitlines()
                    found += sum(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))
        return found

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give the browser one order and wait for its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            said = json.loads(self._socket.recv())
            self._note(said)
            if said.get("id") == number:
                if "error" in said:
                    if "navigated" in said["error"].get("message", ""):
                        return {"result": {}}
                    raise BrowserError(f"{method}: {said['error'].get('message')}")
                result: dict[str, Any] = said["result"]
                return result
        raise BrowserError(f"{method}: no answer")

    def _note(self, said: Mapping[str, Any]) -> None:
        match said.get("method"):
            case "Runtime.exceptionThrown":
                self.console.append(str(said["params"]["exceptionDetails"]))
            case "Log.entryAdded":
                entry = said["params"]["entry"]
                self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def _middle(self, selector: str) -> tuple[float, float]:
        where = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        if where is None:
            raise BrowserError(f"there is nothing like {selector} on the page")
        return where[0], where[1]

    def _attach(self) -> None:
        import websocket

        told = Path(self._folder.name) / "DevToolsActivePort"

        def port() -> str | None:
            if self._process.poll() is not None:
                raise BrowserError(f"chromium ended with {self._process.returncode}")
            return told.read_text().splitlines()[0] if told.is_file() and told.read_text() else None

        address = f"http://127.0.0.1:{eventually(port, timeout=_SECONDS, what='the browser')}/json/list"

        def tab() -> str | None:
            with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            return pages[0]["webSocketDebuggerUrl"] if pages else None

        found = eventually(tab, timeout=_SECONDS, what="the browser's tab")
        self._socket = websocket.create_connection(found, timeout=_SECONDS, suppress_origin=True)
        for domain in ("Page", "Runtime", "Log", "Performance"):
            self.tell(f"{domain}.enable")
        self.tell("Emulation.setTouchEmulationEnabled", enabled=True)
        self.resize(*self._size)
