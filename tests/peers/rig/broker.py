"""A mosquitto for one hub: a password for everybody, and for each device the topics of its own key alone."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from tests.peers.rig.children import Child
from tests.peers.rig.devices import PREFIX, Device, write_private
from tests.peers.rig.ports import HOST, accepts, free_port

_SUBSCRIBED = f"1 {PREFIX}/+/in".encode()


def find_mosquitto() -> str | None:
    """The mosquitto binary; Debian keeps it in /usr/sbin, which is on no user's PATH."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


class Broker(Child):
    """The broker process.

    The hub has a plain listener of its own. Its MQTT client is written to by the agent's thread while another one
    reads, and over TLS that breaks the session ("bad record mac") within seconds of traffic.
    """

    def __init__(
        self,
        folder: Path,
        devices: Sequence[Device],
        *,
        port: int,
        tls: bool,
        starter: Executor,
        options: Sequence[str] = (),
        nodelay: bool = False,
    ) -> None:
        binary = find_mosquitto()
        if not binary:
            raise RuntimeError("mosquitto is not installed; run apt-get install mosquitto")
        config = folder / "mosquitto.conf"
        super().__init__([binary, "-c", str(config)], log=folder / "mosquitto.log", starter=starter)
        self.port = port
        """The devices' listener."""
        self.hub_port = free_port()
        self.hub_password = secrets.token_hex(12)
        self.started_from = 0
        """How long the log was when the broker was last started."""
        passwords, rights = folder / "mosquitto.passwd", folder / "mosquitto.acl"
        accounts = {device.name: device.mqtt_password for device in devices} | {"hub": self.hub_password}
        write_private(passwords, "".join(f"{name}:{password}\n" for name, password in accounts.items()))
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        own_topics = "".join(
            f"user {device.name}\ntopic readwrite {PREFIX}/{device.access_key}/#\n" for device in devices
        )
        write_private(rights, f"user hub\ntopic readwrite {PREFIX}/#\n{own_topics}")
        lines = [
            f"user {getpass.getuser()}",  # a broker started by root would become nobody, who cannot read these files
            "allow_anonymous false",
            "persistence false",
            f"set_tcp_nodelay {str(nodelay).lower()}",
            f"password_file {passwords}",
            f"acl_file {rights}",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            *(f"log_type {kind}" for kind in ("error", "warning", "notice", "information", "subscribe")),
            f"listener {self.hub_port} {HOST}",
            f"listener {port} {HOST}",  # what follows applies to this one
            *((f"certfile {folder / 'server.crt'}", f"keyfile {folder / 'server.key'}") if tls else ()),
            *options,
        ]
        config.write_text("\n".join(lines) + "\n")

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def hub_subscribed(self, since: int) -> bool:
        """Whether the hub subscribed to its devices' topics since the log was `since` bytes long."""
        if not self.log.exists():
            return False
        with self.log.open("rb") as log:
            log.seek(since)
            return _SUBSCRIBED in log.read()

    def _prepare(self) -> None:
        self.started_from = self.log_size()

    def _serves(self) -> bool:
        return accepts(self.port)
