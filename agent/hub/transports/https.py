"""The hub over plain HTTPS requests, polled: for networks that let nothing else through.

Wire reference, transports.md section 2. Draining the hub's queues is destructive, so an answer that is lost on the way
loses frames and thereby the session; and what its listener answers when it holds no session is read here as the
listener says it, not as its documentation does.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import time
from collections import deque
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from agent.hub.protocol.causes import Cause
from agent.hub.transports.base import wait_for
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.faults import cause_of, is_portal
from agent.hub.transports.quiet import hide_queries
from agent.hub.transports.trust import authorities

if TYPE_CHECKING:
    import requests

_REQUEST_SECONDS = 8.0
_POLL_QUICK = 0.1
_POLL_IDLE = 1.0
_QUICK_FOR = 5.0
"""Seconds after traffic in which an answer is likely."""
_TEXT_EVERY = 5.0
_GONE = ("not connected", "no noise session")
_REPLICA = "hivemind_http_replica"
"""The one cookie that goes back: it leads to the listener that holds the session."""


class HttpsTransport:
    """One session of the hub's HTTP listener."""

    protocol = "https"
    speaks_first = False

    def __init__(
        self, base: str, access_key: str, *, user_agent: str, affinity: MutableMapping[str, str] | None = None
    ) -> None:
        """`affinity` outlives this connection: what leads the next one to the same listener, which may still hold a
        session of this key, and has to be told that it is over."""
        self._affinity = {} if affinity is None else affinity
        self._base = base.rstrip("/")
        self._access_key = access_key
        token = base64.b64encode(f"{user_agent}:{access_key}".encode()).decode()
        self._query = {"authorization": token}
        self._user_agent = user_agent
        self._session: requests.Session | None = None
        self._frames: deque[str | bytes] = deque()
        self._connected = False
        self._sealed = False
        self._next_poll = 0.0
        self._next_text = 0.0
        self._quick_until = 0.0

    def open(self, timeout: float) -> None:
        import requests

        hide_queries()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = self._user_agent
        # What the environment says is asked once: requests would ask at every poll, and look into ~/.netrc for a
        # password to send along.
        self._session.trust_env = False
        self._session.proxies.update(requests.utils.get_environ_proxies(self._base))
        if (path := authorities()) is not None:
            self._session.verify = path
        # A hub that still holds the connection of a crashed client answers 200 and says no HELLO.
        self._ask("POST", "disconnect", timeout=timeout, tolerant=True)
        self._ask("POST", "connect", timeout=timeout)
        self._connected = True
        self._hasten()

    def receive(self, timeout: float, wake: int = -1) -> str | bytes | None:
        deadline = time.monotonic() + timeout
        while not self._frames:
            now = time.monotonic()
            if now < self._next_poll:
                until = min(self._next_poll, deadline)
                if self._woken(until - now, wake) or time.monotonic() >= deadline:
                    break
                continue
            self._poll()
            if time.monotonic() >= deadline:
                break
        return self._frames.popleft() if self._frames else None

    def send(self, frame: str | bytes, timeout: float = 8.0) -> None:
        if isinstance(frame, str):
            form = {"message": frame}
        else:
            self._sealed = True
            form = {"message": base64.b64encode(frame).decode(), "binary": "1"}
        self._ask("POST", "send_message", form=form, timeout=timeout)
        self._hasten()

    def announce(self) -> None:
        """HTTPS has no word for it."""

    def close(self, timeout: float = 2.0) -> None:
        if self._session is not None and self._connected:
            self._connected = False
            with contextlib.suppress(CarrierFailed, CarrierClosed):
                self._ask("POST", "disconnect", timeout=timeout, tolerant=True)
        self.abandon()

    def abandon(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # -- how it is done

    def _poll(self) -> None:
        sealed = self._drain("get_binary_messages", "b64_messages")
        # The text queue carries the negotiation alone. Asked second and read first: nothing sealed overtakes it. Later
        # there is only a HELLO in it, when the session has become another's.
        texts: list[str] = []
        if not self._sealed or time.monotonic() >= self._next_text:
            self._next_text = time.monotonic() + _TEXT_EVERY
            texts = self._drain("get_messages", "messages")
        self._frames += [*texts, *map(_unpacked, sealed)]
        if self._frames:
            self._hasten()
        now = time.monotonic()
        self._next_poll = now + (_POLL_QUICK if now < self._quick_until else _POLL_IDLE)

    def _drain(self, path: str, member: str) -> list[str]:
        items = self._ask("GET", path).get(member)
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise CarrierFailed(Cause.PROTOCOL, "the hub sent something that is no list of frames")
        return items

    def _hasten(self) -> None:
        now = time.monotonic()
        self._quick_until = now + _QUICK_FOR
        self._next_poll = min(self._next_poll, now + _POLL_QUICK) if self._frames else now

    def _woken(self, seconds: float, wake: int) -> bool:
        if wake < 0:
            time.sleep(max(seconds, 0.0))
            return False
        return wait_for(wake, seconds)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        form: dict[str, str] | None = None,
        timeout: float = _REQUEST_SECONDS,
        tolerant: bool = False,
    ) -> dict[str, Any]:
        """One request. `tolerant`: whatever is answered will do."""
        if self._session is None:
            raise CarrierFailed(Cause.DROPPED, "the connection is closed")
        try:
            answer = self._session.request(
                method,
                f"{self._base}/{path}",
                params=self._query,
                data=form,
                timeout=(timeout, timeout),
                allow_redirects=False,
                headers={"Cookie": f"{_REPLICA}={replica}"} if (replica := self._affinity.get(self._base)) else None,
            )
            body = answer.content
            if replica := answer.cookies.get(_REPLICA):
                self._affinity[self._base] = replica
            self._session.cookies.clear()  # whatever else was set; ours goes as a header
        except Exception as error:  # noqa: BLE001 - requests raises its own and lets others through; their texts have the URL
            raise CarrierFailed(cause_of(error)) from None
        return {} if tolerant else self._read(answer, body)

    def _read(self, answer: requests.Response, body: bytes) -> dict[str, Any]:
        import json

        status = answer.status_code
        if is_portal(status, html="html" in answer.headers.get("Content-Type", "").lower()):
            raise CarrierFailed(Cause.CAPTIVE_PORTAL, f"{Cause.CAPTIVE_PORTAL.sentence} (HTTP {status})")
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        error = str(value.get("error") or "") if isinstance(value, dict) else ""
        error = error.replace(self._access_key, "<redacted>")
        if status in (401, 403):
            raise CarrierClosed(error, status=status, refused=True)
        if any(word in error.lower() for word in _GONE) or status == 409:
            raise CarrierClosed(error, status=status, gone=True)
        if status >= 500 or (status >= 400 and value is None):
            raise CarrierFailed(Cause.SERVER, f"{Cause.SERVER.sentence} (HTTP {status}{f': {error}' if error else ''})")
        if not isinstance(value, dict) or error or status != 200:
            raise CarrierFailed(Cause.PROTOCOL, f"the hub answers HTTP {status}{f': {error}' if error else ''}")
        return value


def _unpacked(item: str) -> bytes:
    try:
        return base64.b64decode(item, validate=True)
    except (binascii.Error, ValueError):
        raise CarrierFailed(Cause.PROTOCOL, "the hub sent a frame that is no base64") from None
