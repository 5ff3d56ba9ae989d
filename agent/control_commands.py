"""What the control socket can be asked for.

    {"command": "status"}
    {"command": "send-code", "text": "INV-1", "kind": "code", "label": "", "language": "", "session": "", "wait": 12}
    {"command": "send-action", "text": "/help", "title": "", "language": "", "session": "", "wait": 12}
    {"command": "ask", "text": "what time is it", "language": "", "session": "", "wait": 12}
    {"command": "outbox", "action": "list" | "retry" | "drop", "request_id": "..." | "all"}
    {"command": "reload"}
    {"command": "pin", "pin": 17, "level": "low" | "high"}

Every answer has `ok`, and where that is false `error`, one sentence. Whatever is about the core is put into its inbox
and answered by it; nothing here waits.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from agent.config import ConfigError
from agent.control_socket import Reply
from agent.events import Event, Requested, Tick
from agent.settings import nearest
from agent.tasks import Task
from hardware.facts import DeviceError

WAIT_SECONDS = 12.0
"""How long an outcome is waited for when the request does not say."""
ALL = "all"
"""In the place of a request id: every dead letter."""
LONGEST_WAIT = 600.0
"""The socket itself gives up after 660 s."""
_LONGEST_TEXT = 32_768  # characters
_KINDS = {"send-code": "code", "send-action": "action", "ask": "utterance"}
_COMMANDS = ("status", *_KINDS, "outbox", "reload", "pin")


class _RefusedError(ValueError):
    """The request makes no sense; the text says why."""


class Letters(Protocol):
    """What can be done with dead letters. The core's thread does it."""

    def list(self) -> dict[str, Any]: ...
    def retry(self, request_id: str, now: float) -> dict[str, Any]: ...
    def drop(self, request_id: str) -> dict[str, Any]: ...


class ControlCommands:
    """Reads requests and hands them on. `handle` is called on the socket's thread, `answer` on the core's."""

    def __init__(
        self,
        put: Callable[[Event | Task], bool],
        *,
        status: Callable[[float], Mapping[str, Any]],
        letters: Letters,
        drive: Callable[[int, str], None],
        reload: Callable[[], None] = lambda: None,
    ) -> None:
        """`put` says whether the inbox took it; `status` is called on the core's thread, `drive` and
        `reload`, which may raise ConfigError, on the socket's."""
        self._put = put
        self._status = status
        self._letters = letters
        self._drive = drive
        self._reload = reload
        self._guard = threading.Lock()
        self._tickets = itertools.count(1)
        self._waiting: dict[str, Reply] = {}

    def handle(self, request: Mapping[str, Any], reply: Reply) -> None:
        """Answer the request now or later. Raises nothing for what a request can hold."""
        try:
            command = request.get("command")
            match command:
                case "status":
                    self._on_core(reply, lambda now: {"ok": True, **self._status(now)})
                case "send-code" | "send-action" | "ask":
                    self._request(_KINDS[command], request, reply)
                case "outbox":
                    self._outbox(request, reply)
                case "reload":
                    self._reload()
                    reply({"ok": True})
                case "pin":
                    self._pin(request, reply)
                case str():
                    raise _RefusedError(f'there is no command "{command[:40]}"; {nearest(command, _COMMANDS)}')
                case _:
                    raise _RefusedError(f"a request names its command: {', '.join(_COMMANDS)}")
        except (_RefusedError, DeviceError, ConfigError) as error:
            reply({"ok": False, "error": str(error)})

    def answer(self, ticket: str, answer: Mapping[str, Any]) -> None:
        """Answer the request that got this ticket. Nobody waits for a ticket that was answered."""
        with self._guard:
            reply = self._waiting.pop(ticket, None)
        if reply is not None:
            reply(answer)

    def _request(self, kind: str, request: Mapping[str, Any], reply: Reply) -> None:
        wish = Requested(
            ticket=str(next(self._tickets)),
            kind=kind,
            text=_text(request, "text"),
            label=_word(request, "title" if kind == "action" else "label") or None,
            code_kind=_word(request, "kind") or "code",
            language=_word(request, "language") or None,
            session_id=_word(request, "session") or None,
            wait_seconds=_seconds(request),
        )
        with self._guard:
            self._waiting[wish.ticket] = reply
        if not self._put(wish):
            self.answer(wish.ticket, _BUSY)

    def _outbox(self, request: Mapping[str, Any], reply: Reply) -> None:
        action = request.get("action", "list")
        if action == "list":
            self._on_core(reply, lambda _: self._letters.list())
            return
        request_id = _word(request, "request_id")
        if action not in {"retry", "drop"}:
            raise _RefusedError('an outbox can be asked to "list", "retry" or "drop"')
        if not request_id:
            raise _RefusedError(f'name the request_id to {action}, or "{ALL}"')
        if action == "drop":
            self._on_core(reply, lambda _: self._letters.drop(request_id))
            return
        self._on_core(reply, lambda now: self._letters.retry(request_id, now))
        self._put(Tick())  # so that they go out now

    def _pin(self, request: Mapping[str, Any], reply: Reply) -> None:
        pin, level = request.get("pin"), request.get("level")
        if not isinstance(pin, int) or isinstance(pin, bool) or level not in {"low", "high"}:
            raise _RefusedError('a pin is driven with its GPIO number and the level "low" or "high"')
        self._drive(pin, level)
        reply({"ok": True})

    def _on_core(self, reply: Reply, do: Callable[[float], Mapping[str, Any]]) -> None:
        def run(now: float) -> None:
            answer: Mapping[str, Any] = _BROKEN
            try:
                answer = do(now)
            finally:
                reply(answer)

        if not self._put(Task(run)):
            reply(_BUSY)


_BUSY: Mapping[str, Any] = {"ok": False, "error": "the agent has too much to do; try again"}
_BROKEN: Mapping[str, Any] = {"ok": False, "error": "the agent failed at this request; its journal says how"}


def _word(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if value is not None and not isinstance(value, str):
        raise _RefusedError(f"{name} must be a text")
    return (value or "").strip()


def _text(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _RefusedError(f"{name} must be a text that is not empty")
    if len(value) > _LONGEST_TEXT:
        raise _RefusedError(f"{name} may have {_LONGEST_TEXT} characters")
    return value


def _seconds(request: Mapping[str, Any]) -> float:
    value = request.get("wait", WAIT_SECONDS)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LONGEST_WAIT:
        raise _RefusedError(f"wait must be a number of seconds from 0 to {LONGEST_WAIT:g}")
    return float(value)
