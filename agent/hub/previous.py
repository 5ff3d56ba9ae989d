"""The session before this one."""

from __future__ import annotations

from enum import Enum


class Previous(Enum):
    """What became of the session before this one, as far as the device knows: what the hub may still hold of it."""

    NONE = "none"
    """There was none under this MQTT client id: a new device, or a new program with a device's identity."""
    GOODBYE = "goodbye"
    """It ended with a goodbye, and the hub holds nothing."""
    LOST = "lost"
    """Nobody said goodbye; the hub may hold it still."""
