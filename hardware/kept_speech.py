"""Speech from a program that is kept running: loading a voice takes seconds, speaking with it a fraction of one.

The program reads a line of text, writes what it makes of it as a WAV file into a folder, and then names the file in a
line of its own output, as piper does. So the end of each sentence is known, and stopping in the middle of the word is
the end of the player, while the program goes on and what it still makes of the last sentence is thrown away. A text is
given sentence by sentence: while one is heard the next one is made.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from hardware.facts import DeviceError
from hardware.sounds import SoundCommand
from hardware.speech import Voices, end_group, needs, shell
from hardware.stopping import wait_readable
from hardware.voices import LOAD_SECONDS

_LONGEST = 1000
"""Characters given at once: no sentence is as long, and a pipe takes two of them without waiting."""
_MEMORY = Path("/dev/shm")
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+")
_NAMED = re.compile(r"(/\S+\.wav)\s*$")


class KeptSpeech:
    """A voice, as a shell command that stays. `{voice}` and `{folder}` in it are filled in; one thread uses it.

    Only the voice used last is kept: each takes its own memory.
    """

    def __init__(
        self,
        command: str,
        player: SoundCommand,
        *,
        language: str = "en",
        voices: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        """`language` is the one whose voice is loaded first."""
        self._language = language
        self._command = command
        self._player = player
        self._voices = Voices(voices or {})
        self._timeout_seconds = timeout_seconds
        self._program: _Program | None = None

    def open(self) -> None:
        """Start loading the first voice, and wait for nothing. What is wrong with it the first text tells."""
        with contextlib.suppress(DeviceError):
            self._running(self._voices.of(self._language))

    def say(self, text: str, language: str, stop: threading.Event) -> None:
        """Speak, and return when it has been spoken or `stop` was set; at the latest after twice the timeout, and once
        a minute more.

        Raises DeviceError when the program or the player fails, is missing, or takes longer than it may; the program
        is started again for the next text.
        """
        try:
            program = self._running(self._voices.of(language))
            patience = self._timeout_seconds + (0.0 if program.loaded else LOAD_SECONDS)
            deadline = time.monotonic() + patience
            waiting = deque(sentences(text))
            if waiting:
                program.give(waiting.popleft())
            while program.owes and not stop.is_set():
                sound = program.take(stop, deadline)
                if sound is None:
                    if stop.is_set():
                        return
                    raise DeviceError(f"the speech program took longer than {patience:g} s and was ended")
                if waiting:
                    program.give(waiting.popleft())
                self._player.play(sound, stop)
        except DeviceError:
            self.close()
            raise

    def change(self, command: str) -> None:
        """Speak with this command from the next text on. From any thread."""
        self._command = command

    def close(self) -> None:
        """End the program. Raises nothing."""
        program, self._program = self._program, None
        if program is not None:
            program.end()

    def _running(self, voice: str) -> _Program:
        command = self._command
        if self._program is not None and (self._program.made_of != (voice, command) or not self._program.alive):
            self.close()
        if self._program is None:
            self._program = _Program(command, voice)
        self._program.forget()
        return self._program


class _Program:
    """The program with one voice, and what it owes."""

    def __init__(self, command: str, voice: str) -> None:
        self.made_of = (voice, command)
        memory = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="speech-", dir=memory, ignore_cleanup_errors=True)
        self._command = command.replace("{voice}", shlex.quote(voice)).replace(
            "{folder}", shlex.quote(self._folder.name)
        )
        try:
            self._process = subprocess.Popen(
                [*shell(), self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._folder.cleanup()
            raise DeviceError(f"the speech program cannot be started: {error.strerror or error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._said = b""
        self._last = ""
        self._stale = 0
        self.loaded = False
        """Whether it has spoken yet."""
        self.owes = 0
        """Sentences given whose sound has not come."""

    @property
    def alive(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def forget(self) -> None:
        """What is still to come belongs to a text nobody wants any more."""
        self._stale += self.owes
        self.owes = 0

    def give(self, sentence: str) -> None:
        """Have a sentence made."""
        try:
            os.write(self._input, sentence.encode("utf-8", "replace") + b"\n")
        except OSError:
            raise self._ended() from None
        self.owes += 1

    def take(self, stop: threading.Event, deadline: float) -> bytes | None:
        """The sound of the next sentence; None when `stop` was set, or `deadline` passed, first. Raises DeviceError."""
        while not stop.is_set():
            for line in self._lines():
                named = _NAMED.search(line)
                if named is None or Path(named[1]).parent != Path(self._folder.name):
                    self._last = line.strip() or self._last
                    continue
                self.loaded = True
                sound = self._read(Path(named[1]))
                if self._stale:
                    self._stale -= 1
                else:
                    self.owes -= 1
                    return sound
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if wait_readable(self._output, stop, left):
                data = os.read(self._output, 65_536)
                if not data:
                    raise self._ended()
                self._said += data
        return None

    def end(self) -> None:
        """End it, with everything it started."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        end_group(self._process)
        self._folder.cleanup()

    def _lines(self) -> Iterator[str]:
        while b"\n" in self._said:
            line, _, self._said = self._said.partition(b"\n")
            yield line.decode("utf-8", "replace")
        self._said = self._said[-4096:]

    def _read(self, path: Path) -> bytes:
        try:
            sound = path.read_bytes()
            path.unlink()
        except OSError as error:
            raise DeviceError(f"the speech program's sound cannot be read: {error.strerror or error}") from error
        return sound

    def _ended(self) -> DeviceError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return needs(self._command, "the speech program") or DeviceError(
            f"the speech program ended ({self._last[:200] or f'exit code {self._process.returncode}'})"
        )


def sentences(text: str) -> list[str]:
    """The text in pieces that can be spoken one after the other: sentences, each on one line. Pure.

    What has no letter and no digit is left out: there is nothing in it to be spoken, and piper 1.8 ends over it.
    """
    pieces = [" ".join(piece.split()) for line in text.splitlines() for piece in _SENTENCE.split(line)]
    cut = [piece[at : at + _LONGEST] for piece in pieces for at in range(0, len(piece), _LONGEST)]
    return [piece for piece in cut if any(character.isalnum() for character in piece)]
