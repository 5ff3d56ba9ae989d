"""What the near end tells. All times are seconds of `time.monotonic()`."""

from __future__ import annotations

from typing import Literal

from agent.record import record

DeviceKind = Literal["scanner", "button", "display", "speech", "light", "page"]
RefusalReason = Literal["too long", "undecodable", "empty", "check digit", "incomplete", "not GS1"]
Gesture = Literal[
    "press",
    "release",
    "click",
    "double",
    "triple",
    "long",
    "repeat",
    "chord",
    "clockwise",
    "counterclockwise",
]


@record
class Element:
    """One piece of a GS1 code: what it says, and what that is."""

    ai: str
    """The application identifier: "01" for an article, "10" for a lot, "17" for the day it expires."""
    value: str


@record
class CodeScanned:
    """A scanner read one code."""

    scanner: str
    value: str
    """The code as text, without what the scanner put around it: leading spaces and a trailing GS belong to the code."""
    raw: bytes
    """The same as bytes, before anything was read out of it: an AIM identifier is still in front."""
    at: float
    symbology: str | None = None
    """The kind of symbol, as `hardware.symbology` names it; None where the scanner does not say."""
    aim: str | None = None
    """The AIM identifier, "]C1", where the scanner sends one."""
    elements: tuple[Element, ...] = ()
    """What a GS1 code is made of, in its order; empty for any other code, and for one that is not whole."""
    remark: str = ""
    """What is odd about the code, for the journal and whoever sets the scanner up; holds none of its content."""


@record
class ScanRefused:
    """A scanner sent something that is no code, and the person should scan again."""

    scanner: str
    reason: RefusalReason
    raw: bytes
    """The bytes as they came; of a code too long, as many as would have been allowed."""
    at: float
    remark: str = ""
    """What is wrong, for the journal; holds none of the content."""


@record
class ButtonPressed:
    """A person did something with a button, a chord of buttons or a knob; `button` is its name."""

    button: str
    at: float
    """When the gesture was complete: a long press at the end of its hold time, a double click at its second release."""
    gesture: Gesture = "press"


@record
class DeviceFound:
    """A device works, for the first time or again."""

    kind: DeviceKind
    name: str
    detail: str
    """Where it is, for the journal; may be empty."""


@record
class DeviceLost:
    """A device is missing or failed. Told when that starts and when its reason changes, not once per attempt."""

    kind: DeviceKind
    name: str
    detail: str
    """What is wrong, and what to do about it."""


class DeviceError(Exception):
    """A device could not do what was asked; the text is one sentence that says what to do."""
