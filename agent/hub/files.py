"""Small files that matter: replaced whole, read only when nobody else can read them.

The plug is pulled every night, so no file of ours is ever written in place. `replace_file` is the one
place that knows how: written beside, flushed to disk, renamed, and its directory flushed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agent.hub.errors import ThalovantIdentityError

_READ_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_LARGEST = 1 << 20  # an identity is about 2 KB; whatever is larger is another file


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` in the place of `path`, so that a reader sees the old bytes or the new, never a part.

    Both the bytes and the name are on disk when this returns. A symlink at `path` is itself replaced,
    not the file it names. Raises OSError, and then `path` is as it was.
    """
    temporary = write_beside(path, data, mode)
    try:
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    flush_directory(path.parent)


def create_file(path: Path, data: bytes, mode: int = 0o600) -> bool:
    """Put `data` at `path` unless something is there; False when something was, which is then untouched.

    The bytes are complete before the name exists: of two programs creating the same file one wins, and
    both then read what the winner wrote.
    """
    temporary = write_beside(path, data, mode)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        with suppress(OSError):
            temporary.unlink()
    flush_directory(path.parent)
    return True


def write_beside(path: Path, data: bytes, mode: int) -> Path:
    """Write and flush `data` to a new file in the directory of `path`; the caller gives it its name."""
    # Not tempfile's mkstemp, which brings shutil and with it three compressors.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def flush_directory(folder: Path) -> None:
    """Flush the names in `folder` to disk. Windows cannot open a directory, and needs no such flush."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_private(path: Path, what: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Return the text of `path`, which must be readable by its owner alone; `what` names it in errors.

    Raises ThalovantIdentityError when it is missing, unreadable, open to group or others, larger than
    1 MiB or not UTF-8. Wire reference, identity.md section 5: symlinks are followed, and one kind of
    path is exempt from the mode check, a file of a Kubernetes projected Secret. Windows has no such modes.
    """
    try:
        # Non-blocking, or a named pipe in the file's place would hold the start for ever.
        descriptor = os.open(path, _READ_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ThalovantIdentityError(f"{what} {path} is not a regular file")
            if os.name == "posix" and status.st_mode & 0o077 and not _is_projected_secret(path, environ):
                raise ThalovantIdentityError(f"{path} can be read by others; run chmod 600 {path}")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(_LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise ThalovantIdentityError(f"{what} {path} does not exist") from None
    except OSError as error:
        raise ThalovantIdentityError(f"{what} {path} cannot be read: {error.strerror or error}") from error
    if len(data) > _LARGEST:
        raise ThalovantIdentityError(f"{what} {path} is larger than 1 MiB; it is some other file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not chained: the exception carries the bytes, and the bytes are secrets.
        raise ThalovantIdentityError(f"{what} {path} is not UTF-8 text") from None


def _is_projected_secret(path: Path, environ: Mapping[str, str] | None) -> bool:
    environ = os.environ if environ is None else environ
    return "KUBERNETES_SERVICE_HOST" in environ and path.is_symlink() and (path.parent / "..data").is_symlink()
