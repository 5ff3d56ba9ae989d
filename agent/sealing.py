"""The identity sealed to its machine by systemd-creds, so that a copied file is worth nothing elsewhere.

The sealed file lies where systemd looks for credentials by name: `LoadCredentialEncrypted=thalovant-identity` in the
unit opens it for the agent alone, and is content when there is none. Without a TPM the machine's key lies on the same
card: that protects a copied file or a backup, not a stolen card.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent.hub.files import flush_directory, replace_file

NAME = "thalovant-identity"
SEALED = Path("/etc/credstore.encrypted") / NAME

_PROGRAM = "systemd-creds"
_SECONDS = 30.0  # a TPM takes its time


def credential(environ: Mapping[str, str]) -> Path | None:
    """The identity as systemd opened it for this process; None when it did not."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / NAME
    return path if folder and path.is_file() else None


def seal(text: str, place: Path = SEALED) -> bool:
    """Keep `text` sealed at `place`, on the disk and proved to open again; False where sealing does not work here."""
    sealed = _run("encrypt", f"--name={NAME}", "-", "-", given=text.encode())
    if not sealed:
        return False
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(place, sealed)
    except OSError:
        return False
    if unseal(place) == text:
        return True
    remove(place)
    return False


def unseal(place: Path = SEALED) -> str | None:
    """What `place` holds; None when there is nothing, or nothing that opens here, or nobody but root may know."""
    if os.geteuid() != 0 or not place.exists():
        return None
    opened = _run("decrypt", f"--name={NAME}", str(place), "-", given=b"")
    return None if opened is None else opened.decode(errors="replace")


def remove(place: Path = SEALED) -> None:
    """Have no sealed identity any more. Raises OSError."""
    if place.exists():
        place.unlink()
        flush_directory(place.parent)


def _run(*arguments: str, given: bytes) -> bytes | None:
    if shutil.which(_PROGRAM) is None:
        return None
    try:
        done = subprocess.run([_PROGRAM, *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
