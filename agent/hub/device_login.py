"""Signing in a machine that has no browser: it shows a short code, and a person approves it on a phone.

RFC 8628, as the wire reference tells it in control-plane.md section 3. Here is what the answers mean; who sends the
requests is passed in, and so are clock and sleep.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from agent.hub.api_problems import error_word, fields_of
from agent.hub.errors import (
    ThalovantAPIError,
    ThalovantAPIUnreachableError,
    ThalovantAuthError,
    ThalovantTimeoutError,
)
from agent.hub.sign_in import ApiToken
from agent.record import field, record

DEFAULT_LIMIT = 900.0
"""Seconds a person has to approve, and the life of a code whose answer names none."""

_DEFAULT_INTERVAL = 5.0
_SLOW_DOWN = 5.0  # seconds that one slow_down adds for good (RFC 8628, section 3.5)
_STEADY = 500  # from here on an error is the server's, and passes


class ThalovantDeviceLoginExpiredError(ThalovantAuthError):
    """Nobody approved the code in time: begin again."""


class ThalovantDeviceLoginDeniedError(ThalovantAuthError):
    """The person said no."""


@record(frozen=False, kw_only=True)
class DeviceLogin:
    """A sign-in under way. Show `user_code` and `verification_uri`, then poll every `interval` seconds."""

    device_code: str = field(repr=False)
    user_code: str = ""
    verification_uri: str = ""
    verification_uri_complete: str | None = None
    """The same address with the code in it, for a QR code; None when the API gave none."""
    expires_in: float = DEFAULT_LIMIT
    """Seconds the code lives, from the answer on."""
    interval: float = _DEFAULT_INTERVAL
    """Seconds to wait before each poll. It grows when the API asks to slow down, and never shrinks."""

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> DeviceLogin:
        """Read the API's answer. Raises ThalovantAPIError when something is missing, or is nothing to show a person."""
        texts = {name: answer.get(name) for name in ("device_code", "user_code", "verification_uri")}
        missing = [name for name, text in texts.items() if not isinstance(text, str) or not text.strip()]
        if missing:
            raise ThalovantAPIError(f"the Thalovant API began a device sign-in without {', '.join(missing)}")
        complete = answer.get("verification_uri_complete")
        for url in (texts["verification_uri"], complete):
            if url is not None and not is_showable(url):
                raise ThalovantAPIError("the Thalovant API began a device sign-in with an address that is not a page's")
        return cls(
            device_code=str(texts["device_code"]),
            user_code=str(texts["user_code"]),
            verification_uri=str(texts["verification_uri"]),
            verification_uri_complete=complete,
            expires_in=_seconds(answer.get("expires_in"), DEFAULT_LIMIT),
            interval=_seconds(answer.get("interval"), _DEFAULT_INTERVAL),
        )


@record(kw_only=True)
class DeviceRequest:
    """What a device asks for, as its approver sees it before saying yes."""

    scopes: tuple[str, ...] = ()
    client_name: str | None = None
    client_id: str | None = None
    client_verified: bool = False
    """True when the platform itself knows the app by `client_id`, and `client_name` is the platform's name for it."""
    device_name: str | None = None
    expires_at: str | None = None

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> DeviceRequest:
        """Read the API's answer; what is missing in it is None, and not verified."""
        scopes = answer.get("scopes")
        client_id = _text(answer.get("client_id"))
        return cls(
            scopes=tuple(map(str, scopes)) if isinstance(scopes, list) else (),
            client_name=_text(answer.get("client_name")),
            client_id=client_id,
            client_verified=answer.get("client_verified") is True and client_id is not None,
            device_name=_text(answer.get("device_name")),
            expires_at=_text(answer.get("expires_at")),
        )


def begin_request(scopes: Sequence[str], client_name: str | None, client_id: str | None) -> dict[str, Any]:
    """The body that begins a sign-in. Without scopes the member is left out: the API refuses an empty list."""
    body = {"scopes": list(scopes), "client_name": client_name, "client_id": client_id}
    return {name: value for name, value in body.items() if value}


def read_refusal(login: DeviceLogin, error: ThalovantAPIError) -> None:
    """Take in the refusal of one poll: returns while the person is still awaited, with `login.interval` adjusted.

    Raises ThalovantDeviceLoginExpiredError or ThalovantDeviceLoginDeniedError when the sign-in is over, and `error`
    itself when it is neither.
    """
    word = error_word(error) if error.status_code == 400 else None
    if word == "slow_down":
        login.interval += _SLOW_DOWN
    if word == "expired_token":
        raise ThalovantDeviceLoginExpiredError(
            "the sign-in code has expired; begin again", **fields_of(error)
        ) from None
    if word == "access_denied":
        raise ThalovantDeviceLoginDeniedError(
            "the sign-in was refused by the person asked", **fields_of(error)
        ) from None
    if word not in ("slow_down", "authorization_pending"):
        raise error


def await_approval(
    login: DeviceLogin,
    poll: Callable[[DeviceLogin], ApiToken | None],
    *,
    timeout: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> ApiToken:
    """Poll until the person has approved `login`, and return the token.

    Waits `timeout` seconds at most, and no longer than the code lives. A network that comes and goes, a server with
    an error of its own and a rate limit are waited out: somebody may be typing the code at that moment. Raises
    ThalovantTimeoutError, and what `poll` raises.
    """
    deadline = clock() + min(timeout, login.expires_in)
    pause = login.interval
    while clock() + pause <= deadline:
        sleep(pause)
        pause = login.interval
        try:
            token = poll(login)
        except ThalovantAPIUnreachableError:
            pause = 2 * login.interval  # "clients MUST unilaterally reduce their polling frequency", section 3.5
        except ThalovantAPIError as error:
            if error.status_code != 429 and (error.status_code or 0) < _STEADY:
                raise
            pause = max(login.interval, error.retry_after_seconds or 0.0)
        else:
            if token is not None:
                return token
            pause = login.interval
    raise ThalovantTimeoutError("nobody approved the sign-in in time; begin again")


def is_showable(url: Any) -> bool:
    """True for the address of a page that can be shown to a person: http(s), a host, and nothing hidden in it."""
    if not isinstance(url, str) or any(letter.isspace() or not letter.isprintable() for letter in url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _seconds(value: Any, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 < value < float("inf") else default


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
