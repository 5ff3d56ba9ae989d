"""The whole agent as a process of its own: `python -m agent run`, with mock pins where a Pi has real ones."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.control_socket import ControlError, ask_agent
from tests.peers.rig.children import Child

ROOT = Path(__file__).resolve().parents[2]
CONTROL_SOCKET = "control.sock"
_PRESS_SECONDS = 0.1  # three times the debounce


class AgentProcess(Child):
    """An agent in `folder`, which keeps its configuration, its display and its journal.

    The configuration should have `control.socket = "control.sock"` and a display with the target "-".
    """

    def __init__(self, folder: Path, config: str, *, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.config = folder / "agent.toml"
        self.config.write_text(config)
        self.display = folder / "display.log"
        """What stood on the display, each new line once."""
        self._own_starter = ThreadPoolExecutor(1, thread_name_prefix="agent-starter")
        super().__init__(
            [sys.executable, "-m", "agent", "run", "--config", str(self.config)],
            log=folder / "agent.log",
            output=self.display,
            starter=self._own_starter,
            environment={
                "GPIOZERO_PIN_FACTORY": "mock",
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
                **environment,
            },
        )

    def replay(self, recording: Path) -> None:
        """From the next start on, have a recording in place of the inputs."""
        self._argv += ["--replay", str(recording)]

    def ask(self, command: str, *, timeout: float = 5.0, **arguments: Any) -> dict[str, Any]:
        """The agent's answer to a request on its control socket. Raises ControlError."""
        return ask_agent(self.folder / CONTROL_SOCKET, {"command": command, **arguments}, timeout)

    def drive(self, pin: int, level: str) -> None:
        """Put a mock pin to "low" or "high", as the wire at a real one does."""
        answer = self.ask("pin", pin=pin, level=level)
        if not answer.get("ok"):
            raise ControlError(str(answer.get("error", answer)))

    def press(self, pin: int) -> None:
        """Press and release the button between `pin` and ground."""
        self.drive(pin, "low")
        time.sleep(_PRESS_SECONDS)
        self.drive(pin, "high")

    def shown(self) -> list[str]:
        """The lines that stood on the display so far."""
        return self.display.read_text(errors="replace").splitlines() if self.display.exists() else []

    def terminate(self, timeout: float = 5.0) -> int | None:
        """SIGTERM; its exit code, or None when it was still running after `timeout` seconds."""
        return self._signalled(signal.SIGTERM, timeout)

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._own_starter.shutdown()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serves(self) -> bool:
        with contextlib.suppress(ControlError):
            return bool(self.ask("status"))
        return False
