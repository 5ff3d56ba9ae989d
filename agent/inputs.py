"""From a fact at a pin or a port to the parcel the hub is to get: the mapping of `agent.toml`, and what counts as one
scan.

A code's message says beside it what the scanner knew of it, in keys of the context that are this device's own:
`input_symbology`, `{"name": "gs1-128", "aim": "]C1"}`, and `input_gs1`, `{"01": "09506000134352", "10": "LOT7"}`.

Pure: the time comes with the fact, ids and stamps are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.config import Config, ScannerConfig
from agent.events import Requested
from agent.hub import messages
from agent.hub.messages import BusMessage
from agent.parcel import Parcel
from agent.record import record
from agent.stamps import StampSource
from agent.visits import VISIT
from hardware.facts import ButtonPressed, CodeScanned, Gesture
from hardware.routing import Route, Routes

_OWN_SESSION = "device"
"""The session name that stands for the device's own: the one its link announced to the hub."""


@record(kw_only=True)
class _Action:
    """What a gesture sends."""

    payload: str
    title: str = ""
    language: str = ""
    session: str = ""
    replay: bool = False


class Inputs:
    """The device's inputs as `agent.toml` maps them."""

    def __init__(
        self, config: Config, stamps: StampSource, new_request_id: Callable[[], str] = messages.new_request_id
    ) -> None:
        self._device = config.device
        self._outbox = config.outbox
        self._scanners = {scanner.name: scanner for scanner in config.scanners}
        self._routes = Routes(config.rules)
        self._actions = _actions(config)
        self._stamps = stamps
        self._new_request_id = new_request_id
        self._last_read: dict[str, tuple[bytes, float]] = {}

    def scan(self, fact: CodeScanned) -> Parcel | None:
        """The parcel for a scan, or None for the same code held before the scanner for too long.

        Raises ValueError for a code of which nothing is left to send.
        """
        scanner = self._scanners[fact.scanner]
        if self._repeated(scanner, fact):
            return None
        route = self._routes.route(fact) or Route()
        request_id = self._new_request_id()
        language, session_id = self._language(scanner.language), self._session(route.session or scanner.session)
        context = _known_of(fact)
        if route.action:
            message = messages.action(
                route.action,
                title=route.label or scanner.label or None,
                lang=language,
                session_id=session_id,
                request_id=request_id,
                context=context,
            )
            return self._parcel("action", message, request_id, scanner.name)
        message = messages.code(
            route.value if route.value.strip() else fact.value,
            kind=route.kind or scanner.kind,
            label=route.label or scanner.label or None,
            lang=language,
            session_id=session_id,
            request_id=request_id,
            context=context,
            raw=fact.raw,
        )
        return self._parcel("code", message, request_id, scanner.name)

    def forget(self, parcel: Parcel) -> None:
        """The parcel was not accepted: when its code is read once more, that is no repeat."""
        self._last_read.pop(parcel.origin, None)

    def press(self, fact: ButtonPressed) -> Parcel | None:
        """The parcel for a gesture; None for one that sends nothing, as of a button that has a scanner read."""
        action = self._actions.get((fact.button, fact.gesture))
        if action is None:
            return None
        request_id = self._new_request_id()
        message = messages.action(
            action.payload,
            title=action.title or None,
            lang=self._language(action.language),
            session_id=self._session(action.session),
            request_id=request_id,
        )
        return self._parcel("action", message, request_id, fact.button, replay=action.replay)

    def request(self, wish: Requested) -> Parcel:
        """The parcel for a request. Raises ValueError for an empty text."""
        request_id = self._new_request_id()
        language = wish.language or self._device.language
        session_id = wish.session_id or self._session("")
        match wish.kind:
            case "code":
                message = messages.code(
                    wish.text,
                    kind=wish.code_kind,
                    label=wish.label,
                    lang=language,
                    session_id=session_id,
                    request_id=request_id,
                )
            case "action":
                message = messages.action(
                    wish.text, title=wish.label, lang=language, session_id=session_id, request_id=request_id
                )
            case _:
                message = messages.utterance(wish.text, lang=language, session_id=session_id, request_id=request_id)
        return self._parcel(wish.kind, message, request_id, wish.origin)

    def _repeated(self, scanner: ScannerConfig, fact: CodeScanned) -> bool:
        """Whether this is the last code still held before the scanner; each read of it prolongs the hold."""
        last = self._last_read.get(scanner.name)
        self._last_read[scanner.name] = (fact.raw, fact.at)
        return last is not None and last[0] == fact.raw and fact.at - last[1] < scanner.repeat_seconds

    def _parcel(self, kind: str, message: BusMessage, request_id: str, origin: str, *, replay: bool = False) -> Parcel:
        code = kind == "code"
        return Parcel(
            request_id=request_id,
            kind=kind,
            message=message,
            origin=origin,
            replay=code or replay,
            lifetime=self._outbox.expires_hours * 3600 if code else self._outbox.action_expires_seconds,
            made=self._stamps(),
        )

    def _language(self, own: str) -> str:
        return own or self._device.language

    def _session(self, own: str) -> str | None:
        session = own or self._device.session
        return None if session in (_OWN_SESSION, VISIT) else session


def _actions(config: Config) -> Mapping[tuple[str, Gesture], _Action]:
    """What each gesture of each button, chord and knob sends."""
    actions: dict[tuple[str, Gesture], _Action] = {}
    for button in config.buttons:
        for gesture, payload in button.actions.items():
            actions[button.name, gesture] = _Action(
                payload=payload,
                title=button.title if gesture == "press" else "",
                language=button.language,
                session=button.session,
                replay=button.replay,
            )
    for chord in config.chords:
        actions[chord.name, "chord"] = _Action(payload=chord.payload)
    for knob in config.knobs:
        actions[knob.name, "clockwise"] = _Action(payload=knob.clockwise)
        actions[knob.name, "counterclockwise"] = _Action(payload=knob.counterclockwise)
    return actions


def _known_of(fact: CodeScanned) -> dict[str, Any]:
    """What the scanner knew of a code, for the context of its message."""
    context: dict[str, Any] = {}
    if fact.symbology:
        context["input_symbology"] = {"name": fact.symbology, "aim": fact.aim}
    if fact.elements:
        elements: dict[str, str] = {}
        for element in fact.elements:
            elements.setdefault(element.ai, element.value)  # of two alike the first holds, as in the rules
        context["input_gs1"] = elements
    return context


def title(parcel: Parcel) -> str:
    """How the display calls the input that made the parcel: the button's title, or the code or text as it was read."""
    given = parcel.message.context.get("input")
    if isinstance(given, dict):
        return str(given.get("title") or given.get("value") or given.get("payload") or "").strip()
    return str((parcel.message.data.get("utterances") or [""])[0])
