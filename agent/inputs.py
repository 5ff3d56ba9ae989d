"""From a fact at a pin or a port to the parcel the hub is to get: the mapping of `agent.toml`, and what counts as one
scan.

Pure: the time comes with the fact, ids and stamps are passed in.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.config import Config, ScannerConfig
from agent.events import Requested
from agent.hub import messages
from agent.hub.messages import BusMessage
from agent.parcel import Parcel
from agent.stamps import StampSource
from hardware.facts import ButtonPressed, CodeScanned

_OWN_SESSION = "device"
"""The session name that stands for the device's own: the one its link announced to the hub."""


class Inputs:
    """The device's inputs as `agent.toml` maps them."""

    def __init__(
        self, config: Config, stamps: StampSource, new_request_id: Callable[[], str] = messages.new_request_id
    ) -> None:
        self._device = config.device
        self._outbox = config.outbox
        self._scanners = {scanner.name: scanner for scanner in config.scanners}
        self._buttons = {button.name: button for button in config.buttons}
        self._stamps = stamps
        self._new_request_id = new_request_id
        self._last_read: dict[str, tuple[bytes, float]] = {}

    def scan(self, fact: CodeScanned) -> Parcel | None:
        """The parcel for a scan, or None for the same code held before the scanner for too long."""
        scanner = self._scanners[fact.scanner]
        if self._repeated(scanner, fact):
            return None
        request_id = self._new_request_id()
        message = messages.code(
            fact.value,
            kind=scanner.kind,
            label=scanner.label or None,
            lang=self._language(scanner.language),
            session_id=self._session(scanner.session),
            request_id=request_id,
            raw=fact.raw,
        )
        return self._parcel("code", message, request_id, scanner.name)

    def press(self, fact: ButtonPressed) -> Parcel:
        """The parcel for a press."""
        button = self._buttons[fact.button]
        request_id = self._new_request_id()
        message = messages.action(
            button.payload,
            title=button.title or None,
            lang=self._language(button.language),
            session_id=self._session(button.session),
            request_id=request_id,
        )
        return self._parcel("action", message, request_id, button.name, replay=button.replay)

    def request(self, wish: Requested) -> Parcel:
        """The parcel for what somebody asked for at the command line. Raises ValueError for an empty text."""
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
        return self._parcel(wish.kind, message, request_id, "request")

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
        return None if session == _OWN_SESSION else session


def title(parcel: Parcel) -> str:
    """How the display calls the input that made the parcel: the button's title, or the code or text as it was read."""
    given = parcel.message.context.get("input")
    if isinstance(given, dict):
        return str(given.get("title") or given.get("value") or given.get("payload") or "").strip()
    return str((parcel.message.data.get("utterances") or [""])[0])
