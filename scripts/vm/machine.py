"""One virtual machine: booted once, saved as it runs, restored in a second, and its power cut at any moment."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.vm.disk import Disk, Policy

_CONNECT_SECONDS = 20.0
_PORTS = ("console", "scanner", "display")
"""The guest's serial ports, in their order: ttyS0, ttyS1, ttyS2."""


class Machine:
    """The machine that `scripts/vm/build` made in `folder`. The processor is emulated: its times mean nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved = folder / "saved"
        self._place = Path(tempfile.mkdtemp(prefix="machine-"))
        self.disk = Disk(folder / "root.ext4", self._place / "disk.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: dict[str, socket.socket] = {}
        self._display = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self.disk.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def start(self, timeout: float = 400.0) -> None:
        """Run, with the agent up: from where it was saved, else by a boot that is then saved."""
        if (self._saved / "whole").exists():
            self.disk.load(self._saved / "disk")
            self._launch("-incoming", f"exec:cat {self._saved / 'ram'}")
            while self._order("query-status")["status"] == "inmigrate":
                time.sleep(0.02)
            self._order("cont")
            return
        self._launch()
        self.wait_shown(b"Connecting", b"identity", timeout=timeout)
        time.sleep(5)  # for the boot to come to rest; nothing depends on it
        self._save()

    def scan(self, code: str) -> None:
        """Type a code on the scanner's port."""
        self._ports["scanner"].sendall(code.encode() + b"\r")

    def wait_shown(self, *texts: bytes, timeout: float) -> bool:
        """Until one of the texts was drawn on the display since this was last true; False when time is over."""
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

    def cut(self, policy: Policy, chance: random.Random) -> int:
        """Pull the plug: the number of blocks the disk had not flushed."""
        self._kill()
        return self.disk.cut(policy, chance)

    def _launch(self, *more: str) -> None:
        if not (self._folder / "root.ext4").exists():
            raise FileNotFoundError(f"there is no machine in {self._folder}; run scripts/vm/build {self._folder}")
        command = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", "512"),
            *("-kernel", str(self._folder / "vmlinuz"), "-initrd", str(self._folder / "initrd")),
            *("-append", "console=ttyS0 root=LABEL=root rw quiet panic=-1 mitigations=off systemd.show_status=0"),
            *("-blockdev", f"driver=nbd,server.type=unix,server.path={self.disk.path},node-name=root"),
            *("-device", "virtio-blk-pci,drive=root,write-cache=on", "-device", "virtio-rng-pci"),
            *("-qmp", f"unix:{self._place / 'qmp'},server=on,wait=off"),
        ]
        for name in _PORTS:
            command += ["-chardev", f"socket,id={name},path={self._place / name},server=on,wait=off"]
            command += ["-serial", f"chardev:{name}"]
        with (self._place / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen([*command, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._ports = {name: self._connect(name) for name in ("qmp", *_PORTS)}
        self._qmp = self._ports["qmp"].makefile("rb")
        self._qmp.readline()
        self._order("qmp_capabilities")
        self._display = b""

    def _connect(self, name: str) -> socket.socket:
        until = time.monotonic() + _CONNECT_SECONDS
        while True:
            port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                port.connect(str(self._place / name))
            except OSError:
                port.close()
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self._place / "qemu.log").read_text()[-800:]) from None
                time.sleep(0.02)
            else:
                return port

    def _order(self, execute: str, **arguments: Any) -> Any:
        self._ports["qmp"].sendall(json.dumps({"execute": execute, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self._qmp.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"{execute}: {answer['error']['desc']}")

    def _save(self) -> None:
        shutil.rmtree(self._saved, ignore_errors=True)
        self._saved.mkdir()
        self._order("stop")
        self._order("migrate", uri=f"exec:cat > {self._saved / 'ram'}")
        while (state := self._order("query-migrate")["status"]) not in ("completed", "failed"):
            time.sleep(0.05)
        if state == "failed":
            raise RuntimeError("the machine could not be saved")
        self.disk.save(self._saved / "disk")
        (self._saved / "whole").touch()
        self._order("cont")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self._ports.values():
            port.close()
        self._ports = {}
        for name in ("qmp", *_PORTS):
            (self._place / name).unlink(missing_ok=True)
