"""Sounds: any command that reads a sound file from its standard input and returns when it has been played."""

from __future__ import annotations

import io
import threading
import wave

from hardware.speech import feed

_RATE = 22_050


class SoundCommand:
    """A loudspeaker, as a shell command such as `aplay -q`. One thread uses it."""

    def __init__(self, command: str, *, timeout_seconds: float = 30.0) -> None:
        self._command = command
        self._timeout_seconds = timeout_seconds

    def play(self, sound: bytes, stop: threading.Event) -> None:
        """Play, and return when it has been played or `stop` was set. Raises DeviceError."""
        feed(self._command, sound, stop, self._timeout_seconds, name="the sound command")


def silence(milliseconds: int) -> bytes:
    """A WAV file in which nothing is to be heard for so long."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(_RATE)
        writer.writeframes(bytes(2 * (_RATE * milliseconds // 1000)))
    return file.getvalue()
