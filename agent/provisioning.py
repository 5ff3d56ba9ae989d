"""Taking an identity over from a file somebody brought along: check it, put it in its place, erase the original.

The original comes on a memory card, a stick or a download, readable by anyone: that is forgiven, and ended. The place
is written whole or not at all, so a plug pulled in the middle leaves the old identity or the new one, and the original
is erased only when its copy is on the disk.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from agent import sealing
from agent.hub.errors import ThalovantError, ThalovantIdentityError
from agent.hub.files import flush_directory, write_beside
from agent.hub.identity import ThalovantIdentity
from agent.identity_source import find_identity
from agent.record import record

_LARGEST = 1 << 20  # bytes; an identity has about 2000
_USER = "thalovant-agent"


class ProvisioningError(ThalovantError):
    """The identity was not taken over, and everything is as it was."""


@record(kw_only=True)
class Provisioned:
    """An identity that is in its place."""

    identity: ThalovantIdentity
    path: Path
    trouble: str = ""
    """Why the original is still there, and what to do; empty when it is gone."""
    was_there: bool = False
    """It was in place already, and nothing was written."""
    sealed: bool = False
    """It is sealed: systemd opens it for an agent that starts."""


def provision(
    source: Path, target: Path, *, state: Path, replace: bool = False, sealed: Path | None = sealing.SEALED
) -> Provisioned:
    """Put the identity in `source` at `target`, readable by the agent's user alone, and erase `source`.

    `state` is the agent's folder: where root does this, the file is given to whoever owns that. With another identity
    that works in place already, here or at `sealed`, `replace` must say that it may go. A device whose identity was
    sealed keeps the new one sealed. A running agent takes a file up by itself. Raises ProvisioningError.
    """
    if _same(source, target):
        raise ProvisioningError(f"{source} is the device's identity file already")
    text = read_source(source)
    done = install(text, target, name=str(source), state=state, replace=replace, sealed=sealed)
    return dataclasses.replace(done, trouble=erase(source))


def provision_text(
    text: str, target: Path, *, state: Path, replace: bool = False, sealed: Path | None = sealing.SEALED
) -> Provisioned:
    """The same for an identity that came through a pipe."""
    return install(text, target, name="what was given", state=state, replace=replace, sealed=sealed)


def install(
    text: str, target: Path, *, name: str, state: Path, replace: bool, sealed: Path | None, seal: bool = False
) -> Provisioned:
    """Put an identity in its place, whole and on the disk: sealed when one was, or with `seal`, where that works.

    `name` is what messages call its source. Raises ProvisioningError.
    """
    identity = _parsed(text, name)
    try:
        present = find_identity(target, environ={}, sealed=sealed)
    except ThalovantIdentityError:
        present = None  # nothing there, or nothing that works: nobody misses it
    if present == identity:
        return Provisioned(identity=identity, path=_place(target, sealed), was_there=True)
    if present is not None and not replace:
        raise ProvisioningError(
            f"{_place(target, sealed)} holds another identity that works (site {present.site_id}); "
            "to give that up, say it again with --replace"
        )
    try:
        if sealed is not None and (seal or sealing.is_kept(sealed)) and sealing.seal(text, sealed):
            # The file goes last: until then it is the one in use, and the source is still there to do this again.
            if os.path.lexists(target):
                erase(target)
            return Provisioned(identity=identity, path=sealed, sealed=True)
        _write(text, target, state)
        if sealed is not None:
            sealing.remove(sealed)
    except OSError as error:
        advice = "; run this with sudo" if isinstance(error, PermissionError) else ""
        raise ProvisioningError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}{advice}"
        ) from None
    return Provisioned(identity=identity, path=target)


def identity_in(source: Path) -> ThalovantIdentity:
    """The identity in a file somebody brought along. Raises ProvisioningError."""
    return _parsed(read_source(source), str(source))


def _place(target: Path, sealed: Path | None) -> Path:
    """Where the identity in use lies; the file goes before the sealed one."""
    return sealed if sealed is not None and not os.path.lexists(target) and sealed.exists() else target


def _write(text: str, target: Path, state: Path) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)  # whatever root's umask is: the agent's user must get to its file
    temporary = write_beside(target, text.encode(), 0o600)
    try:
        owner = _owner(state)
        if owner is not None:
            os.chown(temporary, *owner)
        os.replace(temporary, target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_directory(target.parent)


def read_source(source: Path) -> str:
    """The text somebody brought along. Raises ProvisioningError."""
    try:
        with source.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ProvisioningError(f"{source} cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(data) > _LARGEST:
        raise ProvisioningError(f"{source} is larger than 1 MiB; it is some other file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not chained, here and below: the exception holds the text, and the text holds secrets.
        raise ProvisioningError(f"{source} is not UTF-8 text; it is some other file") from None


def _parsed(text: str, name: str) -> ThalovantIdentity:
    try:
        mapping = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise ProvisioningError(f"{name} is not valid JSON: {place}; fetch it from your workspace again") from None
    except (ValueError, RecursionError):
        raise ProvisioningError(f"{name} is not valid JSON; fetch it from your workspace again") from None
    if not isinstance(mapping, Mapping):
        raise ProvisioningError(f"{name} must hold one JSON object; fetch it from your workspace again")
    try:
        return ThalovantIdentity.from_mapping(mapping)
    except ThalovantIdentityError as error:
        raise ProvisioningError(f"{name}: {error}; fetch it from your workspace again") from None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _owner(state: Path) -> tuple[int, int] | None:
    """Whose the file must be: the owner of the agent's folder, else the agent's user; None to leave it as it is."""
    if os.geteuid() != 0:
        return None  # nobody else can give a file away
    try:
        folder = state.stat()
    except OSError:
        try:
            user = pwd.getpwnam(_USER)
        except KeyError:
            return None
        return user.pw_uid, user.pw_gid
    return folder.st_uid, folder.st_gid


def erase(source: Path) -> str:
    """Overwrite and remove the original; why it is still there, or nothing.

    A card moves what is written to another cell, so the old bytes may survive inside it: what left its hands this way
    should be an identity nobody else has a copy of, not a secret hidden well.
    """
    try:
        path = source.resolve(strict=True)
        with path.open("r+b") as file:
            file.write(b"\0" * os.fstat(file.fileno()).st_size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        flush_directory(path.parent)
        if source.is_symlink():
            source.unlink()
    except OSError as error:
        return f"{source} still holds the identity and could not be erased ({error.strerror or error}); destroy it"
    return ""
