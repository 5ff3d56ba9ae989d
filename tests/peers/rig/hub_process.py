"""The hub's own process: released hivemind-core on a bus of ours.

Run as `python -m tests.peers.rig.hub_process FILE`, with XDG_* set to folders of the bench and FILE the JSON that
`tests.peers.hub.Hub` writes. The agent plugin's policy, routing and delivery are the released ones.
"""

from __future__ import annotations

import json
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hivemind_core import service
from hivemind_core.database import ClientDatabase
from hivemind_core.protocol import HiveMindListenerProtocol
from hivemind_ovos_agent_plugin import OVOSAgentProtocol
from ovos_bus_client.message import Message
from ovos_utils.fakebus import FakeBus
from ovos_utils.log import LOG

from tests.peers.rig import api
from tests.peers.rig.answers import HEARD_TYPES, Answer, Heard, Script, find_answer
from tests.peers.rig.records import Recorder

_CARRIERS = {"hivemind_mqtt_protocol": "mqtt", "hivemind_websocket_protocol": "wss", "hivemind_http_protocol": "https"}
_STOP = {signal.SIGTERM, signal.SIGINT}


class AgentBus:
    """The bus behind the hub, with an assistant on it that answers from its own thread, as a skill would.

    Not a FakeBus by inheritance: for one of those the plugin would dial a real message bus instead.
    """

    def __init__(self, folder: Path, answer: Answer, script: Script) -> None:
        self.script = script
        self._answer = answer
        self._bus = FakeBus()
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._received = Recorder(folder / "received.jsonl")
        self.on, self.remove = self._bus.on, self._bus.remove
        threading.Thread(target=self._respond, daemon=True, name="assistant").start()

    def emit(self, message: Any) -> None:
        context = message.context
        if context.get("peer") and context.get("source") == context["peer"]:
            self._received.write(type=message.msg_type, data=message.data, context=context)
            if message.msg_type in HEARD_TYPES:
                self._heard.put(message)
        self._bus.emit(message)

    def _respond(self) -> None:
        while True:
            message, script = self._heard.get(), self.script
            time.sleep(script.delay)
            heard = Heard.from_bus(message.data, message.context)
            for kind, data in script.answers(heard, self._answer):
                self.emit(message.reply(kind, dict(data)))


class HubControl:
    """What a test may ask of the running hub."""

    def __init__(self, bus: AgentBus, keys: set[str]) -> None:
        self._bus = bus
        self._keys = keys
        self.protocol: Any = None  # set when the service has built it

    def handle(self, _method: str, path: str, body: Mapping[str, Any]) -> Any:
        handlers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "/clients": self._clients,
            "/emit": self._emit,
            "/script": self._script,
            "/allow": self._allow,
            "/forget": self._forget,
        }
        return handlers[path](body)

    def _connections(self, key: str | None = None) -> list[tuple[str, Any]]:
        clients = list(self.protocol.clients.items())
        return [(peer, connection) for peer, connection in clients if key in (None, connection.key)]

    def _clients(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "peer": peer,
                "key": connection.key,
                "site_id": connection.site_id,
                "session_id": connection.sess.session_id,
                "carrier": _CARRIERS.get(connection.send_msg.__module__, "?"),
                "noise": connection.noise_transport is not None,
            }
            for peer, connection in self._connections(body.get("key"))
        ]

    def _emit(self, body: Mapping[str, Any]) -> list[str]:
        peers = [peer for peer, _ in self._connections(body.get("key"))]
        for peer in peers:
            context = {"source": "bench", "destination": [peer], **(body.get("context") or {})}
            self._bus.emit(Message(body["type"], body.get("data") or {}, context))
        return peers

    def _script(self, body: Mapping[str, Any]) -> None:
        self._bus.script = Script(**body)

    def _allow(self, body: Mapping[str, Any]) -> None:
        with ClientDatabase() as rows:
            for row in rows:
                if row.api_key in self._keys:
                    row.allowed_types = list(body["types"])
                    rows.update_item(row)
        for _, connection in self._connections():
            connection.invalidate_user()

    def _forget(self, body: Mapping[str, Any]) -> None:
        with ClientDatabase() as rows:
            rows.delete_client(body["key"])
        for _, connection in self._connections(body["key"]):
            connection.invalidate_user()


def run(config: Mapping[str, Any]) -> None:
    """Serve until SIGTERM."""
    # Held back, and for all threads to come, until the hub waits for it: its own handler sets an event that the
    # interrupted thread may be about to wait for, and then nothing ever ends.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    folder = Path(config["folder"])
    LOG.set_level(config["log_level"])
    if config["nodelay"]:
        _turn_nagle_off()
    bus = AgentBus(folder, find_answer(config["answer"]), Script(**config["script"]))
    control = HubControl(bus, {client["access_key"] for client in config["clients"]})
    denied = Recorder(folder / "denied.jsonl")

    class Agent(OVOSAgentProtocol):  # type: ignore[misc]
        def __init__(self, config: dict[str, Any] | None = None) -> None:
            super().__init__(bus=bus, config=config or {})

    def record_denial(_policy: Any, verdict: Any) -> None:
        if verdict.denied:
            denied.write(code=str(verdict.code), reason=verdict.reason, data=verdict.data)

    def listener(**arguments: Any) -> Any:
        control.protocol = HiveMindListenerProtocol(**arguments)
        control.protocol.policy_chain.on_verdict = record_denial
        return control.protocol

    with ClientDatabase() as rows:
        for client in config["clients"]:
            rows.add_client(
                client["name"], client["access_key"], password=client["password"], allowed_types=config["allow"]
            )
    server = api.serve(control.handle, port=config["control_port"])
    threading.Thread(target=server.serve_forever, daemon=True, name="control").start()
    service.get_agent_protocol = lambda: (Agent, {})  # instead of an entry point in an installed package
    service.wait_for_exit_signal = lambda: signal.sigwait(_STOP)
    service.HiveMindService(hm_protocol=listener).run()


def _turn_nagle_off() -> None:
    """Have every TCP connection of this process send at once, those it accepts and those it makes."""
    accept, create = socket.socket.accept, socket.create_connection

    def accepted(listener: socket.socket) -> Any:
        connection, address = accept(listener)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def created(*arguments: Any, **options: Any) -> socket.socket:
        connection = create(*arguments, **options)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    socket.socket.accept = accepted  # type: ignore[assignment, method-assign]
    socket.create_connection = created


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()))
