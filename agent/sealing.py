"""The identity sealed to its machine by systemd-creds, so that a copied file is worth nothing elsewhere.

The sealed file lies where systemd looks for credentials by name: `LoadCredentialEncrypted=thalovant-identity` in the
unit opens it for the agent alone, and is content when there is none. Without a TPM the machine's key lies on the same
card: that protects a copied file or a backup, not a stolen card.

A unit whose credential does not open is not started at all. So `systemd/check-identity` looks first; one that does not
open, on another board or after a TPM was cleared, waits under another name, and a note says so to the agent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from agent.hub.files import flush_directory, replace_file

NAME = "thalovant-identity"
SEALED = Path("/etc/credstore.encrypted") / NAME
UNOPENED = Path("/run") / f"{NAME}.unopened"
"""The note of `check-identity`: there is a sealed identity, and it does not open on this machine."""

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
    if unseal(place) != text:
        remove(place)
        return False
    _forget_unopened(place)
    return True


def unseal(place: Path = SEALED) -> str | None:
    """What `place` holds; None when there is nothing, or nothing that opens here, or nobody but root may know."""
    if os.geteuid() != 0 or not place.exists():
        return None
    opened = _run("decrypt", f"--name={NAME}", str(place), "-", given=b"")
    return None if opened is None else opened.decode(errors="replace")


def is_kept(place: Path = SEALED) -> bool:
    """Whether there is a sealed identity, even one that does not open. Root alone can know."""
    return place.exists() or aside(place).exists()


def aside(place: Path) -> Path:
    """Where a sealed identity waits that does not open."""
    return place.with_name(f"{place.name}.unopened")


def remove(place: Path = SEALED) -> None:
    """Have no sealed identity any more. Raises OSError."""
    if place.exists():
        place.unlink()
        flush_directory(place.parent)
    _forget_unopened(place)


def _forget_unopened(place: Path) -> None:
    """One that opens, or none at all, takes the place of the one that did not."""
    if aside(place).exists():
        aside(place).unlink()
        flush_directory(place.parent)
    if place == SEALED:
        UNOPENED.unlink(missing_ok=True)


def _run(*arguments: str, given: bytes) -> bytes | None:
    import shutil
    import subprocess

    if shutil.which(_PROGRAM) is None:
        return None
    try:
        done = subprocess.run([_PROGRAM, *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
