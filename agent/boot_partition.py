"""An identity dropped on the boot partition, taken over before the agent starts.

A card is written on some PC: its boot partition is the one part every PC can read, and the one everybody can. So the
file is taken in, sealed where the machine can do that, on the disk before it is touched, then overwritten and removed.
A plug pulled at any step leaves either the file, and the next start does it again, or the identity in its place, and
the next start removes the file. A file that cannot be used stays where it is, with the reason in words beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path

from agent import provisioning, sealing
from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import flush_directory, replace_file
from agent.hub.identity import ThalovantIdentity
from agent.identity_source import find_identity
from agent.provisioning import Provisioned, ProvisioningError
from agent.record import record

FOLDERS = (Path("/boot/firmware"), Path("/boot"))
"""Where Raspberry Pi OS mounts it: since Bookworm, and before."""

FILE = "thalovant-identity.json"
REASON = "thalovant-identity.error.txt"
_HALF_ERASED = "\0"
"""What `provisioning.erase` writes, and no JSON has."""
MARKER = "replace"
"""`"replace": true` in the file says that another identity, which works, may go."""


@record(kw_only=True)
class Taken:
    """One file that was found."""

    source: Path
    done: Provisioned | None
    reason: str = ""
    """Why it was not taken; empty when it was."""


def take(
    target: Path,
    *,
    state: Path,
    folders: Iterable[Path] = FOLDERS,
    replace: bool = False,
    sealed: Path | None = sealing.SEALED,
) -> list[Taken]:
    """Take over what lies in `folders`; one entry for each file found, and none when there is nothing to do.

    `target` and `state` are as for `provision`; `sealed` is where a sealed identity goes, None to seal nothing.
    """
    found = []
    for folder in folders:
        source = folder / FILE
        if not source.exists():
            continue
        try:
            done = _take(source, target, state=state, replace=replace, sealed=sealed)
        except ProvisioningError as error:
            _write_reason(folder / REASON, str(error))
            found.append(Taken(source=source, done=None, reason=str(error)))
        else:
            with contextlib.suppress(OSError):
                (folder / REASON).unlink(missing_ok=True)
            found.append(Taken(source=source, done=done, reason=done.trouble))
    return found


def _take(source: Path, target: Path, *, state: Path, replace: bool, sealed: Path | None) -> Provisioned:
    text = provisioning.read_source(source)
    if _HALF_ERASED in text and (present := _working(target, sealed)) is not None:
        # The plug was pulled while it was overwritten, and that begins when its copy is on the disk.
        done = Provisioned(identity=present, path=target, was_there=True)
        return dataclasses.replace(done, trouble=provisioning.erase(source))
    text, marked = _without_marker(text)
    done = provisioning.install(
        text, target, name=str(source), state=state, replace=replace or marked, sealed=sealed, seal=sealed is not None
    )
    return dataclasses.replace(done, trouble=provisioning.erase(source))


def _working(target: Path, sealed: Path | None) -> ThalovantIdentity | None:
    try:
        return find_identity(target, environ={}, sealed=sealed)
    except ThalovantIdentityError:
        return None


def _without_marker(text: str) -> tuple[str, bool]:
    """The identity alone, and whether the marker stood in it. What is no JSON object is passed on, to be refused."""
    try:
        mapping = json.loads(text)
    except (ValueError, RecursionError):
        return text, False
    if not isinstance(mapping, dict) or MARKER not in mapping:
        return text, False
    marked = mapping.pop(MARKER) is True
    return json.dumps(mapping, indent=2), marked


def _write_reason(path: Path, reason: str) -> None:
    """For whoever puts the card into a PC: with the line ends every editor there shows."""
    text = f"{FILE} was not used:\r\n\r\n    {reason}\r\n\r\nThis device keeps what it had.\r\n"
    if f'"{MARKER}"' not in text and "--replace" in reason:
        text += f'To give that up, add "{MARKER}": true to {FILE} and start the device again.\r\n'
    try:
        if not path.exists() or path.read_bytes() != text.encode():
            replace_file(path, text.encode(), 0o644)
            os.sync()  # FAT keeps its table in memory for long
            flush_directory(path.parent)
    except OSError:
        return  # a card locked against writing; the journal has the reason too
