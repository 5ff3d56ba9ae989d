"""A Debian tree booted as a container: a real systemd as PID 1, in a third of a second.

Its network is this machine's, so a hub on the loopback here is one there. The tree is used through an overlay, and
nothing a test does to it stays. What is not real in it: devices, the clock, power.

systemd-nspawn asks a running systemd for a cgroup. Where this machine's PID 1 is something else, the process is put
into a cgroup that looks like a service's, which `--keep-unit` takes; on cgroup v2 as on the hybrid layout.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.waiting import eventually

_HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ContainerError(Exception):
    """The container did not come up, or a command in it that had to succeed did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str


class Container:
    """One boot of `tree`. `folder` holds what it writes; `binds` shows folders of this machine in it, read-only."""

    def __init__(self, tree: Path, folder: Path, *, binds: Mapping[Path, str] | None = None) -> None:
        self._name = f"thalovant-{secrets.token_hex(4)}"
        self._tree, self._folder, self._binds = tree, folder, dict(binds or {})
        self._root = folder / "root"
        self._leader = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir(parents=True)
        options = f"lowerdir={self._tree},upperdir={self._folder}/upper,workdir={self._folder}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(self._root)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ContainerError(f"no overlay: {done.stderr.strip()}")
        try:
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def boot(self) -> None:
        """Start it on what its disk holds. Raises ContainerError."""
        Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
        command = ["systemd-nspawn", "-D", str(self._root), "--boot", "--register=no", "--keep-unit", "--quiet"]
        command += [f"--machine={self._name}", "--link-journal=no", "--console=pipe", "--resolv-conf=bind-host"]
        command += [f"--bind-ro={here}:{there}" for here, there in self._binds.items()]
        command += ["--", "systemd.mask=systemd-remount-fs.service"]
        console = self._folder / "console.log"
        with console.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=self._join_cgroup,  # noqa: PLW1509  (it only makes a folder and writes a file)
                start_new_session=True,
            )
        process = self._process

        def is_up() -> bool:
            if process.poll() is not None:
                raise ContainerError(f"the container ended: {console.read_text(errors='replace')[-600:]}")
            self._leader = _systemd_below(process.pid)
            return bool(self._leader) and self.sh("systemctl is-system-running").out.strip() in {"running", "degraded"}

        eventually(is_up, timeout=60, what="a booted container")

    def sh(self, script: str, *, stdin: bytes = b"", timeout: float = 120, check: bool = False) -> Done:
        """Run a shell script in it, as root. With `check`, raises ContainerError when it fails."""
        command = ["nsenter", "-t", str(self._leader), "-a", "/usr/bin/env", "-i", f"PATH={_PATH}", "LC_ALL=C.UTF-8"]
        ran = subprocess.run(
            [*command, "/bin/sh", "-c", script], input=stdin, capture_output=True, timeout=timeout, check=False
        )
        done = Done(
            code=ran.returncode, out=ran.stdout.decode(errors="replace"), err=ran.stderr.decode(errors="replace")
        )
        if check and done.code:
            raise ContainerError(f"{script}: exit code {done.code}\n{done.out[-1500:]}{done.err[-1500:]}")
        return done

    def put(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        """Write a file in it, with the folders above."""
        data = data.encode() if isinstance(data, str) else data
        script = f"mkdir -p '{os.path.dirname(path)}' && cat > '{path}' && chmod {mode:o} '{path}'"
        self.sh(script, stdin=data, check=True)

    def wait(self, script: str, *, timeout: float = 30) -> None:
        """Until `script` succeeds."""
        eventually(lambda: self.sh(script).code == 0, timeout=timeout, what=script)

    def kill(self) -> None:
        """End every process in it at once. `boot` starts it again."""
        process, self._process = self._process, None
        if process is None:
            return
        for pid in (self._leader, process.pid):  # its PID 1 takes everything along; nspawn alone would leave it behind
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait(timeout=20)
        deadline = time.monotonic() + 10
        while self._leader and _is_alive(self._leader) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._leader = 0
        for place in self._cgroups():
            for path, _, _ in os.walk(place, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def close(self) -> None:
        """End it and forget what it wrote."""
        self.kill()
        eventually(
            lambda: subprocess.run(["umount", str(self._root)], capture_output=True, check=False).returncode in {0, 32},
            what="the overlay unmounted",
        )
        shutil.rmtree(self._folder, ignore_errors=True)

    def _cgroups(self) -> Iterator[Path]:
        for base in _HIERARCHIES:
            if os.path.exists(f"{base}/cgroup.procs"):
                yield Path(base) / "system.slice" / f"{self._name}.service"

    def _join_cgroup(self) -> None:
        for place in self._cgroups():
            place.mkdir(parents=True, exist_ok=True)
            (place / "cgroup.procs").write_text(str(os.getpid()))


def _systemd_below(pid: int) -> int:
    """The systemd that is a child of nspawn; 0 while there is none."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                name, _, rest = Path(f"/proc/{entry}/stat").read_text().rpartition(")")
                if int(rest.split()[1]) == pid and name.endswith("(systemd"):
                    return int(entry)
    return 0


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
