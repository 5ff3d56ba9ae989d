"""Serial ports: opened, read and given back.

pySerial knows the URLs (`socket://`, `rfc2217://`, `loop://`) and the names of what is plugged in, and is used for
both. A port of this machine is opened here, with termios. pySerial flushes the input whenever it opens a port, so a
code scanned while the agent restarts would be gone, and it cannot take over a descriptor that systemd kept open
meanwhile. `SerialPort` drops nothing, and `SerialPort.adopt` takes such a descriptor.

A port is held for one program: by `flock`, which pySerial's `exclusive` and this module respect and which also stops
root, and by TIOCEXCL, which stops everybody else. Two readers would each get half of every code.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import socket
import stat
import termios
import threading
from typing import TYPE_CHECKING, Protocol

from hardware.facts import DeviceError
from hardware.stopping import wait_readable

if TYPE_CHECKING:
    import serial

_READ_BYTES = 4096
_GONE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}
_BLIND_SECONDS = 0.3
"""The wait for a first byte where nothing can be polled; only `loop://`, `rfc2217://` and their like."""


class PortMissingError(DeviceError):
    """There is no such port, at least for now."""


class Port(Protocol):
    """What a scanner needs of a port. One thread uses it."""

    name: str
    """Where it is, for people."""

    def wait(self, stop: threading.Event, timeout: float, wake: int = -1) -> bool:
        """Whether there is something to read, or the port is gone; False after `timeout` seconds or on `stop`.

        False too when the descriptor `wake` can be read, where the port can be polled.
        """
        ...

    def read(self) -> bytes:
        """What has come, without waiting; may be empty. Raises OSError when the port is gone."""
        ...

    def write(self, data: bytes) -> None:
        """Send a command, which is short. Raises OSError when the port is gone or takes nothing."""
        ...

    def close(self) -> None:
        """Give the port back. Raises nothing."""
        ...


class SerialPort:
    """A serial port of this machine: raw, eight bits, no parity, one stop bit, no flow control."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name
        self.kept = False
        """Whether somebody holds the same open port for our return, and it is to stay closed to all others."""

    @classmethod
    def open(cls, path: str, baud: int) -> SerialPort:
        """The port at `path`, with all that it received before. Raises PortMissingError or DeviceError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _explained(path, error) from error
        try:
            return cls.adopt(descriptor, path, baud)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def adopt(cls, descriptor: int, name: str, baud: int) -> SerialPort:
        """A port from a descriptor that is open already, and is the port's from now on.

        Raises PortMissingError or DeviceError, and leaves the descriptor to the caller.
        """
        try:
            # The lock first: whoever holds the port must not find its speed changed.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.set_blocking(descriptor, False)
            _make_raw(descriptor, name, baud)
            fcntl.ioctl(descriptor, termios.TIOCEXCL)
        except OSError as error:
            raise _explained(name, error) from error
        return cls(descriptor, name)

    def fileno(self) -> int:
        """The open descriptor, to be polled or to be kept by systemd."""
        return self._descriptor

    def wait(self, stop: threading.Event, timeout: float, wake: int = -1) -> bool:
        """Whether there is something to read, or the port is gone; False after `timeout` seconds or on `stop`.

        False too when the descriptor `wake` can be read.
        """
        return wait_readable(self._descriptor, stop, timeout, wake)

    def read(self) -> bytes:
        """What has come, without waiting; may be empty. Raises OSError when the port is gone."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:  # a USB port that was pulled out ends like a file; a pty fails with EIO
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    def write(self, data: bytes) -> None:
        """Send a command, which is short. Raises OSError when the port is gone or takes nothing."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Give the port back. Raises nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            # The mark would outlive us where somebody else keeps the port open. A port that is gone has none.
            if not self.kept:
                with contextlib.suppress(OSError):
                    fcntl.ioctl(descriptor, termios.TIOCNXCL)
            os.close(descriptor)


class UrlPort:
    """Any port that pySerial reaches by URL. What a far port received before it was opened is lost."""

    def __init__(self, url: str, baud: int) -> None:
        """Open `url`. Waits up to 5 s for a host that does not answer. Raises PortMissingError or DeviceError."""
        try:
            import serial  # on first use: a device with a USB scanner never needs it
        except ImportError as error:
            raise DeviceError(f"{url} needs pySerial: apt install python3-serial") from error
        try:
            self._port: serial.SerialBase = serial.serial_for_url(url, baudrate=baud, timeout=0)
        except ValueError as error:
            raise DeviceError(f"{url} is no port that pySerial knows: {error}") from error
        except OSError as error:
            raise PortMissingError(f"{url} does not answer: {error}") from error
        self.name = url
        self._first = b""
        try:
            self._descriptor = self._port.fileno()
        except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
            self._descriptor = -1
        if url.startswith("socket:"):
            self._keep_alive()

    def wait(self, stop: threading.Event, timeout: float, wake: int = -1) -> bool:
        """Whether there is something to read, or the port is gone; False after `timeout` seconds or on `stop`.

        Where pySerial has nothing to poll, this reads ahead for a moment instead, and `wake` is not heard.
        """
        if self._descriptor >= 0:
            return wait_readable(self._descriptor, stop, timeout, wake)
        self._port.timeout = min(_BLIND_SECONDS, timeout)
        self._first = self._port.read(1)
        self._port.timeout = 0
        return bool(self._first)

    def read(self) -> bytes:
        """What has come, without waiting; may be empty. Raises OSError when the port is gone."""
        first, self._first = self._first, b""
        return first + self._port.read(_READ_BYTES)

    def write(self, data: bytes) -> None:
        """Send a command, which is short. Raises OSError when the port is gone."""
        self._port.write(data)

    def close(self) -> None:
        """Give the port back. Raises nothing."""
        with contextlib.suppress(OSError):  # the far end was faster
            self._port.close()

    def _keep_alive(self) -> None:
        """A serial server that lost its power says nothing: without probes a dead scanner looks like an idle one."""
        with socket.socket(fileno=os.dup(self._descriptor)) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
            twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
            twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def open_port(where: str, baud: int) -> Port:
    """The port at a path, at the first path that fits a pattern and is free, or at a pySerial URL.

    Raises PortMissingError, or DeviceError for a port that is there and cannot be used.
    """
    if "://" in where:
        return UrlPort(where, baud)
    if os.path.lexists(where) or not glob.has_magic(where):
        return SerialPort.open(where, baud)
    trouble: DeviceError = PortMissingError(f"no serial port fits {where}")
    for path in sorted(glob.glob(where)):
        try:
            return SerialPort.open(path, baud)
        except DeviceError as error:
            trouble = error
    raise trouble


def adopt_port(descriptor: int, where: str, baud: int) -> SerialPort | None:
    """The port that was kept open for us, with all that it received meanwhile; None, and closed, when it is of no use.

    That is so when `where` leads to another device by now, because it was plugged in again or the configuration was
    changed, and when the port is gone.
    """
    try:
        device = os.fstat(descriptor)
        here = next((path for path in _paths(where) if os.stat(path).st_rdev == device.st_rdev), None)
        if here is None or not stat.S_ISCHR(device.st_mode):
            raise PortMissingError(f"{where} is another port by now")
        return SerialPort.adopt(descriptor, here, baud)
    except (OSError, DeviceError):
        with contextlib.suppress(OSError):
            os.close(descriptor)
        return None


def _paths(where: str) -> list[str]:
    if os.path.exists(where):
        return [where]
    return sorted(glob.glob(where)) if "://" not in where else []


def ports_present() -> list[str]:
    """The serial ports of this machine: lasting names where there are any, and what each device calls itself."""
    try:
        from serial.tools import list_ports
    except ImportError:
        return []
    lasting = {os.path.realpath(link): link for link in sorted(glob.glob("/dev/serial/by-id/*"))}
    described = {"", "n/a", None}
    return [
        lasting.get(port.device, port.device) + ("" if port.product in described else f" ({port.product})")
        for port in sorted(list_ports.comports())
    ]


def _make_raw(descriptor: int, name: str, baud: int) -> None:
    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise DeviceError(f"{baud} baud is no speed this machine has; most scanners use 9600 or 115200")
    try:
        settings = termios.tcgetattr(descriptor)
        # A break is a loose plug on a UART, not a character.
        control = settings[2] & termios.HUPCL | termios.CS8 | termios.CREAD | termios.CLOCAL
        settings[0:4] = [termios.IGNBRK, 0, control, 0]
        settings[4:6] = [speed, speed]
        settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
        # TCSANOW, since TCSAFLUSH, which tty.setraw would use, drops what was scanned before we came.
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    except termios.error as error:
        if error.args[0] in _GONE:
            raise PortMissingError(f"{name} went away while it was opened") from error
        raise DeviceError(f"{name} is not a serial port") from error


def _explained(path: str, error: OSError) -> DeviceError:
    if error.errno in _GONE:
        return PortMissingError(f"there is no serial port {path}")
    if error.errno in {errno.EBUSY, errno.EAGAIN}:
        return DeviceError(f"{path}: another program holds it; stop that program (fuser -v {path} names it)")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return DeviceError(f"{path}: permission denied; add the agent's user to the group dialout")
    return DeviceError(f"{path} cannot be opened: {error.strerror}")
