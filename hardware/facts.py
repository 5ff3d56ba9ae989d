"""What the near end tells. All times are seconds of `time.monotonic()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DeviceKind = Literal["scanner", "button", "display", "speech", "light"]
RefusalReason = Literal["too long", "undecodable", "empty"]


@dataclass(frozen=True, slots=True)
class CodeScanned:
    """A scanner read one code."""

    scanner: str
    value: str
    """The code as text. Only the scanner's suffix was cut: leading spaces and a trailing GS belong to the code."""
    raw: bytes
    """The same as bytes, before decoding."""
    at: float


@dataclass(frozen=True, slots=True)
class ScanRefused:
    """A scanner sent something that is no code, and the person should scan again."""

    scanner: str
    reason: RefusalReason
    raw: bytes
    """The bytes as they came; of a code too long, as many as would have been allowed."""
    at: float


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """A person pressed a button."""

    button: str
    at: float


@dataclass(frozen=True, slots=True)
class DeviceFound:
    """A device works, for the first time or again."""

    kind: DeviceKind
    name: str
    detail: str
    """Where it is, for the journal; may be empty."""


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A device is missing or failed. Told when that starts and when its reason changes, not once per attempt."""

    kind: DeviceKind
    name: str
    detail: str
    """What is wrong, and what to do about it."""


class DeviceError(Exception):
    """A device could not do what was asked; the text is one sentence that says what to do."""
