"""`HubSide` behind real sockets: a WebSocket, an HTTP listener, and MQTT through a real broker.

    hub = HubSide(answer=echo)
    with WebsocketHub(hub) as server:
        client = ThalovantClient(server.identity(), protocol="wss")

Each is a hub of one client over one carrier, without TLS, which clients allow on loopback. What the hub aborts becomes
what the carrier has for it: a close code, 401 ever after, or silence and a retained `offline`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from agent.hub.identity import ThalovantIdentity
from agent.hub.protocol.wire import looks_like_json
from tests.peers.http_peer import Answer, HttpPeer, Request, answer
from tests.peers.responder import Aborted, HubConnection, HubSide
from tests.peers.rig.broker import Broker
from tests.peers.rig.devices import PREFIX, Device
from tests.peers.rig.ports import HOST, free_port

_ACCESS_KEY = "5f" * 16
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_FINAL, _MASKED = 0x80, 0x80
NO_STATUS = 1005
"""Close with a close frame that has no code in it."""


def make_identity(hub: HubSide, endpoints: Mapping[str, str], **more: Any) -> ThalovantIdentity:
    """The identity of the hub's client; `more` are members besides, or in place of the usual ones."""
    members = {
        "access_key": _ACCESS_KEY,
        "password": hub.password,
        "site_id": "site-1",
        "default_master": "https://localhost",
        "data_plane_endpoints": dict(endpoints),
    }
    return ThalovantIdentity.from_mapping({**members, **more})


class WebsocketHub:
    """The hub as a WebSocket server; `connections` are all there were."""

    protocol = "wss"

    def __init__(
        self,
        hub: HubSide,
        *,
        upgrade_status: int = 101,
        once_up: Callable[[HubConnection], Iterable[bytes | int]] = lambda connection: (),
    ) -> None:
        """`upgrade_status` other than 101 answers every upgrade with it. `once_up` gives frames to send, and codes to
        close with, as soon as a session stands."""
        self.hub = hub
        self.connections: list[HubConnection] = []
        self._upgrade_status = upgrade_status
        self._once_up = once_up
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="websocket-hub", daemon=True)]

    def identity(self, **more: Any) -> ThalovantIdentity:
        """An identity for this hub."""
        return make_identity(self.hub, {"wss": f"ws://{HOST}:{self.port}"}, **more)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(5)

    def drop(self) -> None:
        """End every connection without a close frame."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def say(self, frames: Iterable[bytes]) -> None:
        """Send sealed frames over the latest connection. Not while the hub itself may be answering."""
        for frame in frames:
            self._sockets[-1].sendall(_packed(_BINARY, frame))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="websocket-hub", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError), connection.makefile("rb") as stream:
            if self._upgrade(connection, stream):
                self._talk(connection, stream)

    def _upgrade(self, connection: socket.socket, stream: Any) -> bool:
        lines = iter(lambda: stream.readline().decode("latin-1").strip(), "")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if self._upgrade_status != 101:
            connection.sendall(f"HTTP/1.1 {self._upgrade_status} No\r\nContent-Length: 0\r\n\r\n".encode())
            return False
        accept = base64.b64encode(hashlib.sha1((headers["sec-websocket-key"] + _MAGIC).encode()).digest()).decode()
        connection.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        return True

    def _talk(self, connection: socket.socket, stream: Any) -> None:
        side = self.hub.connect()
        self.connections.append(side)
        for text in side.greet():
            connection.sendall(_packed(_TEXT, text.encode()))
        while True:
            opcode, payload = _unpacked(stream)
            if opcode == _CLOSE:
                connection.sendall(_packed(_CLOSE, payload[:2]))
                return
            if opcode == _PING:
                connection.sendall(_packed(_PONG, payload))
            if opcode not in (_TEXT, _BINARY):
                continue
            was_up = side.session is not None
            try:
                frames: list[str | bytes | int] = [*side.receive(payload.decode() if opcode == _TEXT else payload)]
                if side.session is not None and not was_up:
                    frames += self._once_up(side)
            except Aborted as aborted:
                frames = [aborted.code]
            for frame in frames:
                if isinstance(frame, int):
                    code = b"" if frame == NO_STATUS else struct.pack("!H", frame)
                    connection.sendall(_packed(_CLOSE, code))
                    return
                connection.sendall(
                    _packed(_TEXT, frame.encode()) if isinstance(frame, str) else _packed(_BINARY, frame)
                )


class HttpHub(HttpPeer):
    """The hub as an HTTP listener, which answers 401 for a session it aborted (as the conformance vectors say)."""

    protocol = "https"

    def __init__(self, hub: HubSide) -> None:
        super().__init__()
        self.hub = hub
        self._side: HubConnection | None = None
        self._texts: list[str] = []
        self._sealed: list[str] = []
        self._aborted = False

    def identity(self, **more: Any) -> ThalovantIdentity:
        """An identity for this hub."""
        return make_identity(self.hub, {"https": self.url}, **more)

    def respond(self, request: Request) -> Answer:
        if request.path == "/connect":
            self._side, self._aborted, self._sealed = self.hub.connect(), False, []
            self._texts = self._side.greet()
            return answer({"status": "Connected"})
        if request.path == "/disconnect":
            self._side = None
            return answer({"status": "Disconnected"})
        if self._aborted:
            return answer({"error": "Unauthorized"}, 401)
        if self._side is None:
            return answer({"error": "Client is not connected"}, 409 if request.method == "POST" else 200)
        if request.path == "/get_messages":
            texts, self._texts = self._texts, []
            return answer({"status": "messages retrieved", "messages": texts})
        if request.path == "/get_binary_messages":
            sealed, self._sealed = self._sealed, []
            return answer({"status": "messages retrieved", "b64_messages": sealed})
        return self._take(self._side, dict(parse_qsl(request.body.decode())))

    def _take(self, side: HubConnection, form: Mapping[str, str]) -> Answer:
        message = form["message"]
        try:
            frames = side.receive(base64.b64decode(message) if form.get("binary") else message)
        except Aborted:
            self._side, self._aborted = None, True
            return answer({"error": "Unauthorized"}, 401)
        for frame in frames:
            if isinstance(frame, str):
                self._texts.append(frame)
            else:
                self._sealed.append(base64.b64encode(frame).decode())
        return answer({"status": "message sent"})


class MqttHub:
    """The hub behind a real broker of its own, silent where it aborts, as brokers have no word for it."""

    protocol = "mqtt"

    def __init__(self, hub: HubSide, folder: Path) -> None:
        self.hub = hub
        self._device = Device(
            name="device-1",
            site_id="site-1",
            access_key=_ACCESS_KEY,
            password=hub.password,
            mqtt_password="of the broker",
        )
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="broker")
        self.broker = Broker(folder, [self._device], port=free_port(), tls=False, starter=self._starter)
        self._topic = f"{PREFIX}/{_ACCESS_KEY}"
        self._side: HubConnection | None = None
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("hub", self.broker.hub_password)
        self._client.on_message = self._heard
        self._subscribed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)

    def identity(self, **more: Any) -> ThalovantIdentity:
        """An identity for this hub."""
        endpoint = f"mqtt://{HOST}:{self.broker.port}"
        block = self._device.identity({"wss": "", "https": "", "mqtt": endpoint})["mqtt"]
        return make_identity(self.hub, {"mqtt": endpoint}, mqtt=block, **more)

    def __enter__(self) -> Self:
        try:
            self.broker.start()
            self._client.connect(HOST, self.broker.hub_port)
            self._client.loop_start()
            self._client.subscribe([(f"{PREFIX}/+/in", 1), (f"{PREFIX}/+/status", 1)])
            self._subscribed.get(timeout=10)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self.broker.stop()
        self._starter.shutdown()

    def _heard(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/status"):
            if message.payload == b"offline":
                self._drop()
            return
        if self._side is None:
            self._side = self.hub.connect()
            self._say(self._side.greet())
        payload = bytes(message.payload)
        if self._side.session is None and not looks_like_json(payload):
            return  # "error logged, dropped, no answer"
        try:
            self._say(self._side.receive(payload))
        except Aborted:
            self._drop()

    def _say(self, frames: Iterable[str | bytes]) -> None:
        for frame in frames:
            self._client.publish(f"{self._topic}/out", frame, qos=int(isinstance(frame, str)))

    def _drop(self) -> None:
        if self._side is not None:
            self._side = None
            self._client.publish(f"{self._topic}/status", "offline", qos=1, retain=True)


def _packed(opcode: int, payload: bytes) -> bytes:
    """One WebSocket frame, as a server sends it: whole and unmasked."""
    size = len(payload)
    length = bytes((size,)) if size < 126 else struct.pack("!BH", 126, size)
    if size > 0xFFFF:
        length = struct.pack("!BQ", 127, size)
    return bytes((_FINAL | opcode,)) + length + payload


def _unpacked(stream: Any) -> tuple[int, bytes]:
    """Opcode and payload of a client's next frame. EOFError at its end."""

    def exactly(count: int) -> bytes:
        data: bytes = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    first, second = exactly(2)
    size = second & ~_MASKED
    if size >= 126:
        size = int.from_bytes(exactly(2 if size == 126 else 8))
    mask = exactly(4) if second & _MASKED else bytes(4)
    payload = exactly(size)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
