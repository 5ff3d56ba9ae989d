"""Speech: any command that reads text from its standard input and returns when it has spoken.

The text comes from a hub and is given as it is, on standard input only: as an argument it could be an option, and
espeak-ng has options that read files aloud. Nothing of it can reach the shell. The command runs in a process group of
its own, so that a pipeline ends as a whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from hardware.facts import DeviceError
from hardware.stopping import wait_readable

_GRACE_SECONDS = 1.0
"""Between asking a command to end and making it."""
_LONGEST_COMPLAINT = 200  # characters
_PIPE_CLOSED = 128 + signal.SIGPIPE
"""What a shell says of a program whose reader had enough: no failure."""
_SHELL_WORDS = frozenset({"{", "}", "!", "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "exec"})
"""Behind these a command begins."""
_BUILT_IN = frozenset(
    {".", ":", "cd", "command", "eval", "exit", "export", "for", "read", "set", "shift", "trap", "ulimit"}
    | {"umask", "unset", "wait"}
)
"""What the shell does itself, as far as no program of the name is in Debian."""


_PACKAGES: Mapping[str, str] = {"aplay": "alsa-utils", "paplay": "pulseaudio-utils", "pw-play": "pipewire-bin"}
"""Debian's package of a program, where it has another name."""
_ELSEWHERE: Mapping[str, str] = {
    "piper": "python3 -m venv /opt/piper && /opt/piper/bin/pip install piper-tts && "
    "ln -s /opt/piper/bin/piper /usr/local/bin/"
}
"""How to get what Debian has not got; its package of that name is a program for mice."""


class SpeechCommand:
    """A voice, as a shell command.

    `{voice}` in `command` becomes the voice that `voices` has for the text's language, else the language's first part;
    it is quoted for the shell. One thread uses it.
    """

    def __init__(self, command: str, *, voices: Mapping[str, str] | None = None, timeout_seconds: float = 30.0) -> None:
        self._command = command
        self._voices = Voices(voices or {})
        self._timeout_seconds = timeout_seconds

    def change(self, command: str) -> None:
        """Speak with this command from the next text on. Any thread."""
        self._command = command

    def say(self, text: str, language: str, stop: threading.Event) -> None:
        """Speak, and return when it has been spoken or `stop` was set; the command does not outlive the call.

        Raises DeviceError when the command fails, a program in it is missing, or it takes longer than it may.
        """
        command = self._command.replace("{voice}", shlex.quote(self._voices.of(language)))
        feed(command, text.encode("utf-8", "replace"), stop, self._timeout_seconds, name="the speech command")

    def open(self) -> None:
        """There is nothing to get ready."""

    def close(self) -> None:
        """Nothing of it is left running."""


class Voices:
    """Which voice speaks which language."""

    def __init__(self, voices: Mapping[str, str]) -> None:
        self._voices = {language.lower(): voice for language, voice in voices.items()}

    def of(self, language: str) -> str:
        """The voice for a language; one nobody configured gets its first part, "en" of "en-us"."""
        known = self._voices.get(language.lower().replace("_", "-"))
        if known is not None:
            return known
        first = re.match(r"[a-z]{2,8}(?![^-_])", language.lower())  # the hub may call anything a language
        name = first[0] if first else "en"
        return self._voices.get(name, name)


def feed(command: str, data: bytes, stop: threading.Event, timeout_seconds: float, *, name: str) -> None:
    """Run the shell command with `data` on its standard input, until it ends or `stop` is set.

    Raises DeviceError when it fails, a program in it is missing, or it takes longer than it may; `name` is what the
    sentence calls it.
    """
    with _memory(data) as given, _memory() as complaints:
        try:
            process = subprocess.Popen(
                [*shell(), command],
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceError(f"{name} cannot be started: {error.strerror or error}") from error
        if not _ended(process, stop, timeout_seconds):
            end_group(process)
            if stop.is_set():
                return
            raise DeviceError(f"{name} took longer than {timeout_seconds:g} s and was ended")
        code = process.wait()
        if code not in {0, _PIPE_CLOSED} and not stop.is_set():
            raise needs(command, name) or DeviceError(
                f"{name} failed ({_last_line(complaints) or f'exit code {code}'})"
            )


def needs(command: str, name: str) -> DeviceError | None:
    """What to install, where the command of this name failed for want of a program."""
    missing = missing_programs(command)
    return DeviceError(f"{name} needs {' and '.join(missing)}: {advice(missing)}") if missing else None


def missing_programs(command: str) -> list[str]:
    """The programs that `command` names and this machine has not got, as far as one can tell without running it."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    missing: list[str] = []
    begins = True
    try:
        for word in lexer:
            if set(word) <= set("|&;()"):
                begins = True
            elif begins and not re.match(r"\w+=", word) and word not in _SHELL_WORDS:
                begins = False
                if word not in _BUILT_IN and word not in missing and shutil.which(word) is None:
                    missing.append(word)
    except ValueError:  # a quote without its partner: the shell will say so
        return []
    return missing


def advice(missing: Sequence[str]) -> str:
    """How to get these programs."""
    packages = sorted({_PACKAGES.get(program, program) for program in missing if program not in _ELSEWHERE})
    ways = [f"apt install {' '.join(packages)}"] if packages else []
    return ", and ".join([*ways, *(_ELSEWHERE[program] for program in missing if program in _ELSEWHERE)])


def shell() -> list[str]:
    """What runs a command."""
    # A pipeline should fail when any part of it does: a player without a synthesiser before it plays nothing, happily.
    bash = shutil.which("bash")
    return [bash, "-o", "pipefail", "-c"] if bash else ["/bin/sh", "-c"]


def _memory(data: bytes = b"") -> BinaryIO:
    """A file in memory, to be read from its start: unlike a pipe it takes everything at once and never waits."""
    file = os.fdopen(os.memfd_create("speech"), "w+b")
    file.write(data)
    file.seek(0)
    return file


def _ended(process: subprocess.Popen[bytes], stop: threading.Event, seconds: float) -> bool:
    """Whether the process ended by itself within `seconds` and before `stop` was set. It is not reaped yet."""
    deadline = time.monotonic() + seconds
    descriptor = os.pidfd_open(process.pid)
    try:
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
            if wait_readable(descriptor, stop, left):
                return True
        return False
    finally:
        os.close(descriptor)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and its whole group, and wait for it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
            break
    # Whoever ignored SIGTERM may have outlived the first one; the group's number is its own for as long as it lives.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 4096, 0))
    lines = [" ".join(line.split()) for line in file.read().decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:_LONGEST_COMPLAINT]
