"""The whole agent as a process, with a scanner on a pseudo-terminal, a mock button, a display and a voice, at a real
hub."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.peers.agent import CONTROL_SOCKET, AgentProcess
from tests.peers.hub import Hub, utterance
from tests.peers.rig.records import Row
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

BUTTON_PIN = 17


class Kiosk:
    """One device at one hub, and everything a person or a fault does to it."""

    def __init__(self, folder: Path, hub: Hub, *, protocols: Sequence[str], device: int = 1, extra: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.hub = hub
        self.device = device
        self.folder = folder
        self.spoken = folder / "spoken.txt"
        self.scanner = PtyScanner(folder / "scanner")
        self.agent = AgentProcess(folder, self._config(protocols) + extra, environment=hub.environment())

    def scan(self, *codes: str) -> None:
        """Let the scanner read the codes, one after the other."""
        for code in codes:
            self.scanner.types(code.encode() + b"\r")

    def press(self) -> None:
        self.agent.press(BUTTON_PIN)

    def status(self) -> dict[str, Any]:
        return self.agent.ask("status")

    def wait_up(self, protocol: str | None = None, timeout: float = 20.0) -> dict[str, Any]:
        """Until the agent says that its link is up, over `protocol` if one is named; its account of the link."""

        def up() -> dict[str, Any] | None:
            link: dict[str, Any] = self.status()["link"]
            return link if link["state"] == "up" and protocol in (None, link["protocol"]) else None

        return eventually(
            up, timeout=timeout, what=f"the link up over {protocol or 'anything'}: {self.status()['link']}"
        )

    def wait_answered(self, code: str, timeout: float = 20.0) -> None:
        """Until the hub had `code` and nothing waits any more."""
        self.hub.wait_for(utterance(code), timeout=timeout)
        self.wait_settled(timeout)

    def wait_settled(self, timeout: float = 20.0) -> None:
        """Until nothing waits in the outbox. What was only just typed may not be in it yet."""
        eventually(lambda: self.status()["outbox"]["waiting"] == 0, timeout=timeout, what="an empty outbox")

    def wait_shown(self, text: str, timeout: float = 10.0) -> None:
        """Until a line with `text` has stood on the display."""
        eventually(lambda: any(text in line for line in self.agent.shown()), timeout=timeout, what=f"{text!r} shown")

    def wait_spoken(self, text: str, timeout: float = 10.0) -> None:
        eventually(lambda: self.spoken.exists() and text in self.spoken.read_text(), timeout=timeout, what="speech")

    def arrivals(self, text: str) -> list[Row]:
        """What the hub's agent bus got with exactly this text."""
        return self.hub.received(utterance(text))

    def kill(self) -> None:
        """SIGKILL, as the plug being pulled."""
        self.agent.kill()
        self.scanner.reader_killed()

    def _config(self, protocols: Sequence[str]) -> str:
        tables: dict[str, dict[str, object]] = {
            "[identity]": {"file": str(self.hub.identity(self.device)), "state": str(self.folder / "state")},
            "[control]": {"socket": str(self.folder / CONTROL_SOCKET)},
            "[hub]": {"protocols": list(protocols)},
            "[speech]": {"enabled": True, "command": f"(cat; echo) >> {shlex.quote(str(self.spoken))}"},
            "[[display]]": {"name": "screen", "target": "-"},
            "[[scanner]]": {
                "name": "counter",
                "port": self.scanner.port,
                "kind": "invoice",
                "label": "Invoice",
                "repeat_seconds": 0,
            },
            "[[button]]": {"name": "help", "pin": BUTTON_PIN, "payload": "call-staff", "title": "Call staff"},
        }
        lines = [
            "\n".join((table, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""))
            for table, values in tables.items()
        ]
        return "\n".join(lines)

    def close(self) -> None:
        self.agent.close()
        self.scanner.close()


@pytest.fixture(scope="module")
def hub(start_hub: Callable[..., Hub]) -> Hub:
    """A hub with a device for every test of the module: it pins the key a device shows first, and each test has its
    own."""
    return start_hub(devices=16)


@pytest.fixture(scope="module")
def unused() -> Iterator[int]:
    """The numbers of the module's devices that no test has used yet."""
    return iter(range(1, 1000))


@pytest.fixture
def kiosk(hub: Hub, start_kiosk: Callable[..., Kiosk]) -> Kiosk:
    """A device at the module's hub, up over MQTT first."""
    device = start_kiosk(hub)
    device.wait_up()
    return device


@pytest.fixture
def start_kiosk(tmp_path: Path, unused: Iterator[int]) -> Iterator[Callable[..., Kiosk]]:
    """Start a device at a hub: `start_kiosk(hub, protocols=["wss"])`. Each is another one, unless `device` says
    which."""
    with ExitStack() as stack:

        def start(
            hub: Hub,
            *,
            protocols: Sequence[str] = ("mqtt", "wss", "https"),
            device: int | None = None,
            extra: str = "",
        ) -> Kiosk:
            number = next(unused) if device is None else device
            kiosk = Kiosk(tmp_path / f"kiosk-{number}", hub, protocols=protocols, device=number, extra=extra)
            stack.callback(kiosk.close)
            kiosk.agent.start()
            return kiosk

        yield start
