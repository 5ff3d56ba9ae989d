"""What an operator may have the device do from the hub: a short list, off unless the configuration turns it on.

The link lets nobody speak but the pinned hub, and nothing here runs text from the network: a command is one of three
words. It is on the disk before it is carried out, so that one which ends the agent is answered by the agent that
follows, and so that one delivered twice is carried out once. Both messages are events without a request id; `id` is
the operator's own.

    thalovant.client.command           {"id": "c-17", "command": "restart" | "reload" | "identify"}
    thalovant.client.command.response  {"id": "c-17", "command": "restart", "ok": true, "error": ""}
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.hub.errors import ThalovantError
from agent.hub.files import replace_file

log = logging.getLogger(__name__)

EVENT_COMMAND = "thalovant.client.command"
EVENT_RESPONSE = "thalovant.client.command.response"

FILE = "command.json"
_LONGEST_ID = 64  # characters
_REMEMBERED = 32  # ids; a hub repeats a command at once or not at all


class RemoteCommands:
    """Takes commands and answers them. The core's thread owns it."""

    def __init__(
        self,
        folder: Path,
        *,
        restart: Callable[[], None],
        reload: Callable[[], None],
        identify: Callable[[], None],
        send: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        """`restart` and `reload` end the agent soon, and another one follows; a refused one raises ThalovantError."""
        self._path = folder / FILE
        self._actions = {"restart": restart, "reload": reload, "identify": identify}
        self._ending = frozenset({"restart", "reload"})
        self._send = send
        self._known = _read(self._path)

    def link_up(self) -> None:
        """Answer what an agent before this one carried out at its end."""
        owed = self._known.get("owed")
        if isinstance(owed, Mapping):
            self._known["owed"] = None
            self._keep()
            self._send(EVENT_RESPONSE, {**owed, "ok": True, "error": ""})

    def take(self, data: Mapping[str, Any]) -> None:
        """Carry one command out, unless it was before. Raises nothing for what a hub can send."""
        number, command = data.get("id"), data.get("command")
        if not isinstance(number, str) or not 0 < len(number) <= _LONGEST_ID:
            log.warning("a command without an id was ignored")
            return
        name = command if isinstance(command, str) and command in self._actions else ""
        told = {"id": number, "command": name}
        if not name:
            error = f"there is no such command; there are {', '.join(self._actions)}"
            self._send(EVENT_RESPONSE, {**told, "ok": False, "error": error})
            return
        if number in self._done():
            return
        self._known = {"done": [*self._done(), number][-_REMEMBERED:], "owed": told if name in self._ending else None}
        if not self._keep():
            self._send(EVENT_RESPONSE, {**told, "ok": False, "error": "the disk does not take it"})
            return
        log.info("a command of the hub is carried out", extra={"command": name, "command_id": number})
        try:
            self._actions[name]()
        except ThalovantError as problem:
            self._known["owed"] = None
            self._keep()
            self._send(EVENT_RESPONSE, {**told, "ok": False, "error": str(problem)})
            return
        if name not in self._ending:
            self._send(EVENT_RESPONSE, {**told, "ok": True, "error": ""})

    def _done(self) -> list[str]:
        done = self._known.get("done")
        return [one for one in done if isinstance(one, str)] if isinstance(done, list) else []

    def _keep(self) -> bool:
        try:
            replace_file(self._path, json.dumps(self._known).encode())
        except OSError as error:
            log.warning("a command cannot be kept", extra={"reason": error.strerror or str(error)})
            return False
        return True


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
