"""The three carriers made alike, towards any port."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent.hub.transports.https import HttpsTransport
from agent.hub.transports.mqtt import MqttTransport
from agent.hub.transports.wss import WssTransport

CARRIERS = ("mqtt", "wss", "https")
KEY = "5f" * 16


def transport(carrier: str, port: int, *, tls: bool = False, host: str = "127.0.0.1", **mqtt: Any) -> Any:
    """A transport that was not opened yet."""
    secure = "s" if tls else ""
    match carrier:
        case "wss":
            return WssTransport(f"ws{secure}://{host}:{port}/", KEY, user_agent="Tests/1")
        case "https":
            return HttpsTransport(f"http{secure}://{host}:{port}", KEY, user_agent="Tests/1")
    given = {"username": "device-1", "password": "of the broker", "qos": 1, "client_id": "thalovant-test", **mqtt}
    return MqttTransport(host=host, port=port, tls=tls, topic_base=f"hivemind/{KEY}", **given)


@contextmanager
def woken() -> Iterator[int]:
    """A descriptor that is readable."""
    descriptor = os.eventfd(1)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
