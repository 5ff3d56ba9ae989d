"""How a client's link is, as values to print, to log and to compare.

Wire reference, transports.md section 5. Durations are milliseconds to three decimals, times UTC.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from agent.record import field, record

Phase = Literal["idle", "connecting", "ready", "closed", "error"]


@record(kw_only=True)
class ThalovantConnectionInfo:
    """The connection of a client, or the last one it had."""

    phase: Phase = "idle"
    protocol: str | None = None
    """The one in use or tried last: "wss", "https" or "mqtt"."""
    started_at: str | None = None
    """When connecting began."""
    connected_at: str | None = None
    """When the hub answered over the new session."""
    transport_open_ms: float | None = None
    """DNS, TCP, TLS and the carrier's own opening."""
    handshake_ms: float | None = None
    """The negotiation, the key derivation of a first contact included."""
    connect_ms: float | None = None
    """From the start to the hub's first answer, tries that failed included."""
    last_error: str | None = None
    """Why the last attempt or connection ended; holds no secret."""

    @property
    def socket_open_ms(self) -> float | None:
        """`transport_open_ms` of a WebSocket; None for the other carriers."""
        return self.transport_open_ms if self.protocol == "wss" else None

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as JSON data."""
        return {**asdict(self), "socket_open_ms": self.socket_open_ms}

    def __str__(self) -> str:
        over = f" over {self.protocol}" if self.protocol else ""
        took = f", connected in {self.connect_ms:.0f} ms" if self.phase == "ready" and self.connect_ms else ""
        why = f": {self.last_error}" if self.last_error else ""
        return f"{self.phase}{over}{took}{why}"


@record(kw_only=True)
class ThalovantHealth:
    """Whether a client can be relied on at this moment."""

    connected: bool
    handshake_complete: bool
    transport_alive: bool
    """The hub answered a probe just now: both directions and its side of the session live."""
    last_error: str | None = None
    connection: ThalovantConnectionInfo = field(default_factory=ThalovantConnectionInfo)

    @property
    def ok(self) -> bool:
        """True when all is well."""
        return self.connected and self.handshake_complete and self.transport_alive and not self.last_error

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as JSON data."""
        return {
            "ok": self.ok,
            "connected": self.connected,
            "handshake_complete": self.handshake_complete,
            "transport_alive": self.transport_alive,
            "last_error": self.last_error,
            "connection": self.connection.as_dict(),
        }

    def __str__(self) -> str:
        return f"{'ok' if self.ok else 'not ok'}: {self.connection}"


def utc_now() -> str:
    """This moment as ISO 8601 in UTC, with a Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(seconds: float) -> float:
    """A duration in milliseconds, to three decimals."""
    return round(seconds * 1000, 3)
