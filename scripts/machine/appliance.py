"""The agent in the machine, as the person at its counter and the one at the desk see it, and the hub it belongs to."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.machine.guest import Done, GuestError
from scripts.machine.machine import Machine
from tests.peers.certificates import make_certificates
from tests.peers.hub import Hub, utterance

HUB_NAME = "hub.lan"
CONFIG = """
[[scanner]]
name = "counter"
port = "/dev/ttyS1"
repeat_seconds = 0

[[display]]
name = "screen"
target = "/dev/ttyS2"
"""
UNIT = "thalovant-agent"
_ROOT = Path(__file__).resolve().parents[2]
_CONFIG_PATH = "/etc/thalovant-agent/agent.toml"
_LOOK_SECONDS = 0.3  # starting the command takes longer than that in there
_SLOW_SECONDS = 180.0


@contextmanager
def running_hub(folder: Path) -> Iterator[Hub]:
    """A hub and broker that the machine can call by their name."""
    folder.mkdir(parents=True)
    make_certificates(folder, name=HUB_NAME)
    with Hub(folder) as hub:
        yield hub


def build_packages(folder: Path, wheels: Path | None) -> tuple[Path, Path]:
    """The Debian package of this checkout, and one of a later version that differs in nothing else."""
    command = [sys.executable, str(_ROOT / "scripts/build-deb"), "--out", str(folder)]
    command += ["--wheels", str(wheels)] if wheels else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise GuestError(f"no package: {done.stderr.strip()[-600:]}")
    package = Path(done.stdout.strip())
    unpacked = folder / "later"
    subprocess.run(["dpkg-deb", "-R", package, unpacked], check=True, timeout=60)
    was = package.name.split("_")[1]
    for name in ("DEBIAN/control", "usr/lib/thalovant-agent/agent/version.py"):
        text = (unpacked / name).read_text()
        (unpacked / name).write_text(text.replace(was, f"{was}.1"))
    later = folder / "later.deb"
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "-b", str(unpacked), str(later)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.rmtree(unpacked)
    return package, later


class Appliance:
    """One machine and its hub. What is waited for raises GuestError when it does not come."""

    def __init__(self, machine: Machine, hub: Hub, packages: tuple[Path, Path]) -> None:
        self.machine, self.hub = machine, hub
        self.package, self.later = packages

    # -- the machine

    def sh(self, script: str, *, stdin: bytes = b"", timeout: float = _SLOW_SECONDS, check: bool = True) -> Done:
        """Run a script in it. Raises GuestError when it fails, unless `check` is false."""
        return self.machine.guest.sh(script, stdin=stdin, timeout=timeout, check=check)

    def put(self, path: str, data: str | bytes) -> None:
        """Write a file in it."""
        self.machine.guest.put(path, data)

    def wait(self, script: str, *, timeout: float = _SLOW_SECONDS) -> str:
        """Until a script succeeds in it; what it printed."""
        return self.machine.guest.wait(script, timeout=timeout)

    def install(self, package: Path) -> None:
        """Install a package, over whatever version there is."""
        self.put("/root/agent.deb", package.read_bytes())
        self.sh("dpkg -i --force-confold /root/agent.deb", timeout=600)

    def configure(self, text: str = CONFIG) -> None:
        """Start the agent anew with another configuration."""
        self.put(_CONFIG_PATH, text)
        self.sh(f"sync; systemctl restart {UNIT}")

    def make_pins(self) -> None:
        """Give it the pins of a Pi's header."""
        if self.sh("test -e /dev/gpiochip0", check=False).code:
            self.sh("gpio-lines create")

    def identity(self) -> bytes:
        """The identity file of this device."""
        return self.hub.identity().read_text().replace("localhost", HUB_NAME).encode()

    def trust_hub(self) -> None:
        """Have the machine trust the hub's certificate."""
        assert self.hub.ca is not None
        self.put("/usr/local/share/ca-certificates/hub.crt", self.hub.ca.read_bytes())
        self.sh("update-ca-certificates")

    def mend(self) -> None:
        """Whatever the last row left: the hub up, the machine on, the agent running with its usual configuration."""
        self.hub.mend()
        self.machine.disk.broken = False
        if not self._is_well():
            self.machine.kill()
            self.machine.boot()
        if self.sh(f"cmp -s {_CONFIG_PATH} -", stdin=CONFIG.encode(), check=False).code:
            self.configure()
        self.sh(f"systemctl start {UNIT}")
        self.wait_up()

    def _is_well(self) -> bool:
        try:
            return self.machine.is_on and not self.sh("true", timeout=20, check=False).code
        except GuestError:
            return False

    # -- the agent

    def status(self) -> dict[str, Any]:
        """What `thalovant-agent status --json` says."""
        answer: dict[str, Any] = json.loads(self.sh("thalovant-agent status --json").out)
        return answer

    def wait_status(self, fits: Callable[[dict[str, Any]], bool], what: str, timeout: float = _SLOW_SECONDS) -> Any:
        """The first status that `fits`, of an agent that may be starting just now."""
        until = time.monotonic() + timeout
        while True:
            done = self.sh("thalovant-agent status --json", check=False)
            if done.code == 0 and fits(status := json.loads(done.out)):
                return status
            if time.monotonic() >= until:
                raise GuestError(
                    f"waited in vain for {what}; {(done.out or done.err)[-600:]}; {self.journal()[-1200:]}"
                )
            time.sleep(_LOOK_SECONDS)

    def wait_up(self) -> None:
        """Until the link to the hub is up."""
        self.wait_status(lambda status: status["link"]["state"] == "up", "the link up")

    def wait_stored(self, count: int) -> None:
        """Until so many scans wait for the hub."""
        self.wait_status(lambda status: status["outbox"]["waiting"] == count, f"{count} scans waiting")

    def wait_input(self, name: str, *, works: bool = True) -> str:
        """Until an input works, or does not; its trouble."""

        def fits(status: dict[str, Any]) -> bool:
            return any(one["name"] == name and works == (not one["trouble"]) for one in status["inputs"])

        status = self.wait_status(fits, f"{name} {'working' if works else 'in trouble'}")
        return next(str(one["trouble"]) for one in status["inputs"] if one["name"] == name)

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.sh(f"systemctl show -p {name} --value {UNIT}").out.strip()

    def journal(self) -> str:
        """The agent's lines of this boot."""
        return self.sh(f"journalctl -b -u {UNIT} -o cat --no-pager", check=False).out

    def wait_restarts(self, count: int) -> None:
        """Until systemd has started it anew so often, and it runs."""
        counted = f"test $(systemctl show -p NRestarts --value {UNIT}) -ge {count}"
        self.wait(f"{counted} && systemctl is-active -q {UNIT}")

    def scan(self, *codes: str) -> None:
        """Scan each code and wait until the display says that it is kept, sent or done."""
        for code in codes:
            self.machine.scan(code)
            says = tuple(f"{code}: {word}".encode() for word in ("kept", "sent", "done"))
            if not self.machine.wait_shown(*says, timeout=60):
                raise GuestError(f"{code} was scanned and not accepted; {self.journal()[-1200:]}")

    def arrive(self, *codes: str, timeout: float = _SLOW_SECONDS) -> None:
        """Until the hub has received every code."""
        try:
            for code in codes:
                self.hub.wait_for(utterance(code), timeout=timeout)
        except AssertionError as error:
            raise GuestError(f"{code} did not arrive: {error}; {self.journal()[-1200:]}") from None

    def order_of(self, prefix: str) -> list[str]:
        """The codes of one kind that the hub received, in their order, each once."""
        said = [row["data"].get("utterances", [""])[0] for row in self.hub.received()]
        return list(dict.fromkeys(code for code in said if re.match(prefix, code)))

    @contextmanager
    def hub_away(self) -> Iterator[None]:
        """A while without the hub and its broker."""
        self.hub.stop()
        try:
            yield
        finally:
            self.hub.start()
