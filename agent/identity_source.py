"""The device's own identity file: read with every way it can be wrong as one sentence, and looked at again and again.

Stricter than the library in one thing: a symlink is refused. The library's callers choose their files; this one lies
where a device expects it, is written by `thalovant-agent provision`, and whatever a link there leads to was not.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from agent import sealing
from agent.hub.errors import ThalovantIdentityError
from agent.hub.identity import ThalovantIdentity
from agent.record import record

_PROVISION = "thalovant-agent provision FILE"


def load_identity(path: Path) -> ThalovantIdentity:
    """The identity at `path`. Raises ThalovantIdentityError: one sentence that says what is wrong and what to do."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        raise ThalovantIdentityError(f"there is no {path}; put one there with: sudo {_PROVISION}") from None
    except OSError as error:
        raise ThalovantIdentityError(_unreadable(path, error)) from None
    if stat.S_ISLNK(mode):
        raise ThalovantIdentityError(
            f"{path} is a symlink; remove it, and put the file itself there with: {_PROVISION}"
        )
    try:
        # No environment: the exemption for a projected Secret is for links, and links are refused.
        return ThalovantIdentity.from_file(path, environ={})
    except ThalovantIdentityError as error:
        if isinstance(error.__cause__, OSError):
            raise ThalovantIdentityError(_unreadable(path, error.__cause__)) from None
        text = str(error)
        advice = "" if "chmod" in text else f"; put the file your workspace gave you there again with: {_PROVISION}"
        raise ThalovantIdentityError(text + advice) from None


def find_identity(
    path: Path,
    *,
    environ: Mapping[str, str],
    sealed: Path | None = sealing.SEALED,
    unopened: Path = sealing.UNOPENED,
) -> ThalovantIdentity:
    """The device's identity, wherever it is kept: the file at `path`, else what was sealed.

    What was sealed, systemd opens for the agent and nobody else; root can open it at `sealed`. A note at `unopened`
    says that it does not open here. Raises ThalovantIdentityError.
    """
    if not os.path.lexists(path):
        opened = sealing.credential(environ)
        if opened is not None:
            return _from_text(_text(opened))
        text = None if sealed is None else sealing.unseal(sealed)
        if text is not None:
            return _from_text(text)
        if unopened.exists():
            raise ThalovantIdentityError(
                "the sealed identity does not open on this machine: it was sealed to another card, board or TPM; bring "
                f"the file from your workspace again with: sudo {_PROVISION}"
            )
    return load_identity(path)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        raise ThalovantIdentityError(f"the sealed identity cannot be read; bring it again with: {_PROVISION}") from None


def _from_text(text: str) -> ThalovantIdentity:
    try:
        mapping = json.loads(text)
    except (ValueError, RecursionError):
        mapping = None  # not chained: the exception holds the text
    if not isinstance(mapping, Mapping):
        raise ThalovantIdentityError(f"the sealed identity is damaged; bring it again with: {_PROVISION}")
    return ThalovantIdentity.from_mapping(mapping)


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return (
            f"{path} cannot be read by this user; its owner must be the agent's user: sudo chown thalovant-agent {path}"
        )
    return f"{path} cannot be read: {(error.strerror or str(error)).lower()}; put it there again with: {_PROVISION}"


@record
class Looked:
    """What a look at the file found: an identity, or why there is none."""

    identity: ThalovantIdentity | None
    reason: str = ""


class IdentityFile:
    """The identity file of a running agent. Looking costs one system call while nothing changes. One thread uses it."""

    def __init__(
        self, path: Path, environ: Mapping[str, str] | None = None, *, unopened: Path = sealing.UNOPENED
    ) -> None:
        """`environ` says where systemd opened a sealed identity, which serves while there is no file.

        `unopened` is there when it could not.
        """
        self._path = path
        self._environ = environ or {}
        self._unopened = unopened
        self._seen: object = None

    def look(self) -> Looked | None:
        """What the file holds, when it is new or was changed since the last look; None when it is as it was."""
        sign = self._sign()
        if sign == self._seen:
            return None
        self._seen = sign
        try:
            return Looked(find_identity(self._path, environ=self._environ, sealed=None, unopened=self._unopened))
        except ThalovantIdentityError as error:
            return Looked(None, str(error))

    def forget(self) -> None:
        """Let the next look find the file new."""
        self._seen = None

    def _sign(self) -> object:
        """What differs whenever the file does: its place on the disk, its times, and who may read it."""
        try:
            found = os.lstat(self._path)
        except OSError as error:
            return error.errno
        return found.st_ino, found.st_dev, found.st_mtime_ns, found.st_ctime_ns, found.st_size
