"""One archive for whoever has to find out from afar what is wrong: journal, status, findings, configuration, versions.

Every text passes the journal's Redactor with the identity's secrets before it is written, and what is JSON is cleaned
string by string first, since a secret with a quote in it looks different inside JSON. What people scanned is in no
journal above `debug`; what an earlier `debug` wrote there is in the report too, and the first line of it says so.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import platform
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import config as configuration
from agent import status
from agent.config import Config, ConfigError
from agent.control_socket import ControlError, ask_agent
from agent.doctor import examine
from agent.hub.errors import ThalovantIdentityError
from agent.hub.identity import ThalovantIdentity
from agent.identity_source import find_identity
from agent.journal import Redactor

_UNIT = "thalovant-agent"
_SECONDS = 20.0
_LARGEST = 8 << 20  # bytes of one part; the end of a journal is what matters
_HEAD = "Made by `thalovant-agent report`. Access keys, passwords and topics are masked.\n"
_DEBUG = "The log level is debug: the journal holds what people scanned and heard.\n"

Run = Callable[[Sequence[str]], str]

COMMANDS: dict[str, Sequence[str]] = {
    "journal.txt": (
        "journalctl",
        f"--unit={_UNIT}",
        "--unit=thalovant-provision",
        "--unit=thalovant-identity",
        "--no-pager",
        "-n",
        "20000",
        "-o",
        "short-iso",
    ),
    "kernel.txt": ("journalctl", "--dmesg", "--no-pager", "-n", "500"),
    "unit.txt": ("systemctl", "show", _UNIT, "--no-pager"),
    "boots.txt": ("journalctl", "--list-boots", "--no-pager"),
    "disk.txt": ("df", "-h"),
    "ports.txt": ("ls", "-lR", "/dev/serial", "/dev/scanner"),
    "address.txt": ("ip", "-brief", "address"),
}
"""What is asked of the system, by the name it has in the archive."""


def run_command(command: Sequence[str]) -> str:
    """What a command writes; why it did not run, where it did not."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}\n"
    return (done.stdout[-_LARGEST:] + done.stderr[-_LARGEST:]).decode(errors="replace")


def write_report(target: Path, *, config: Path | None = None, run: Run = run_command) -> list[str]:
    """Write the archive, a .tar.gz only its owner may read; the names of its parts. Raises OSError."""
    redactor = Redactor()
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            names = []
            for name, text in _parts(config, redactor, run):
                data = redactor.clean(text).encode(errors="replace")
                entry = tarfile.TarInfo(f"thalovant-report/{name}")
                entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
                archive.addfile(entry, io.BytesIO(data))
                names.append(name)
        file.flush()
        os.fsync(file.fileno())
    return names


def _parts(path: Path | None, redactor: Redactor, run: Run) -> Iterator[tuple[str, str]]:
    source = path or configuration.DEFAULT_PATH
    try:
        config, problem = configuration.load(path), ""
    except ConfigError as error:
        config, problem = Config(), str(error)
    identity, trouble = _identity(config)
    if identity is not None:
        redactor.add(*_secrets(identity))
    yield "README.txt", _HEAD + (_DEBUG if config.log.level == "debug" else "")
    yield (
        "versions.json",
        _json({"agent": status.version(), **status.versions(), "machine": platform.machine()}, redactor),
    )
    shown = identity.as_dict(include_secrets=False) if identity is not None else {"trouble": trouble}
    yield "identity.json", _json(shown, redactor)
    try:
        yield "agent.toml", (f"# {problem}\n" if problem else "") + source.read_text(errors="replace")
    except OSError as error:
        yield "agent.toml", f"# {error.strerror}\n"
    try:
        answer = ask_agent(config.control.socket, {"command": "status"}, _SECONDS)
    except ControlError as error:
        answer = {"ok": False, "error": str(error)}
    answer.pop("refused_scans", None)  # what people scanned stays on the device
    yield "status.json", _json(answer, redactor)
    yield "doctor.json", _json([dataclasses.asdict(finding) for finding in examine(path)], redactor)
    for name, command in COMMANDS.items():
        yield name, run(command)


def _identity(config: Config) -> tuple[ThalovantIdentity | None, str]:
    try:
        return find_identity(config.identity.file, environ=os.environ), ""
    except ThalovantIdentityError as error:
        return None, str(error)


def _secrets(identity: ThalovantIdentity) -> Iterator[str]:
    yield from (identity.access_key, identity.password)
    if identity.mqtt is not None:
        yield from (identity.mqtt.username, identity.mqtt.password, identity.mqtt.topic_prefix or "")


def _json(value: Any, redactor: Redactor) -> str:
    return json.dumps(_cleaned(value, redactor), indent=2, ensure_ascii=False, default=str) + "\n"


def _cleaned(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(item, redactor) for key, item in value.items()}
    return [_cleaned(item, redactor) for item in value] if isinstance(value, list | tuple) else value
