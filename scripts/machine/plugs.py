"""What is plugged into the machine's USB ports, and pulled out again."""

from __future__ import annotations

import contextlib
import socket
import time

from scripts.machine.guest import GuestError
from scripts.machine.machine import Machine

_GONE_SECONDS = 15.0
_KEYS = {"-": "minus", " ": "spc", "/": "slash", ".": "dot", "\n": "ret"}


class SerialScanner:
    """A scanner behind a USB serial converter (FTDI), in the socket number `port` of the machine."""

    def __init__(self, machine: Machine, name: str, *, port: int) -> None:
        self._machine, self._name, self._at = machine, name, port
        self._line: socket.socket | None = None

    @property
    def is_plugged_in(self) -> bool:
        """Whether it is."""
        return self._line is not None

    def plug_in(self) -> None:
        """Plug it in, where it was plugged in before."""
        path = self._machine.place / f"usb-{self._name}"
        path.unlink(missing_ok=True)
        address = {"type": "unix", "data": {"path": str(path)}}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        self._machine.order("chardev-add", id=f"line-{self._name}", backend=backend)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.connect(str(path))
        self._machine.order(
            "device_add",
            driver="usb-serial",
            id=self._name,
            chardev=f"line-{self._name}",
            bus="usb.0",
            port=str(self._at),
            serial=self._name,
        )

    def types(self, data: bytes) -> None:
        """Send what it read to the machine."""
        assert self._line is not None, "it is not plugged in"
        self._line.sendall(data)

    def unplug(self) -> None:
        """Pull it out."""
        self._machine.order("device_del", id=self._name)
        until = time.monotonic() + _GONE_SECONDS
        while True:  # the line is free once the device has gone
            try:
                self._machine.order("chardev-remove", id=f"line-{self._name}")
                break
            except GuestError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.05)
        if self._line is not None:
            self._line.close()
            self._line = None


class KeyboardScanner:
    """A scanner that poses as a USB keyboard, in the socket number `port`: vendor 0627, product 0001."""

    NUMBERS = "0627:0001"

    def __init__(self, machine: Machine, name: str, *, port: int) -> None:
        self._machine, self._name, self._at = machine, name, port

    def plug_in(self) -> None:
        """Plug it in."""
        self._machine.order(
            "device_add", driver="usb-kbd", id=self._name, bus="usb.0", port=str(self._at), serial=self._name
        )

    def types(self, text: str) -> None:
        """Type the text, key by key, as fast as such scanners do."""
        for character in text:
            key = {"type": "qcode", "data": _KEYS.get(character, character.lower())}
            shift = [{"type": "qcode", "data": "shift"}] if character.isupper() else []
            # The next key comes after this one was let go; QEMU's own queue holds 16 events.
            self._machine.order("send-key", keys=[*shift, key], **{"hold-time": 10})
            time.sleep(0.04)

    def unplug(self) -> None:
        """Pull it out."""
        with contextlib.suppress(GuestError):  # it is out already
            self._machine.order("device_del", id=self._name)
