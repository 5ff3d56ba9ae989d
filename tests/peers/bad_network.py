"""A real hub behind a network that can be broken: one proxy for each carrier."""

from __future__ import annotations

import json
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from agent.hub.identity import ThalovantIdentity
from tests.peers.hub import Hub
from tests.peers.proxy import TcpProxy

CARRIERS = ("mqtt", "wss", "https")


class BadNetwork:
    """Proxies to all of a hub's carriers, by carrier: `network["wss"].freeze()`."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._proxies = {carrier: TcpProxy(hub.ports[carrier]) for carrier in CARRIERS}
        self._stack = ExitStack()

    def __getitem__(self, carrier: str) -> TcpProxy:
        return self._proxies[carrier]

    def __enter__(self) -> Self:
        for proxy in self._proxies.values():
            self._stack.enter_context(proxy)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def identity(self, device: int = 1, **changes: Any) -> ThalovantIdentity:
        """The device's identity, with the proxies in the place of the hub; `changes` are members besides."""
        return ThalovantIdentity.from_mapping({**json.loads(self.identity_text(device)), **changes})

    def identity_text(self, device: int = 1) -> str:
        """The same as the text of an identity file."""
        text = self.hub.identity(device).read_text()
        for carrier, proxy in self._proxies.items():
            text = text.replace(f":{self.hub.ports[carrier]}", f":{proxy.port}")
        members = json.loads(text)
        if members.get("default_port") == self.hub.ports["https"]:
            members["default_port"] = self._proxies["https"].port
        return json.dumps(members)

    def heal(self) -> None:
        """All ways are well again."""
        for proxy in self._proxies.values():
            proxy.heal()
