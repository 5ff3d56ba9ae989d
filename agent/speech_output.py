"""The loudspeaker: sentences and sounds in the order they were given, on a thread of its own.

A few may wait; of a flood the oldest are dropped, since nobody listens for minutes. Where the newest answer is wanted,
it interrupts the one before; the pieces of one answer always follow each other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from agent.record import field, record
from hardware.facts import DeviceError, DeviceFound, DeviceLost
from hardware.sounds import silence
from hardware.stopping import StopEvent

_WAITING = 8
"""Sentences waiting to be spoken; who says more than this is not being listened to."""
_BEAT_SECONDS = 90.0
_ASLEEP_SECONDS = 2.0
"""After a pause of this time an amplifier may have gone to sleep."""


class Voice(Protocol):
    """What speaks a text and returns when it has ended."""

    def open(self) -> None:
        """Get ready, so that the first text does not wait for it. Raises nothing."""
        ...

    def say(self, text: str, language: str, stop: threading.Event) -> None:
        """Speak, at the latest until `stop`. Raises DeviceError."""
        ...

    def change(self, command: str) -> None:
        """Speak with this command from the next text on. From any thread."""
        ...

    def close(self) -> None:
        """End what is kept running for it. Raises nothing."""
        ...


class Player(Protocol):
    """What plays a sound file and returns when it has ended."""

    def play(self, sound: bytes, stop: threading.Event) -> None:
        """Play, at the latest until `stop`. Raises DeviceError."""
        ...


@record
class _Heard:
    """One sentence, or one sound."""

    about: str
    text: str
    language: str = ""
    sound: bytes | None = field(default=None, repr=False)


class SpeechOutput:
    """The voice and the sounds of one device."""

    def __init__(
        self,
        voice: Voice,
        emit: Callable[[DeviceFound | DeviceLost], object],
        *,
        player: Player | None = None,
        newest: bool = False,
        lead_silence_ms: int = 0,
        is_quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        """`newest`: a new answer interrupts the one before. `is_quiet` says whether this is no time to speak."""
        self._voice = voice
        self._player = player
        self._emit = emit
        self._newest = newest
        self._lead = silence(lead_silence_ms) if lead_silence_ms else b""
        self._is_quiet = is_quiet
        self._changed = threading.Condition()
        self._waiting: deque[_Heard] = deque(maxlen=_WAITING)
        self._current: _Heard | None = None
        self._interrupt = StopEvent()
        self._about = ""

    def say(self, text: str, language: str, about: str = "") -> None:
        """Speak this in its turn; `about` names the answer it is part of. From any thread; returns at once."""
        self._put(_Heard(about, text, language))

    def play(self, sound: bytes, about: str = "", says: str = "") -> None:
        """Play this in its turn, or in the place of the sentence `says` where that waits. From any thread."""
        heard = _Heard(about, says, sound=sound)
        with self._changed:
            if says and self._current is not None and self._current.text == says:
                return  # it is being spoken already
            for place, other in enumerate(self._waiting):
                if says and other.text == says:
                    self._waiting[place] = heard
                    return
        self._put(heard)

    def hush(self) -> None:
        """Stop in the middle of the word, and forget what is left. From any thread; returns at once."""
        with self._changed:
            self._waiting.clear()
            self._interrupt.set()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Speak and play until `stop` is set."""
        try:
            self._voice.open()
            self._run(stop, beat)
        finally:
            self._voice.close()

    def _run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        failing = False
        ended = float("-inf")
        while not stop.is_set():
            beat()
            with self._changed:
                if not self._waiting:
                    self._changed.wait(_BEAT_SECONDS)
                self._current = self._waiting.popleft() if self._waiting else None
                if self._current is None or stop.is_set():
                    continue
                self._interrupt.clear()
                heard = self._current
            try:
                if self._lead and self._player is not None and time.monotonic() - ended > _ASLEEP_SECONDS:
                    self._player.play(self._lead, self._interrupt)
                self._give(heard)
            except DeviceError as error:
                if not failing:
                    self._emit(DeviceLost("speech", "speech", str(error)))
                failing = True
            else:
                if failing:
                    self._emit(DeviceFound("speech", "speech", ""))
                failing = False
            ended = time.monotonic()
            with self._changed:
                self._current = None

    def wake(self) -> None:
        """Let `run` see that `stop` was set."""
        with self._changed:
            self._interrupt.set()
            self._changed.notify()

    def _put(self, heard: _Heard) -> None:
        if self._is_quiet():
            return
        with self._changed:
            if self._newest and (not heard.about or heard.about != self._about):
                self._waiting.clear()
                self._interrupt.set()
            self._about = heard.about
            self._waiting.append(heard)
            self._changed.notify()

    def _give(self, heard: _Heard) -> None:
        if heard.sound is None:
            self._voice.say(heard.text, heard.language, self._interrupt)
        elif self._player is not None:
            self._player.play(heard.sound, self._interrupt)
