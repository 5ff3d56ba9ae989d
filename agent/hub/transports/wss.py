"""The hub over a WebSocket.

websocket-client frames and masks; the socket under it is ours to wait on, so that one thread can watch the hub and the
core's messages at once. Wire reference, transports.md section 1.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from agent.hub.protocol.causes import Cause
from agent.hub.transports.base import wait_for
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.faults import cause_of, is_portal
from agent.hub.transports.tcp import acknowledge_at_once, connect, proxy_for
from agent.hub.transports.trust import client_context

if TYPE_CHECKING:
    import websocket

_PING_SECONDS = 50.0
"""Less than the minute after which a proxy takes a silent connection for a dead one."""
_PONG_SECONDS = 10.0
_LARGEST = 10 << 20
"""Bytes of one incoming message: what the hub's own server takes."""
_NO_STATUS = 1005
_LAST_WORDS_SECONDS = 0.25
"""How long after a send that failed a close frame may still tell why; a code learnt later counts for nothing."""


class WssTransport:
    """One WebSocket connection."""

    protocol = "wss"
    speaks_first = False

    def __init__(
        self,
        url: str,
        access_key: str,
        *,
        user_agent: str,
        ping_seconds: float = _PING_SECONDS,
        pong_seconds: float = _PONG_SECONDS,
    ) -> None:
        """A ping leaves every `ping_seconds`; a far side silent for `pong_seconds` after one is gone."""
        self._url = with_authorization(url, user_agent, access_key)
        self._access_key = access_key
        self._user_agent = user_agent
        self._ping_seconds = ping_seconds
        self._pong_seconds = pong_seconds
        self._socket: websocket.WebSocket | None = None
        self._frames: deque[str | bytes] = deque()
        self._parts: bytearray = bytearray()
        self._opcode = 0
        self._next_ping = 0.0
        self._pong_due: float | None = None

    def open(self, timeout: float) -> None:
        import websocket

        deadline = time.monotonic() + timeout
        connection = websocket.WebSocket(enable_multithread=False)
        try:
            options = self._dial(timeout)
            connection.connect(  # type: ignore[no-untyped-call]
                self._url,
                timeout=max(deadline - time.monotonic(), 0.1),
                header=[f"User-Agent: {self._user_agent}"],
                suppress_origin=True,
                redirect_limit=0,
                **options,
            )
        except websocket.WebSocketBadStatusException as error:
            # Their text has the URL, and the URL has the access key: never chained.
            raise _not_upgraded(error.status_code, html=_is_html(error)) from None
        except CarrierFailed:
            raise
        except Exception as error:  # noqa: BLE001 - the library raises its own, ssl's, and plain ones
            if connection.handshake_response is not None:
                # A redirection: it follows none, and says so in words alone.
                raise _not_upgraded(connection.handshake_response.status) from None
            raise CarrierFailed(cause_of(error)) from None
        self._socket = connection
        if (status := connection.getstatus()) != 101:
            self.abandon()  # of some versions a redirection it does not follow is a success
            raise _not_upgraded(status or 0)
        self._next_ping = time.monotonic() + self._ping_seconds

    def _dial(self, timeout: float) -> dict[str, Any]:
        """What the library needs to reach the hub: a socket, since it gives up at the first address that is dead; or
        the proxy to ask for one."""
        parts = urlsplit(self._url)
        host, secure = parts.hostname or "", parts.scheme == "wss"
        context = client_context() if secure else None
        proxy = proxy_for(host) if secure else None
        if proxy is not None:
            login = (unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else None
            return {
                "http_proxy_host": proxy.hostname,
                "http_proxy_port": proxy.port or 80,
                "http_proxy_auth": login,
                "sslopt": {"context": context},
            }
        raw = connect(host, parts.port or (443 if secure else 80), timeout)
        try:
            return {"socket": raw if context is None else context.wrap_socket(raw, server_hostname=host)}
        except BaseException:
            raw.close()
            raise

    def receive(self, timeout: float, wake: int = -1) -> str | bytes | None:
        deadline = time.monotonic() + timeout
        while not self._frames:
            now = time.monotonic()
            self._heartbeat(now)
            ready = self._pending() or wait_for(self._raw().fileno(), min(deadline, self._next_beat()) - now, wake)
            if ready and self._read():
                continue
            if time.monotonic() >= deadline or (wake >= 0 and wait_for(wake, 0.0)):
                break
        return self._frames.popleft() if self._frames else None

    def send(self, frame: str | bytes, timeout: float = 8.0) -> None:
        import websocket

        opcode = websocket.ABNF.OPCODE_TEXT if isinstance(frame, str) else websocket.ABNF.OPCODE_BINARY
        self._write(frame, opcode, timeout)

    def announce(self) -> None:
        """A WebSocket has no word for it."""

    def close(self, timeout: float = 2.0) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(Exception):
                if connection.sock is not None:
                    connection.sock.settimeout(timeout)
                connection.close(status=1000, timeout=timeout)

    def abandon(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.shutdown()  # type: ignore[no-untyped-call]

    # -- how it is done

    def _open_socket(self) -> websocket.WebSocket:
        if self._socket is None:
            raise CarrierFailed(Cause.DROPPED, "the connection is closed")
        return self._socket

    def _raw(self) -> socket.socket:
        raw = self._open_socket().sock
        if raw is None:
            raise CarrierFailed(Cause.DROPPED, "the connection is closed")
        return raw

    def _pending(self) -> bool:
        """Whether TLS holds bytes that no poll can see."""
        pending = getattr(self._raw(), "pending", None)
        return bool(pending and pending())

    def _read(self) -> bool:
        """Take one frame off the socket without waiting; False when only a part of it is there, which is kept."""
        import websocket

        connection = self._open_socket()
        raw = self._raw()
        raw.settimeout(0.0)
        try:
            acknowledge_at_once(raw)
            frame = connection.recv_frame()  # type: ignore[no-untyped-call]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._check_size(connection.frame_buffer.length or 0)
            return False  # the library's buffer goes on where it stopped
        except websocket.WebSocketConnectionClosedException:
            self.abandon()
            raise CarrierClosed("the connection ended without a word", code=None) from None
        except websocket.WebSocketProtocolException as error:
            self.abandon()
            if "close opcode" in str(error):  # a code that is none, such as 0: as good as no code
                raise CarrierClosed(code=_NO_STATUS) from None
            raise CarrierFailed(Cause.PROTOCOL) from None
        except Exception as error:  # noqa: BLE001 - as in open
            self.abandon()
            raise CarrierFailed(cause_of(error)) from None
        self._take(frame)
        return True

    def _take(self, frame: Any) -> None:
        import websocket

        abnf = websocket.ABNF
        if frame.opcode == abnf.OPCODE_CLOSE:
            self._closed(frame.data)
        elif frame.opcode == abnf.OPCODE_PING:
            self._write(frame.data, abnf.OPCODE_PONG, 8.0)
        elif frame.opcode == abnf.OPCODE_PONG:
            self._pong_due = None
        else:
            if frame.opcode != abnf.OPCODE_CONT:
                self._opcode, self._parts = frame.opcode, bytearray()
            elif not self._opcode:
                self._broken("the hub went on with a message it had not begun")
            self._check_size(len(frame.data))
            self._parts += frame.data
            if frame.fin:
                whole, text = bytes(self._parts), self._opcode == abnf.OPCODE_TEXT
                self._opcode, self._parts = 0, bytearray()
                self._frames.append(self._text(whole) if text else whole)

    def _check_size(self, size: int) -> None:
        """The library has no limit of its own: look at what a frame claims before all of it is in memory."""
        if len(self._parts) + size > _LARGEST:
            self._broken("the hub sent a message that is too large")

    def _text(self, whole: bytes) -> str:
        try:
            return whole.decode()
        except UnicodeDecodeError:
            self._broken("the hub sent text that is none")

    def _broken(self, why: str) -> NoReturn:
        self.abandon()
        raise CarrierFailed(Cause.PROTOCOL, why)

    def _closed(self, payload: bytes) -> None:
        code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else _NO_STATUS
        reason = "".join(each for each in payload[2:].decode("utf-8", "replace") if each.isprintable())
        reason = reason.replace(self._access_key, "<redacted>")
        with contextlib.suppress(Exception):  # an answer is polite, and the last thing we say
            self._raw().settimeout(0.0)
            self._open_socket().send_close(code or 1000)
        self.abandon()
        raise CarrierClosed(reason, code=code or _NO_STATUS)

    def _write(self, data: str | bytes, opcode: int, timeout: float) -> None:
        connection = self._open_socket()
        try:
            self._raw().settimeout(timeout)
            connection.send(data, opcode)
        except Exception as error:  # noqa: BLE001 - as in open
            cause = cause_of(error)
        else:
            return
        if cause is Cause.DROPPED:
            self._read_last_words()
        self.abandon()  # half a frame may be out: nothing can follow it
        raise CarrierFailed(cause)

    def _read_last_words(self) -> None:
        """A far side that closed said why before: that is worth more than our broken pipe."""
        began = time.monotonic()
        try:
            while self._pending() or wait_for(self._raw().fileno(), began + _LAST_WORDS_SECONDS - time.monotonic()):
                self._read()
        except CarrierClosed as closed:
            closed.code_late_seconds = time.monotonic() - began
            raise
        except CarrierFailed:
            pass

    def _heartbeat(self, now: float) -> None:
        import websocket

        if self._pong_due is not None and now >= self._pong_due:
            # It may be there, and nobody has looked: whoever reads here may have been busy with something else.
            if self._pending() or wait_for(self._raw().fileno(), 0.0):
                return
            self.abandon()
            raise CarrierClosed("no pong came back", code=None)
        if now >= self._next_ping:
            self._next_ping = now + self._ping_seconds
            if self._pong_due is None:
                self._pong_due = now + self._pong_seconds
            self._write(b"", websocket.ABNF.OPCODE_PING, 8.0)

    def _next_beat(self) -> float:
        return self._next_ping if self._pong_due is None else min(self._next_ping, self._pong_due)


def with_authorization(url: str, user_agent: str, access_key: str) -> str:
    """`url` with the credentials in its query, in the place of any that were there, and without a fragment."""
    parts = urlsplit(url)
    items = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "authorization"]
    token = base64.b64encode(f"{user_agent}:{access_key}".encode()).decode()
    query = urlencode([*items, ("authorization", token)])
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def _not_upgraded(status: int, *, html: bool = False) -> CarrierFailed | CarrierClosed:
    """What an answer other than 101 means."""
    if status in (401, 403):
        return CarrierClosed(f"HTTP {status}", status=status, refused=True)
    cause = Cause.CAPTIVE_PORTAL if is_portal(status, html=html) else Cause.SERVER
    return CarrierFailed(cause, f"{cause.sentence} (HTTP {status})")


def _is_html(error: Any) -> bool:
    headers = getattr(error, "resp_headers", None) or {}
    return "html" in str(headers.get("content-type", "")).lower()
