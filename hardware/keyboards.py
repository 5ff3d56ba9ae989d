"""Keyboards of this machine, as the kernel's evdev shows them: found, held for one program, and read.

No library: the only one needs a compiler on the device for what are two ioctls and a struct. The calls and the struct
are those of linux/input.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from agent.record import record
from hardware.facts import DeviceError
from hardware.ports import PortMissingError
from hardware.stopping import wait_readable

_EVENT = struct.Struct("@llHHi")  # struct input_event: seconds, microseconds, type, code, value
_EV_SYN, _EV_KEY = 0, 1
_SYN_REPORT, _SYN_DROPPED = 0, 3
_GRAB = 0x40044590  # EVIOCGRAB
_SYSTEM = Path("/sys/class/input")
_KEYS_OF_A_CODE = (*range(2, 12), 28)
"""The digits and Enter: what has them types codes; a keyboard's second device for its volume keys has not."""


@record
class Key:
    """A key that went down (1), went up (0) or is held (2)."""

    code: int
    value: int


def find(where: str, system: Path = _SYSTEM) -> str:
    """The path of the keyboard at `where`: a path or a pattern of paths, or `vendor:product` as `lsusb` shows them.

    Raises PortMissingError while there is none.
    """
    if "/" in where:
        paths = [where] if os.path.lexists(where) else sorted(glob.glob(where))
        if not paths:
            raise PortMissingError(f"there is no keyboard {where}")
        return paths[0]
    wanted = where.lower()
    for path, numbers, _ in present(system):
        if numbers == wanted:
            return path
    raise PortMissingError(f"no keyboard with the numbers {where} is plugged in")


def present(system: Path = _SYSTEM) -> Iterator[tuple[str, str, str]]:
    """The keyboards of this machine that could type a code: path, `vendor:product`, name."""
    for folder in sorted(system.glob("event*"), key=lambda folder: (len(folder.name), folder.name)):
        device = folder / "device"
        try:
            keys = _bits((device / "capabilities" / "key").read_text(encoding="ascii"))
            vendor, product = (
                (device / "id" / name).read_text(encoding="ascii").strip() for name in ("vendor", "product")
            )
            name = (device / "name").read_text(encoding="utf-8", errors="replace").strip()
        except (OSError, ValueError):
            continue  # it went away while we looked
        if all(keys >> key & 1 for key in _KEYS_OF_A_CODE):
            yield f"/dev/input/{folder.name}", f"{vendor}:{product}".lower(), name


class Keyboard:
    """An open keyboard that types for nobody but us. One thread uses it."""

    def __init__(self, path: str, *, grab: bool = True) -> None:
        """Open and grab the keyboard. Raises PortMissingError or DeviceError."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _explained(path, error) from error
        self.name = path
        self._events = EventReader()
        if grab:
            try:
                fcntl.ioctl(self._descriptor, _GRAB, 1)
            except OSError as error:
                os.close(self._descriptor)
                raise _explained(path, error) from error

    def wait(self, stop: threading.Event, timeout: float) -> bool:
        """Whether there are keys, or the keyboard is gone; False after `timeout` seconds or on `stop`."""
        return wait_readable(self._descriptor, stop, timeout)

    def read(self) -> list[Key | None]:
        """The keys that have come, without waiting; None where some were lost. Raises OSError when it is gone."""
        try:
            data = os.read(self._descriptor, 64 * _EVENT.size)
        except BlockingIOError:
            return []
        if not data:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return self._events.feed(data)

    def close(self) -> None:
        """Let the keyboard type for others again. Raises nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


class EventReader:
    """Cuts the kernel's stream of events into keys. Pure: how the reads were cut plays no part."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropped = False

    def feed(self, data: bytes) -> list[Key | None]:
        """The keys that `data` completes; None where the kernel says that some were lost.

        What comes between that word and the next report belongs to what was lost (Linux, event-codes, SYN_DROPPED).
        """
        data = self._rest + data
        whole = len(data) - len(data) % _EVENT.size
        self._rest = data[whole:]
        keys: list[Key | None] = []
        for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole]):
            if kind == _EV_SYN and code == _SYN_DROPPED:
                self._dropped = True
                keys.append(None)
            elif kind == _EV_SYN and code == _SYN_REPORT:
                self._dropped = False
            elif kind == _EV_KEY and not self._dropped:
                keys.append(Key(code, value))
        return keys


def _bits(words: str) -> int:
    """A capability as sysfs writes it: words of the machine's size, the highest first."""
    width = struct.calcsize("@l") * 8
    number = 0
    for word in words.split():
        number = number << width | int(word, 16)
    return number


def _explained(path: str, error: OSError) -> DeviceError:
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}:
        return PortMissingError(f"there is no keyboard {path}")
    if error.errno == errno.EBUSY:
        return DeviceError(f"{path}: another program has grabbed it; stop that program (fuser -v {path} names it)")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DeviceError(f"{path}: permission denied; add the agent's user to the group input")
    if error.errno in {errno.ENOTTY, errno.EINVAL}:
        return DeviceError(f"{path} is no keyboard")
    return DeviceError(f"{path} cannot be opened: {error.strerror}")
