"""What every benchmark lies on: a real hub and broker, and devices and peers to start beside it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.benches.process import Watched
from tests.peers.agent import CONTROL_SOCKET, ROOT
from tests.peers.hub import Hub
from tests.peers.scanner import PtyScanner

PROTOCOLS = ("wss", "mqtt")
_UNIT = ROOT / "systemd" / "thalovant-agent.service"
UP = "hub link up"
"""In the agent's journal."""
READY = "reading inputs"
PEER_UP = "peer up"


class Device:
    """One whole device: its folder, its scanners and its configuration. `start` runs the agent on it."""

    def __init__(
        self,
        folder: Path,
        *,
        identity: Path | None,
        protocols: Sequence[str] = PROTOCOLS,
        scanners: int = 1,
        environment: Mapping[str, str] | None = None,
        hub: Mapping[str, object] | None = None,
    ) -> None:
        """Two buttons and a console display belong to it; `identity` None leaves it without a hub."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.control = folder / CONTROL_SOCKET
        self.state = folder / "state"
        self.scanners = [PtyScanner(folder / f"scanner-{number}") for number in range(scanners)]
        self._environment = {**unit_environment(), **(environment or {})}
        self.config = folder / "agent.toml"
        tables: list[tuple[str, dict[str, object]]] = [
            ("[identity]", {"file": str(identity or folder / "identity.json"), "state": str(self.state)}),
            ("[control]", {"socket": str(self.control)}),
            ("[hub]", {"protocols": list(protocols), **(hub or {})}),
            ("[[display]]", {"name": "screen", "target": "-"}),
            ("[[button]]", {"name": "help", "pin": 17, "payload": "call-staff"}),
            ("[[button]]", {"name": "delivery", "pin": 27, "payload": "delivery"}),
        ]
        tables += [
            ("[[scanner]]", {"name": f"scanner-{number}", "port": scanner.port, "repeat_seconds": 0})
            for number, scanner in enumerate(self.scanners)
        ]
        lines = [
            "\n".join((table, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""))
            for table, values in tables
        ]
        self.config.write_text("\n".join(lines))

    def start(self, *wrapper: str, options: Sequence[str] = ()) -> Watched:
        """The agent, as its unit starts it but for mock pins. `wrapper` is a command that runs it."""
        argv = [*wrapper, sys.executable, *options, "-m", "agent", "run", "--config", str(self.config)]
        return Watched(argv, self._environment)

    def close(self) -> None:
        """Unplug the scanners."""
        for scanner in self.scanners:
            scanner.close()


class Bed:
    """A hub with many devices, each used by one actor: a hub keeps the key it was shown first."""

    def __init__(self, folder: Path, *, devices: int, nodelay: bool = False) -> None:
        """`nodelay` is the hub and broker as an operator can tune them: without Nagle's algorithm."""
        self.folder = folder
        self.hub = Hub(folder / "hub", devices=devices, nodelay=nodelay, log_level="ERROR")
        self._unused = iter(range(1, devices + 1))
        self._stack = ExitStack()

    def device(self, protocol: str, **more: object) -> Device:
        """A device the hub has not met."""
        number = next(self._unused)
        device = Device(
            self.folder / f"device-{number}",
            identity=self.hub.identity(number),
            protocols=[protocol],
            environment=self.hub.environment(),
            **more,  # type: ignore[arg-type]
        )
        self._stack.callback(device.close)
        return device

    def peer(self, protocol: str) -> Peer:
        """A published client the hub has not met."""
        number = next(self._unused)
        return Peer(self.folder / f"peer-{number}", self.hub.identity(number), protocol, self.hub.environment())

    def __enter__(self) -> Self:
        self._stack.enter_context(self.hub)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Peer:
    """The published client with one identity and its own key folder; see `scripts.benches.peer`."""

    def __init__(self, folder: Path, identity: Path, protocol: str, environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        self._identity = identity
        self._protocol = protocol
        self._environment = {**environment, "XDG_CONFIG_HOME": str(folder), "PYTHONUNBUFFERED": "1"}

    def start(self, role: str = "agent") -> Watched:
        """As "agent" or as "client"."""
        program = ROOT / "scripts" / "benches" / "peer.py"
        return Watched([sys.executable, str(program), role, str(self._identity), self._protocol], self._environment)


def unit_environment() -> dict[str, str]:
    """What the shipped unit sets, with mock pins in the place of a Pi's, and this tree to run."""
    settings = dict(re.findall(r"^Environment=(\w+)=(\S*)$", _UNIT.read_text(), re.MULTILINE))
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**settings, "GPIOZERO_PIN_FACTORY": "mock", "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
