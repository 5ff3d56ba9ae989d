"""The devices a hub knows: their secrets, and the identity file each one would be given."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PREFIX = "hivemind"
"""The first level of every MQTT topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One client of the hub."""

    name: str
    site_id: str
    access_key: str = field(repr=False)
    password: str = field(repr=False)
    mqtt_password: str = field(repr=False)

    def identity(self, endpoints: Mapping[str, str]) -> dict[str, Any]:
        """The identity file's content for a hub at `endpoints` ("wss", "https" and perhaps "mqtt")."""
        identity: dict[str, Any] = {
            "access_key": self.access_key,
            "password": self.password,
            "site_id": self.site_id,
            "default_master": endpoints["wss"],
            "default_port": urlsplit(endpoints["https"]).port,
            "data_plane_endpoints": dict(endpoints),
            "protocols": {"wss": {"enabled": True}, "http": {"enabled": True}},
        }
        if "mqtt" in endpoints:
            identity["protocols"]["mqtt"] = {"enabled": True}
            identity["mqtt"] = {
                "endpoint": endpoints["mqtt"],
                "username": self.name,
                "password": self.mqtt_password,
                "topic_prefix": f"{PREFIX}/{self.access_key}",
                "qos": 1,
                "tls": endpoints["mqtt"].startswith("mqtts:"),
            }
        return identity


def load_or_create(path: Path, count: int) -> list[Device]:
    """The devices saved at `path`, or `count` new ones, saved there: a hub started again keeps its clients."""
    if path.exists():
        return [Device(**row) for row in json.loads(path.read_text())]
    devices = [
        Device(
            name=f"device-{number}",
            site_id=f"site-{number}",
            access_key=secrets.token_hex(16),
            password=secrets.token_hex(16),
            mqtt_password=secrets.token_hex(12),
        )
        for number in range(1, count + 1)
    ]
    write_private(path, json.dumps([asdict(device) for device in devices], indent=2))
    return devices


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
