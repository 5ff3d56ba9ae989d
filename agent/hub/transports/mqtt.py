"""The hub behind an MQTT broker.

paho-mqtt without its thread and without its reconnection: its loop functions are called here, when the socket says so.
A paho object that reconnects would send again what the hub has had already, which ends a Noise session; so one object
lives for one connection. Wire reference, transports.md section 3, "Advice".
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from agent.hub.previous import Previous
from agent.hub.protocol.causes import Cause
from agent.hub.transports.base import wait_for
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from agent.hub.transports.faults import cause_of
from agent.hub.transports.put_off import put_off
from agent.hub.transports.trust import client_context

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_KEEPALIVE = 60
_PAUSE = 1.0
"""Seconds between our `offline` and the HELLO behind it. A hub that held something drops it and says `offline` too, and
hears that itself, which would end whatever we began before."""
_QUIET = 0.5
"""Seconds that must have passed since the last `offline` of somebody else's: it may have been an older connection's
will, and the hub's own answer to that is still to come."""
_LONGEST_PAUSE = 3.0
_MOST_FRAMES = 4096
_LOOP_EVERY = 20.0
"""Between two looks of paho's at its keepalive: the broker's patience ends at one and a half of that."""
_REFUSED = frozenset({"Not authorized", "Bad user name or password", "Banned", "Client identifier not valid"})


class MqttTransport:
    """One connection to the broker, one conversation with the hub behind it."""

    protocol = "mqtt"
    speaks_first = True

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: bool,
        username: str,
        password: str,
        topic_base: str,
        qos: int,
        client_id: str,
        previous: Previous = Previous.LOST,
    ) -> None:
        """`previous` decides on the opening: whether the hub has to forget a session of this key first."""
        self._host = host
        self._port = port
        self._tls = tls
        self._username = username
        self._password = password
        self._in, self._out, self._status = (f"{topic_base}/{name}" for name in ("in", "out", "status"))
        self._qos = qos
        self._client_id = client_id
        self._previous = previous
        self._client: Client | None = None
        self._frames: deque[bytes] = deque()
        self._connack: Any = None
        self._subscribed: list[Any] = []
        self._acknowledged: set[int] = set()
        self._hears_status = False
        self._own_offlines = 0
        """Those of ours that the broker has not sent back yet."""
        self._foreign_offline = False
        self._said_online = False
        """The broker keeps an `online` of this key: somebody had a session and has not ended it."""
        self._opened = False
        self._ended: CarrierFailed | None = None

    def open(self, timeout: float) -> None:
        put_off("urllib.request")  # paho's way to a proxy, where PySocks is installed; 2 MiB with http and email
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        deadline = time.monotonic() + timeout
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.username_pw_set(self._username, self._password)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.connect_timeout = timeout
        client.max_inflight_messages_set(0)  # what is sent is the kernel's, not in a queue of paho's
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        # A message on any other topic, or on one that is no text, is nobody's.
        client.message_callback_add(self._out, self._on_frame)
        client.message_callback_add(self._status, self._on_status)
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._client = client
        try:
            if self._tls:
                client.tls_set_context(client_context())
            client.connect(self._host, self._port, keepalive=_KEEPALIVE)
            raw = client.socket()
            if isinstance(raw, socket.socket):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except CarrierFailed:
            self.abandon()
            raise
        except Exception as error:  # noqa: BLE001 - paho lets through whatever the socket and TLS raise
            self.abandon()
            raise CarrierFailed(cause_of(error)) from None
        self._until(lambda: self._connack is not None, deadline, "the broker does not answer")
        client.subscribe([(self._out, self._qos), (self._status, 1)])
        self._until(lambda: self._subscribed, deadline, "the broker does not answer")
        frames, status = self._subscribed  # MQTT 3.1.1: one code for each topic, in their order
        if frames.is_failure:
            self.abandon()
            raise CarrierFailed(Cause.BROKER_REFUSED, "the broker does not let this device hear its hub")
        self._hears_status = not status.is_failure
        if self._previous is not Previous.GOODBYE:
            self._make_forget()
        self._frames.clear()
        self._foreign_offline = False
        self._opened = True

    def receive(self, timeout: float, wake: int = -1) -> bytes | None:
        deadline = time.monotonic() + timeout
        while not self._frames:
            self._check()
            now = time.monotonic()
            if not self._turn(min(deadline - now, _LOOP_EVERY), wake) and (
                time.monotonic() >= deadline or self._woken(wake)
            ):
                break
        if self._frames:
            return self._frames.popleft()
        self._check()
        return None

    def send(self, frame: str | bytes, timeout: float = 8.0) -> None:
        self._check()
        client = self._paho()
        info = client.publish(self._in, frame, qos=self._qos)
        if info.rc != 0:
            self._fail("the broker's connection is gone")
        deadline = time.monotonic() + timeout
        while client.want_write():
            # Reading too: a broker that waits for us to read takes nothing.
            self._turn(deadline - time.monotonic())
            if client.want_write() and time.monotonic() >= deadline:
                self._fail("the broker takes nothing", Cause.NO_ANSWER)
        self._check()

    def announce(self) -> None:
        self._publish_status("online")

    def close(self, timeout: float = 2.0) -> None:
        client = self._client
        if client is None:
            return
        deadline = time.monotonic() + timeout
        with contextlib.suppress(CarrierFailed, CarrierClosed, OSError):
            if self._opened and self._ended is None:
                number = self._publish_status("offline")
                while number not in self._acknowledged and time.monotonic() < deadline:
                    self._turn(deadline - time.monotonic())
            client.disconnect()
            self._drain(deadline)
        self.abandon()

    def abandon(self) -> None:
        client, self._client = self._client, None
        raw = client.socket() if client is not None else None
        if raw is not None:
            with contextlib.suppress(OSError):
                raw.close()

    # -- serving the socket

    def _until(self, happened: Any, deadline: float, otherwise: str) -> None:
        while not happened():
            self._check()
            left = deadline - time.monotonic()
            if left <= 0:
                self.abandon()
                raise CarrierFailed(Cause.NO_ANSWER, otherwise)
            self._turn(left)

    def _make_forget(self) -> None:
        """Have the hub drop what it may hold for this key, and let its own word about that pass.

        Where this client id had no session, what the broker keeps of another one's tells whether there is anything to
        drop; it has come by the time that our own word is back. (A negotiation that another client broke off leaves no
        trace there: the hub's silence finds it.)
        """
        began = time.monotonic()
        self._publish_status("offline")
        until = began + _PAUSE
        while (left := until - time.monotonic()) > 0:
            self._check()
            self._turn(left)
            new = self._previous is Previous.NONE and self._hears_status and self._own_offlines == 0
            if new and not self._said_online and not self._foreign_offline:
                return
            if self._foreign_offline:
                self._foreign_offline = False
                until = min(max(until, time.monotonic() + _QUIET), began + _LONGEST_PAUSE)

    def _turn(self, timeout: float, wake: int = -1) -> bool:
        """Wait for the broker once and do what it wants; whether there was something to do."""
        client = self._paho()
        raw = client.socket()
        if raw is None:
            self._check()
            self._fail("the broker ended the connection")
        pending = isinstance(raw, ssl.SSLSocket) and raw.pending() > 0
        ready = pending or wait_for(self._descriptor(), timeout, wake, write=client.want_write())
        if ready:
            # As in wss: a broker holds its second small packet until the first is acknowledged, which takes 40 ms.
            if isinstance(raw, socket.socket):
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            self._check_code(client.loop_read())
            if client.want_write():
                self._check_code(client.loop_write())
        self._check_code(client.loop_misc())
        return ready

    def _drain(self, deadline: float) -> None:
        client = self._paho()
        while client.want_write() and client.socket() is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not wait_for(self._descriptor(), left, write=True):
                return
            client.loop_write()

    def _woken(self, wake: int) -> bool:
        return wake >= 0 and wait_for(wake, 0.0)

    def _paho(self) -> Client:
        if self._client is None:
            raise self._ended or CarrierFailed(Cause.DROPPED, "the connection is closed")
        return self._client

    def _descriptor(self) -> int:
        raw = self._paho().socket()
        if raw is None:
            self._fail("the broker ended the connection")
        return raw.fileno()

    def _check_code(self, code: int) -> None:
        if code != 0:
            self._check()
            self._fail("the broker ended the connection")

    def _check(self) -> None:
        if self._connack is not None and self._connack.is_failure:
            refused = str(self._connack) in _REFUSED
            self.abandon()
            cause = Cause.BROKER_REFUSED if refused else Cause.SERVER
            raise CarrierFailed(cause, f"{cause.sentence} ({self._connack})")
        if self._foreign_offline and self._opened:
            self.abandon()
            raise CarrierClosed("the hub dropped the session", gone=True)
        if self._ended is not None:
            self.abandon()
            raise self._ended

    def _fail(self, why: str, cause: Cause = Cause.DROPPED) -> NoReturn:
        self._ended = self._ended or CarrierFailed(cause, why)
        self.abandon()
        raise self._ended

    def _publish_status(self, word: str) -> int:
        client = self._paho()
        if word == "offline" and self._hears_status:
            self._own_offlines += 1
        info = client.publish(self._status, word, qos=1, retain=True)
        if client.want_write():
            self._check_code(client.loop_write())
        return info.mid

    # -- called by paho, on this thread, from its loop functions

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._connack = reason

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        self._subscribed = reasons

    def _on_frame(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if len(self._frames) < _MOST_FRAMES:
            self._frames.append(bytes(message.payload))
        else:
            self._ended = CarrierFailed(Cause.PROTOCOL, "the hub sends more than this device can read")

    def _on_status(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.retain:
            self._said_online = message.payload == b"online"
            return
        if message.payload != b"offline":
            return
        if self._own_offlines > 0:
            self._own_offlines -= 1  # our own, which the broker sends back
        else:
            self._foreign_offline = True

    def _on_publish(self, _client: Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        if len(self._acknowledged) > 64:
            self._acknowledged.clear()
        self._acknowledged.add(mid)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._ended is None and self._opened:
            self._ended = CarrierFailed(Cause.DROPPED, f"the broker ended the connection ({reason})")
