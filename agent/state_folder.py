"""The folder a device keeps for itself: that it is one agent's only, the names it goes by, and whether it can last.

The outbox and the keys lie in here too, and look after themselves. A folder that cannot be written does not keep the
agent from starting: it reads its inputs and says what is wrong, and the names it made up last until it stops.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
from pathlib import Path

from agent.hub import messages
from agent.hub.errors import ThalovantError
from agent.hub.files import flush_directory, replace_file
from agent.hub.previous import Previous
from agent.record import record

log = logging.getLogger(__name__)

OUTBOX = "outbox.db"
KEYS = "hivemind"
"""The folder of the device's Noise keys and of its hub's pinned ones."""

_LOCK = "agent.lock"
_NAMES = "device.json"
_GOODBYE = "goodbye"
_MEMORY = frozenset({"tmpfs", "ramfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/self/mountinfo")


class StateFolderError(ThalovantError):
    """Another agent uses the folder."""


@record(kw_only=True)
class DeviceNames:
    """What the hub and the broker call this device's connections: random, and the same for as long as the folder is."""

    session_id: str
    """The device's own conversation, so that an answer that comes after a restart still finds it."""
    client_id: str
    """The MQTT client id; a new connection takes the place of a lost one with the same."""


class StateFolder:
    """The folder at `path`. One thread uses it, but for `said_goodbye` and `previous_session`, which are the link's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def claim(self) -> None:
        """Keep every other agent out, until `release` or the end of this process. Raises StateFolderError.

        A folder that cannot be written is told to the journal and claimed by nobody.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            facts = {"folder": str(self.path), "reason": error.strerror or str(error)}
            log.error("the state folder cannot be written; nothing can be accepted until it can", extra=facts)
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StateFolderError(
                f"another agent uses {self.path}; stop it first (systemctl stop thalovant-agent), "
                "or give this one a folder of its own in identity.state"
            ) from None
        self._lock = descriptor

    def release(self) -> None:
        """Let others in. Idempotent."""
        descriptor, self._lock = self._lock, -1
        if descriptor >= 0:
            os.close(descriptor)

    def names(self) -> DeviceNames:
        """The device's names, made up on the first call ever."""
        path = self.path / _NAMES
        known = _read_names(path)
        if known is not None:
            return known
        # 22 characters: MQTT 3.1.1 lets a broker refuse a client id of more than 23.
        names = DeviceNames(session_id=messages.new_session_id(), client_id=f"thalovant-{os.urandom(6).hex()}")
        text = json.dumps({"session_id": names.session_id, "mqtt_client_id": names.client_id}, indent=2)
        try:
            replace_file(path, text.encode() + b"\n")
        except OSError as error:
            facts = {"file": str(path), "reason": error.strerror or str(error)}
            log.warning("the device's names cannot be kept; they last until it stops", extra=facts)
        return names

    @property
    def previous_session(self) -> Previous:
        """What became of the last session. To be asked before `names`, which a device without a session has not."""
        if (self.path / _GOODBYE).exists():
            return Previous.GOODBYE
        return Previous.LOST if (self.path / _NAMES).exists() else Previous.NONE

    def said_goodbye(self, said: bool) -> None:
        """Note for the next start whether the hub was told goodbye. Raises nothing: being wrong costs a second."""
        mark = self.path / _GOODBYE
        with contextlib.suppress(OSError):
            if said:
                mark.touch(mode=0o600)
            elif mark.exists():
                mark.unlink()
                # On disk, since a mark that came back with the power would be believed.
                flush_directory(self.path)


def _read_names(path: Path) -> DeviceNames | None:
    try:
        known = json.loads(path.read_bytes())
        session_id, client_id = known["session_id"], known["mqtt_client_id"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        session_id = client_id = None
    if not all(isinstance(name, str) and name.strip() for name in (session_id, client_id)):
        log.warning("the device's names were damaged; it gets new ones", extra={"file": str(path)})
        return None
    return DeviceNames(session_id=session_id, client_id=client_id)


def in_memory(path: Path, *, mounts: Path = _MOUNTS) -> bool:
    """Whether what is written to `path` is lost with the power: a RAM disk, or an overlay over the system that is one.

    False where nobody can tell.
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return False
    found = _mount_of(path, lines)
    if found is None:
        return False
    kind, options = found
    if kind == "overlay":
        upper = next((option.removeprefix("upperdir=") for option in options if option.startswith("upperdir=")), "")
        beneath = _mount_of(Path(upper), lines) if upper.startswith("/") else None
        return beneath is not None and beneath[0] in _MEMORY
    return kind in _MEMORY


def _mount_of(path: Path, lines: list[str]) -> tuple[str, list[str]] | None:
    """The type and the options of the file system that holds `path` (proc(5), mountinfo)."""
    where = path.resolve()
    best: tuple[int, str, list[str]] | None = None
    for line in lines:
        mount, _, source = line.partition(" - ")
        fields, more = mount.split(), source.split()
        if len(fields) < 5 or len(more) < 3:
            continue
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))  # a space is written \040
        # Not less than: of two mounts on one place the later hides the earlier.
        if where.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), more[0], more[2].split(","))
    return None if best is None else (best[1], best[2])
