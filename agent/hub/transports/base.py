"""What the three carriers have in common."""

from __future__ import annotations

import select
from typing import Protocol


class Transport(Protocol):
    """One connection to a hub over one carrier. One thread uses it; it starts none. All raise CarrierFailed and
    CarrierClosed."""

    protocol: str
    """"mqtt", "wss" or "https"."""
    speaks_first: bool
    """Whether the client says the cleartext HELLO first."""

    def open(self, timeout: float) -> None:
        """Connect within `timeout` seconds."""

    def receive(self, timeout: float, wake: int = -1) -> str | bytes | None:
        """The next frame: str in the clear, bytes sealed (MQTT: always bytes). None after `timeout` seconds, or once
        the descriptor `wake` is readable."""

    def send(self, frame: str | bytes, timeout: float = 8.0) -> None:
        """Hand one frame over, str in the clear, bytes sealed."""

    def announce(self) -> None:
        """The handshake is done: say so where the carrier has a word for it."""

    def close(self, timeout: float = 2.0) -> None:
        """Say goodbye within `timeout` seconds. Idempotent, raises nothing."""

    def abandon(self) -> None:
        """Let go at once, without a word. Idempotent, raises nothing."""


def wait_for(descriptor: int, timeout: float, wake: int = -1, *, write: bool = False) -> bool:
    """Whether `descriptor` can be read (or, with `write`, written) before `timeout` seconds pass or `wake` is
    readable."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | (select.POLLOUT if write else 0))
    if wake >= 0:
        poll.register(wake, select.POLLIN)
    return any(ready == descriptor for ready, _ in poll.poll(max(timeout, 0.0) * 1000))
