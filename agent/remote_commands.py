"""What an operator may have the device do from the hub: a short list, off unless the configuration turns it on.

The link lets nobody speak but the pinned hub, and nothing here runs text from the network: a command is one of five
words, and a value one that `agent.toml` could have. It is on the disk before it is carried out, so that one which ends
the agent is answered by the agent that follows, and so that one delivered twice is carried out once. Both messages are
events without a request id; `id` is the operator's own.

    thalovant.client.command           {"id": "c-17", "command": "restart" | "reload" | "identify"}
                                       {"id": "c-18", "command": "volume", "value": 70}
                                       {"id": "c-19", "command": "quiet", "value": ["22:00-06:00"]}
    thalovant.client.command.response  {"id": "c-17", "command": "restart", "ok": true, "error": ""}

`volume`, in percent, and `quiet`, hours in which nothing beeps or speaks, go before what the configuration says, also
after a restart, until they are given with null.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.hub.errors import ThalovantError
from agent.hub.files import replace_file
from agent.quiet_hours import Span
from agent.speech_config import LOUDEST
from hardware.facts import DeviceError

log = logging.getLogger(__name__)

EVENT_COMMAND = "thalovant.client.command"
EVENT_RESPONSE = "thalovant.client.command.response"

FILE = "command.json"
_LONGEST_ID = 64  # characters
_REMEMBERED = 32  # ids; a hub repeats a command at once or not at all
_MOST_SPANS = 16


class RemoteCommands:
    """Takes commands and answers them. The core's thread owns it."""

    def __init__(
        self,
        folder: Path,
        *,
        restart: Callable[[], None],
        reload: Callable[[], None],
        identify: Callable[[], None],
        volume: Callable[[float | None], None],
        quiet: Callable[[list[str] | None], None],
        send: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        """`restart` and `reload` end the agent soon, and another one follows.

        `volume` and `quiet` change it until they are told None. A refused order raises ThalovantError or DeviceError.
        """
        self._path = folder / FILE
        self._orders = {"restart": restart, "reload": reload, "identify": identify}
        self._ending = frozenset({"restart", "reload"})
        self._setters: dict[str, Callable[[Any], None]] = {"volume": volume, "quiet": quiet}
        self._send = send
        self._known = _read(self._path)

    @property
    def settings(self) -> dict[str, Any]:
        """What the hub has set, by command; empty when nothing."""
        kept = self._known.get("settings")
        kept = kept if isinstance(kept, Mapping) else {}
        return {
            name: kept[name] for name in self._setters if kept.get(name) is not None and not _wrong(name, kept[name])
        }

    def restore(self) -> None:
        """Set again what the hub set before this start."""
        for name, value in self.settings.items():
            try:
                self._setters[name](value)
            except (ThalovantError, DeviceError) as problem:  # the configuration was changed since
                log.warning("a setting of the hub's has no effect", extra={"setting": name, "reason": str(problem)})

    def link_up(self) -> None:
        """Answer what an agent before this one carried out at its end."""
        owed = self._known.get("owed")
        if isinstance(owed, Mapping):
            self._known["owed"] = None
            self._keep()
            self._send(EVENT_RESPONSE, {**owed, "ok": True, "error": ""})

    def take(self, data: Mapping[str, Any]) -> None:
        """Carry one command out, unless it was before. Raises nothing for what a hub can send."""
        number, command, value = data.get("id"), data.get("command"), data.get("value")
        if not isinstance(number, str) or not 0 < len(number) <= _LONGEST_ID:
            log.warning("a command without an id was ignored")
            return
        name = command if isinstance(command, str) and command in (*self._orders, *self._setters) else ""
        told = {"id": number, "command": name}
        if not name:
            self._refuse(told, f"there is no such command; there are {', '.join((*self._orders, *self._setters))}")
            return
        if number in self._done():
            return
        if name in self._setters and value is not None and (problem := _wrong(name, value)):
            self._refuse(told, problem)
            return
        before = self._known
        self._known = {
            "done": [*self._done(), number][-_REMEMBERED:],
            "owed": told if name in self._ending else None,
            "settings": {**self.settings, name: value} if name in self._setters else self.settings,
        }
        if not self._keep():
            self._known = before
            self._refuse(told, "the disk does not take it")
            return
        log.info("a command of the hub is carried out", extra={"command": name, "command_id": number})
        try:
            if name in self._setters:
                self._setters[name](value)
            else:
                self._orders[name]()
        except (ThalovantError, DeviceError) as refused:
            self._known |= {"owed": None, "settings": before.get("settings")}
            self._keep()
            self._refuse(told, str(refused))
            return
        if name not in self._ending:
            self._send(EVENT_RESPONSE, {**told, "ok": True, "error": ""})

    def _refuse(self, told: Mapping[str, str], error: str) -> None:
        self._send(EVENT_RESPONSE, {**told, "ok": False, "error": error})

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


def _wrong(name: str, value: Any) -> str:
    """What is wrong with the value of a setting; empty when nothing is."""
    if name == "volume":
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LOUDEST
        return "" if fits else f"a volume is a number of percent from 0 to {LOUDEST:g}, or null"
    fits = isinstance(value, list) and len(value) <= _MOST_SPANS
    fits = fits and all(isinstance(span, str) and Span().problem(span) is None for span in value)
    return "" if fits else f'quiet hours are a list of at most {_MOST_SPANS} times such as "22:00-06:00", or null'


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
