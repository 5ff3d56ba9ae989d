"""One virtual machine: booted, saved as it runs, restored in a second, and its power cut at any moment.

Its processor is emulated, so that times in it mean nothing. Its network is this machine's loopback, which it knows as
10.0.2.2 and as hub.lan.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.machine.disk import Disk, Policy
from scripts.machine.guest import Guest, GuestError

_CONNECT_SECONDS = 30.0
_SERIAL = ("console", "scanner", "display")
"""The machine's built-in serial ports, in their order: ttyS0, ttyS1, ttyS2."""
_KERNEL = (
    "console=ttyS0 root=/dev/vda rw quiet net.ifnames=0 panic=-1 systemd.gpt_auto=0 systemd.show_status=0 "
    "systemd.firstboot=off mitigations=off"
)


class Machine:
    """The machine that the scripts beside this module built in `folder`. Nothing it does is written there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = Path(tempfile.mkdtemp(prefix="machine-"))
        """Where its sockets are."""
        self.disk = Disk(folder / "root.ext4", self.place / "disk.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, socket.socket] = {}
        self._display = b""
        self._ordering = threading.Lock()
        self._guest: Guest | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.disk.close()
        shutil.rmtree(self.place, ignore_errors=True)

    @property
    def guest(self) -> Guest:
        """The running machine from inside."""
        if self._guest is None:
            raise GuestError("the machine is off")
        return self._guest

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Have it run as it does after its first boot, which is done once and saved. Raises GuestError."""
        if not self.restore("booted"):
            self.boot()
            self.save("booted")

    def boot(self, *, clock: str = "", timeout: float = 400.0) -> None:
        """Start it on what its disk holds, until systemd has nothing left to do. Raises GuestError.

        `clock` is what its clock chip says, as "2000-01-01T00:00:00", instead of the time.
        """
        self._launch(*(["-rtc", f"base={clock}"] if clock else []))
        self._meet(timeout)
        self.guest.sh("systemctl is-system-running --wait", timeout=timeout)

    def save(self, name: str) -> None:
        """Keep the machine as it is now, for `restore`; it goes on. With nothing plugged in."""
        folder = self._folder / f"saved-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.order("stop")
        self.order("migrate", uri=f"exec:cat > {folder / 'ram'}")
        while (state := self.order("query-migrate")["status"]) not in ("completed", "failed"):
            time.sleep(0.05)
        if state == "failed":
            raise GuestError("the machine could not be saved")
        self.disk.save(folder / "disk")
        (folder / "whole").touch()
        self.order("cont")

    def restore(self, name: str) -> bool:
        """Go on where `save` was called, at the present time; False when that never was, on the same disk."""
        folder = self._folder / f"saved-{name}"
        whole = folder / "whole"
        built = max((self._folder / part).stat().st_mtime for part in ("root.ext4", "vmlinuz"))
        if not whole.exists() or whole.stat().st_mtime < built:
            return False
        self.disk.load(folder / "disk")
        self._launch("-incoming", f"exec:cat {folder / 'ram'}")
        while self.order("query-status")["status"] == "inmigrate":
            time.sleep(0.02)
        self.order("cont")
        self._meet(60)
        self.guest.sh(f"date -s @{time.time():.0f}", check=True)
        return True

    def cut(self, policy: Policy, chance: random.Random) -> int:
        """Pull the plug: the number of blocks the disk had not flushed."""
        self.kill()
        return self.disk.cut(policy, chance)

    def power_off(self, timeout: float = 120.0) -> None:
        """Shut it down in good order."""
        with contextlib.suppress(GuestError):
            self.guest.sh("sync; systemctl poweroff", timeout=5)
        assert self._process is not None
        self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End it at once, with what its disk holds unflushed in the disk's cache."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self._ports.values():
            port.close()
        self._ports, self._guest = {}, None
        for name in ("qmp", "commands", *_SERIAL):
            (self.place / name).unlink(missing_ok=True)

    def scan(self, code: str) -> None:
        """Type a code on the built-in scanner's port, ttyS1."""
        self._ports["scanner"].sendall(code.encode() + b"\r")

    def wait_shown(self, *texts: bytes, timeout: float) -> bool:
        """Until one of the texts was drawn on the display at ttyS2 since this was last true, or time is over: False."""
        until = time.monotonic() + timeout
        while not any(text in self._display for text in texts):
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._ports["display"].settimeout(left)
            with contextlib.suppress(TimeoutError):
                self._display = (self._display + self._ports["display"].recv(4096))[-65536:]
        self._display = b""
        return True

    def order(self, execute: str, **arguments: Any) -> Any:
        """What QEMU answers to a command of its protocol. Raises GuestError when it refuses. Any thread."""
        with self._ordering:
            self._ports["qmp"].sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
            while line := self._qmp.readline():
                answer = json.loads(line)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise GuestError(f"{execute}: {answer['error']['desc']}")
        raise GuestError(f"{execute}: the machine is gone")

    def _launch(self, *more: str) -> None:
        command = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", "768"),
            *("-kernel", str(self._folder / "vmlinuz"), "-append", _KERNEL),
            *("-blockdev", f"driver=nbd,server.type=unix,server.path={self.disk.path},node-name=root"),
            *("-device", "virtio-blk-pci,drive=root,write-cache=on", "-device", "virtio-rng-pci"),
            *("-device", "qemu-xhci,id=usb", "-nic", "user,model=virtio-net-pci,id=net0"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=commands,name=commands"),
            *("-chardev", f"socket,id=commands,path={self.place / 'commands'},server=on,wait=off"),
            *("-qmp", f"unix:{self.place / 'qmp'},server=on,wait=off"),
        ]
        for name in _SERIAL:
            command += ["-chardev", f"socket,id={name},path={self.place / name},server=on,wait=off"]
            command += ["-serial", f"chardev:{name}"]
        with (self.place / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._ports = {name: self._connect(name) for name in ("qmp", "commands", *_SERIAL)}
        self._qmp = self._ports["qmp"].makefile("rb")
        self._qmp.readline()
        self.order("qmp_capabilities")
        self._display = b""

    def _meet(self, timeout: float) -> None:
        guest = Guest(self._ports["commands"])
        until = time.monotonic() + timeout
        while not guest.answers(3):
            if time.monotonic() >= until:
                raise GuestError(f"the machine did not come up; its console: {self._console()[-2000:]}")
        self._guest = guest

    def _console(self) -> str:
        port = self._ports["console"]
        port.settimeout(0.2)
        said = b""
        with contextlib.suppress(OSError):
            while data := port.recv(65536):
                said += data
        return said.decode(errors="replace")

    def _connect(self, name: str) -> socket.socket:
        until = time.monotonic() + _CONNECT_SECONDS
        while True:
            port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                port.connect(str(self.place / name))
            except OSError:
                port.close()
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > until:
                    raise GuestError((self.place / "qemu.log").read_text()[-800:]) from None
                time.sleep(0.02)
            else:
                return port
