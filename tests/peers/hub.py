"""A real hub to run a device against, with everything a test does to one.

    with Hub(folder) as hub:                          # hub and broker with TLS, one device, about a second
        client = connect(hub.identity())              # trusting hub.ca
        client.send_code("INV-1")
        row = hub.wait_for(utterance("INV-1"), timeout=5)
        hub.core.kill()
        ...
        hub.core.start()                              # same key, same ports, its devices still known

`hub.core` and `hub.broker` are processes (`kill`, `stop`, `start`, `restart`, `pause`, `resume`). What clients sent is
counted with `hub.received()`, on the hub's agent bus and over all its lives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers.certificates import make_certificates
from tests.peers.rig.answers import BusPair, Script
from tests.peers.rig.broker import Broker
from tests.peers.rig.core import Core
from tests.peers.rig.devices import load_or_create, write_private
from tests.peers.rig.ports import HOST, free_port
from tests.peers.rig.records import Records, Row
from tests.peers.waiting import eventually

STATUS_TYPE = "thalovant.client.status"
DEFAULT_ALLOW = ("recognizer_loop:utterance", "ovos.utterance.handle", STATUS_TYPE)
ECHO = "tests.peers.rig.answers:echo"


def utterance(text: str) -> Callable[[Row], bool]:
    """Matches the rows of `Hub.received` in which a device said or scanned exactly `text`."""
    return lambda row: bool(row["data"].get("utterances") == [text])


class Hub:
    """One hub and its broker, in `folder`. Everything they write stays in there.

    A `folder` used before gives the same hub again: its key, its devices and what it knows of them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        devices: int = 1,
        allow: Sequence[str] = DEFAULT_ALLOW,
        with_broker: bool = True,
        tls: bool = True,
        mqtt_idle_seconds: int = 300,
        answer: str = ECHO,
        broker_options: Sequence[str] = (),
        nodelay: bool = False,
        ports: Mapping[str, int] | None = None,
        log_level: str = "INFO",
    ) -> None:
        """`allow` are the message types every device may publish; `()` denies all, as for a new client of a hub.

        `answer` names the function that answers utterances (`tests.peers.rig.answers.Answer`); `broker_options` are
        lines for mosquitto's listener; `nodelay` turns Nagle's algorithm off in hub and broker, as an operator can;
        `ports` fixes those it names of "wss", "https" and "mqtt".
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder.resolve()
        self.ports = {carrier: (ports or {}).get(carrier) or free_port() for carrier in ("wss", "https", "mqtt")}
        self.ca: Path | None = None
        """The authority to trust for this hub; None without TLS."""
        if tls:
            made = self.folder / "ca.pem"
            self.ca = made if made.exists() else make_certificates(self.folder)
        self.devices = load_or_create(self.folder / "devices.json", devices)
        self._allow = tuple(allow)
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="bench")
        self._received, self._denied = Records(self.folder / "received.jsonl"), Records(self.folder / "denied.jsonl")
        self.broker: Broker | None = None
        if with_broker:
            self.broker = Broker(
                self.folder,
                self.devices,
                port=self.ports["mqtt"],
                tls=tls,
                starter=self._starter,
                options=broker_options,
                nodelay=nodelay,
            )
        self.core = Core(
            self.folder,
            self.devices,
            ports=self.ports,
            broker=self.broker,
            tls=tls,
            starter=self._starter,
            allow=allow,
            answer=answer,
            mqtt_idle_seconds=mqtt_idle_seconds,
            log_level=log_level,
            nodelay=nodelay,
        )
        self._write_identities(secure="s" if tls else "")

    def start(self) -> Self:
        """Bring up broker and hub, and return once the hub serves on every carrier."""
        if self.broker:
            self.broker.start()
        self.core.start()
        return self

    def stop(self) -> None:
        """Take both down. `start` brings them back with all they knew."""
        self.core.stop()
        if self.broker:
            self.broker.stop()

    def close(self) -> None:
        """Take both down for good."""
        self.stop()
        self._starter.shutdown()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def mend(self) -> None:
        """Undo what was done to processes, rights and answers: all run, and do as at the beginning."""
        for child in (self.broker, self.core):
            if child and child.paused:
                child.resume()
        if self.broker and not self.broker.alive:
            self.core.stop()  # started while there was no broker it would never look for one again
        self.core.set_script(Script())
        self.core.set_allow(self._allow)
        self.start()

    # What a device needs

    def identity(self, device: int = 1) -> Path:
        """The identity file of device number `device`, alone in a folder that is that device's."""
        return self.folder / self.devices[device - 1].name / "identity.json"

    def environment(self) -> dict[str, str]:
        """Variables under which a process trusts this hub: one for OpenSSL, one for requests. And no proxy."""
        trust = {"SSL_CERT_FILE": str(self.ca), "REQUESTS_CA_BUNDLE": str(self.ca)} if self.ca else {}
        return {**trust, "NO_PROXY": f"localhost,{HOST}", "no_proxy": f"localhost,{HOST}"}

    # What the hub saw

    def received(self, matches: Callable[[Row], bool] | None = None) -> list[Row]:
        """What arrived on the agent bus from devices, oldest first: rows of `t`, `type`, `data`, `context`."""
        return [row for row in self._received.rows() if matches is None or matches(row)]

    def denied(self) -> list[Row]:
        """What the hub refused to take: rows of `t`, `code`, `reason`, `data`."""
        return self._denied.rows()

    def wait_for(self, matches: Callable[[Row], bool], *, timeout: float = 10.0, count: int = 1) -> Row:
        """The row of `received` that is number `count` of those that match. Raises AssertionError after `timeout`."""

        def found() -> Row | None:
            rows = self.received(matches)
            return rows[count - 1] if len(rows) >= count else None

        return eventually(found, timeout=timeout, what=f"matching row {count} in what the hub received")

    def clients(self, device: int | None = None) -> list[dict[str, Any]]:
        """The connections the hub has: `peer`, `key`, `site_id`, `session_id`, `carrier`, `noise` (handshake done)."""
        clients: list[dict[str, Any]] = self.core.call("/clients", key=self._key(device))
        return clients

    def wait_connected(self, device: int = 1, *, carrier: str | None = None, timeout: float = 10.0) -> dict[str, Any]:
        """The first connection of `device`, over `carrier` if one is named, that can be spoken to."""

        def connected() -> dict[str, Any] | None:
            clients = [client for client in self.clients(device) if client["noise"]]
            return next((client for client in clients if carrier in (None, client["carrier"])), None)

        return eventually(connected, timeout=timeout, what=f"device {device} connected over {carrier or 'anything'}")

    # What the hub does

    def speak(self, text: str, *, device: int | None = None, lang: str = "en-us") -> list[str]:
        """Speak to `device`, or to all; returns the peers it was sent to, none if nobody is connected."""
        return self.emit("speak", {"utterance": text, "lang": lang}, device=device)

    def emit(
        self,
        kind: str,
        data: Mapping[str, Any] | None = None,
        *,
        device: int | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Send any bus message to `device`, or to all; returns the peers it was sent to."""
        peers: list[str] = self.core.call("/emit", type=kind, data=data or {}, context=context, key=self._key(device))
        return peers

    def responder(
        self,
        *,
        reply: bool = True,
        delay: float = 0.0,
        answer: str | None = None,
        messages: Sequence[BusPair] | None = None,
        handled: bool = True,
    ) -> None:
        """Say how utterances are answered from now on; `responder()` is as at the beginning.

        Mute with `reply=False`, late with `delay` seconds, with the words `answer`, with `messages` of any kind, or
        without the closing `ovos.utterance.handled`.
        """
        self.core.set_script(Script(reply=reply, delay=delay, answer=answer, messages=messages, handled=handled))

    def allow(self, *types: str) -> None:
        """Let the devices publish these message types and no others, at once."""
        self.core.set_allow(types)

    def forget(self, device: int = 1) -> None:
        """Delete the device on the hub, for good: as an operator revokes one."""
        self.core.forget(self.devices[device - 1])

    def set_password(self, password: str, *, device: int = 1) -> None:
        """Change the device's password on the hub alone. The hub restarts."""
        self.core.set_password(self.devices[device - 1], password)

    def change_key(self) -> None:
        """Give the hub another static key under the same node id. It restarts."""
        self.core.change_key()

    def _key(self, device: int | None) -> str | None:
        return None if device is None else self.devices[device - 1].access_key

    def _write_identities(self, *, secure: str) -> None:
        endpoints = {
            "wss": f"ws{secure}://localhost:{self.ports['wss']}",
            "https": f"http{secure}://localhost:{self.ports['https']}",
        }
        if self.broker:
            endpoints["mqtt"] = f"mqtt{secure}://localhost:{self.ports['mqtt']}"
        for number, device in enumerate(self.devices, start=1):
            path = self.identity(number)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            write_private(path, json.dumps(device.identity(endpoints), indent=2))
