"""The hub's process from outside: its settings, how it is started, and how it is talked to."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.peers.rig import api
from tests.peers.rig.answers import Script
from tests.peers.rig.broker import Broker
from tests.peers.rig.children import Child
from tests.peers.rig.devices import PREFIX, Device, write_private
from tests.peers.rig.ports import HOST, accepts, free_port

ROOT = Path(__file__).resolve().parents[3]


class Core(Child):
    """A hivemind-core with its listeners, and the assistant behind it.

    Rights, answers and devices are set here and hold over restarts; a running hub hears of a change at once.
    """

    def __init__(
        self,
        folder: Path,
        devices: Sequence[Device],
        *,
        ports: Mapping[str, int],
        broker: Broker | None,
        tls: bool,
        starter: Executor,
        allow: Sequence[str],
        answer: str,
        mqtt_idle_seconds: int,
        log_level: str,
        nodelay: bool = False,
    ) -> None:
        self._settings = folder / "hub.json"
        xdg = {kind: folder / "xdg" / kind.lower() for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
        super().__init__(
            [sys.executable, "-m", "tests.peers.rig.hub_process", str(self._settings)],
            log=folder / "hub.log",
            starter=starter,
            environment={
                **{f"XDG_{kind}_HOME": str(path) for kind, path in xdg.items()},
                "OVOS_DEFAULT_LOG_LEVEL": log_level,
                "PYTHONPATH": str(ROOT),
            },
        )
        self._folder = folder
        self._config = xdg["CONFIG"]
        self._devices = list(devices)
        self._ports = ports
        self._broker = broker
        self._started_from = 0
        self._control_port = free_port()
        self._answer = answer
        self._log_level = log_level
        self._nodelay = nodelay
        self._allow = list(allow)
        self._script = Script()
        self._write_server_settings(tls=tls, mqtt_idle_seconds=mqtt_idle_seconds)

    def call(self, path: str, **body: Any) -> Any:
        """Ask the running hub. Raises OSError when it does not answer."""
        return api.call(self._control_port, "POST", path, body)

    def subscribed(self) -> bool:
        """Whether the hub hears its broker, since the later start of the two."""
        broker = self._broker
        return broker is not None and broker.hub_subscribed(max(broker.started_from, self._started_from))

    def set_script(self, script: Script) -> None:
        """Say how utterances are answered."""
        self._script = script
        if self.alive:
            self.call("/script", **asdict(script))

    def set_allow(self, types: Sequence[str]) -> None:
        """Say what every device may publish."""
        self._allow = list(types)
        if self.alive:
            self.call("/allow", types=self._allow)

    def forget(self, device: Device) -> None:
        """Delete a device, as an operator revokes one."""
        self._devices.remove(device)
        if self.alive:
            self.call("/forget", key=device.access_key)

    def set_password(self, device: Device, password: str) -> None:
        """Give a device another password on the hub's side alone. Takes a restart."""
        self.stop()
        self._devices = [replace(device, password=password) if one == device else one for one in self._devices]
        self.start()

    def change_key(self) -> None:
        """Take another static key under the same node id. Takes a restart."""
        self.stop()
        for key in self._config.rglob("*_noise.key"):
            key.unlink()
        self.start()

    def _prepare(self) -> None:
        self._started_from = self._broker.log_size() if self._broker else 0
        settings = {
            "folder": str(self._folder),
            "control_port": self._control_port,
            "clients": [asdict(device) for device in self._devices],
            "allow": self._allow,
            "answer": self._answer,
            "script": asdict(self._script),
            "log_level": self._log_level,
            "nodelay": self._nodelay,
        }
        write_private(self._settings, json.dumps(settings, indent=2))

    def _serves(self) -> bool:
        listening = all(accepts(port) for port in (self._ports["wss"], self._ports["https"], self._control_port))
        expects_broker = self._broker is not None and self._broker.alive and not self._broker.paused
        return listening and (self.subscribed() or not expects_broker)

    def _write_server_settings(self, *, tls: bool, mqtt_idle_seconds: int) -> None:
        certificate = {"ssl": tls, "cert_dir": str(self._folder), "cert_name": "server"}
        protocols: dict[str, Any] = {
            "hivemind-websocket-plugin": {"host": HOST, "port": self._ports["wss"], **certificate},
            "hivemind-http-plugin": {"host": HOST, "port": self._ports["https"], **certificate},
        }
        if self._broker:
            protocols["hivemind-mqtt-plugin"] = {
                "broker_host": HOST,
                "broker_port": self._broker.hub_port,
                "broker_username": "hub",
                "broker_password": self._broker.hub_password,
                "topic_prefix": PREFIX,
                "tls": False,
                "idle_timeout": mqtt_idle_seconds,
            }
        database = {"name": "clients", "subfolder": "hivemind-core"}
        settings = {
            "network_protocol": protocols,
            "database": {"module": "hivemind-sqlite-db-plugin", "hivemind-sqlite-db-plugin": database},
            "presence": {"enabled": False},
        }
        folder = self._config / "hivemind-core"
        folder.mkdir(parents=True, exist_ok=True)
        write_private(folder / "server.json", json.dumps(settings, indent=2))
