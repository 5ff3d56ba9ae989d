"""What the bare libraries and the disk need: the floor under every figure of ours. Medians, in seconds."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benches.process import Watched
from tests.peers.agent import ROOT
from tests.peers.hub import Hub
from tests.peers.rig.ports import free_port

_BYTES = 200


def commit(folder: Path, times: int = 200) -> float:
    """One row of a scan's size, inserted and flushed (WAL, synchronous=FULL)."""
    folder.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(folder / "floor.db", isolation_level=None)
    for word in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        db.execute(f"PRAGMA {word}")
    db.execute("CREATE TABLE rows (message TEXT)")
    took = _timed(lambda: db.execute("INSERT INTO rows VALUES (?)", ("x" * 600,)), times)
    db.close()
    return took


def seal_and_open(times: int = 2000) -> float:
    """One frame sealed and opened again."""
    from agent.hub.protocol.noise import CHACHA, CipherState

    here, there, text = CipherState(CHACHA, bytes(32)), CipherState(CHACHA, bytes(32)), os.urandom(_BYTES)
    return _timed(lambda: there.decrypt(here.encrypt(text)), times)


def publish(hub: Hub, device: int, times: int = 200) -> float:
    """paho's publish at QoS 1 until its PUBACK, over TLS."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    broker = json.loads(hub.identity(device).read_text())["mqtt"]
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="floor")
    client.username_pw_set(broker["username"], broker["password"])
    client.tls_set(ca_certs=str(hub.ca))
    client.connect("localhost", hub.ports["mqtt"])
    client.loop_start()
    body = os.urandom(_BYTES)
    try:
        _wait(client.publish(f"{broker['topic_prefix']}/floor", body, qos=1))
        return _timed(lambda: _wait(client.publish(f"{broker['topic_prefix']}/floor", body, qos=1)), times)
    finally:
        client.disconnect()
        client.loop_stop()


def echo(hub: Hub, times: int = 200) -> float:
    """websocket-client's send until the same comes back from a bare server, over TLS."""
    import websocket

    port = free_port()
    with Watched(
        [sys.executable, "-m", "scripts.benches.floors", str(hub.folder), str(port)], {"PYTHONPATH": str(ROOT)}
    ) as server:
        server.wait("echoing")
        connection = websocket.create_connection(f"wss://localhost:{port}", sslopt={"ca_certs": str(hub.ca)})
        body = os.urandom(_BYTES)

        def once() -> None:
            connection.send_binary(body)
            connection.recv()

        try:
            return _timed(once, times)
        finally:
            connection.close()


def _wait(info: Any) -> None:
    info.wait_for_publish(5)


def _timed(what: Callable[[], Any], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    return median(took)


async def _serve(folder: Path, port: int) -> None:
    from tornado.httpserver import HTTPServer
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    class Echo(WebSocketHandler):
        def open(self, *_: str, **__: str) -> None:
            self.set_nodelay(True)

        def on_message(self, message: str | bytes) -> None:
            self.write_message(message, binary=True)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    HTTPServer(Application([("/", Echo)]), ssl_options=context).listen(port, "127.0.0.1")
    print("echoing", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
