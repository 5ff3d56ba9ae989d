"""A booted Debian with the agent installed by `scripts/install`, a scanner on its counter, and a real hub beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.appliance import rootfs
from tests.appliance.container import Container
from tests.peers.hub import Hub
from tests.peers.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
SCORE = 1.3
"""Of `systemd-analyze security`: how much the unit may leave open."""
SCANNER = "/dev/counter"
_FAR_END = "/dev/counter-gun"
CONFIG = f"""
[[scanner]]
name = "counter"
port = "{SCANNER}"
repeat_seconds = 0

[hub]
protocols = ["mqtt", "wss", "https"]
"""
_SCANNER_UNIT = f"""
[Service]
ExecStart=socat PTY,raw,echo=0,link={_FAR_END} PTY,raw,echo=0,link={SCANNER},group=dialout,mode=660
[Install]
WantedBy=multi-user.target
"""
# A pseudo-terminal is no device class a kiosk has, so the test opens it.
_DROP_IN = "[Service]\nDeviceAllow=char-pts rw\n"


class Appliance:
    """One booted machine, as the person with a screwdriver and the one at the desk see it."""

    def __init__(self, container: Container, hub: Hub, identity: Path) -> None:
        self.container, self.hub, self.identity = container, hub, identity
        self.sh, self.put, self.wait = container.sh, container.put, container.wait

    def trust_hub(self) -> None:
        assert self.hub.ca is not None
        self.put("/usr/local/share/ca-certificates/hub.crt", self.hub.ca.read_bytes())
        self.sh("update-ca-certificates", check=True)

    def plug_scanner(self) -> None:
        self.put("/etc/systemd/system/scanner.service", _SCANNER_UNIT)
        self.put("/etc/systemd/system/thalovant-agent.service.d/test.conf", _DROP_IN)
        self.sh("systemctl daemon-reload; systemctl enable --now scanner", check=True)
        self.wait(f"test -e {SCANNER}")

    def reader_killed(self) -> None:
        """Plug the scanner in anew: unlike a port, a pseudo-terminal stays locked by a reader that was killed."""
        self.sh("systemctl restart scanner", check=True)

    def scan(self, *codes: str) -> None:
        """Let the scanner read the codes, once the agent listens to it."""
        self.wait_status(lambda status: not status["inputs"][0]["trouble"], "the scanner's port open")
        text = "".join(f"{code}\r" for code in codes)
        self.sh(f"cat > {_FAR_END}", stdin=text.encode(), check=True)

    def copy_in(self, folder: Path, place: str) -> None:
        packed = subprocess.run(
            ["tar", "-C", folder, "--exclude=__pycache__", "-cf", "-", "."], check=True, capture_output=True, timeout=60
        )
        self.sh(f"mkdir -p {place} && tar -C {place} --no-same-owner -xf -", stdin=packed.stdout, check=True)

    def command(self, line: str, **options: Any) -> dict[str, Any]:
        """The answer of `thalovant-agent LINE --json`."""
        done = self.sh(f"thalovant-agent {line} --json", **options)
        assert done.out, done.err
        answer: dict[str, Any] = json.loads(done.out)
        return answer

    def status(self) -> dict[str, Any]:
        return self.command("status")

    def wait_up(self, timeout: float = 60) -> None:
        self.wait_status(lambda status: status["link"]["state"] == "up", "the link up", timeout)

    def wait_stored(self, count: int) -> None:
        self.wait_status(lambda status: status["outbox"]["waiting"] == count, f"{count} scans waiting")

    def wait_status(self, fits: Callable[[dict[str, Any]], bool], what: str, timeout: float = 30) -> None:
        """Until the agent, which may be starting just now, says what `fits`."""

        def look() -> bool:
            done = self.sh("thalovant-agent status --json")
            return done.code == 0 and fits(json.loads(done.out))

        try:
            eventually(look, timeout=timeout, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the journal: {self.journal()[-3000:]}") from None

    def show(self, name: str) -> str:
        return self.sh(f"systemctl show -p {name} --value thalovant-agent", check=True).out.strip()

    def journal(self) -> str:
        return self.sh("journalctl -u thalovant-agent -o cat --no-pager").out

    def entries(self) -> list[dict[str, Any]]:
        lines = self.sh("journalctl -u thalovant-agent -o json --no-pager").out.splitlines()
        return [json.loads(line) for line in lines]

    def wait_restarts(self, count: int, timeout: float = 60) -> None:
        self.wait(
            f"test $(systemctl show -p NRestarts --value thalovant-agent) -ge {count} "
            "&& systemctl is-active -q thalovant-agent",
            timeout=timeout,
        )


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the agent's wheel and every pure-Python one it needs, as somebody brings along offline."""
    if reason := rootfs.missing():
        pytest.skip(reason)
    kept = rootfs.FOLDER / "wheels"
    folder = tmp_path_factory.mktemp("wheels")
    if not all(list(kept.glob(f"{name}-*.whl")) for name in ("hatchling", "[Rr][Pp][Ll][Cc][Dd]")):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "build-deb", "--only-wheels", kept],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"the wheels cannot be fetched: {done.stderr.strip()[-300:]}")
    for wheel in kept.glob("*.whl"):
        shutil.copy(wheel, folder)
    build_wheel(folder, kept)
    return folder


def build_wheel(folder: Path, wheels: Path) -> Path:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--disable-pip-version-check", "--no-index"]
    subprocess.run(
        [*command, "--find-links", str(wheels), "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=180
    )
    (made,) = folder.glob("thalovant_agent-*.whl")
    return made


def another_version(
    wheel: Path, version: str, folder: Path, edit: Callable[[str, str], str] = lambda _, text: text
) -> Path:
    """The wheel as another version, with `edit(name, text)` done to its modules; much quicker than building one."""
    was = wheel.name.split("-")[1]
    made = folder / wheel.name.replace(was, version, 1)
    old, new = f"thalovant_agent-{was}.", f"thalovant_agent-{version}."
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            text = source.read(name).decode()
            if name.endswith("/METADATA"):
                text = text.replace(f"\nVersion: {was}\n", f"\nVersion: {version}\n", 1)
            elif name == "agent/version.py":
                text = text.replace(f'"{was}"', f'"{version}"', 1)
            elif name.endswith("/RECORD"):  # the hashes of what is changed here would be wrong; they may be left out
                text = "".join(f"{line.split(',')[0].replace(old, new)},,\n" for line in text.splitlines())
            target.writestr(name.replace(old, new), edit(name, text))
    return made


@pytest.fixture(scope="module", params=list(rootfs.SUITES))
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def container(suite: str, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A freshly flashed machine: nothing of ours on it but a wheel directory and this checkout."""
    try:
        tree = rootfs.tree(suite)
    except rootfs.CannotBuildError as error:
        pytest.skip(str(error))
    folder = Path(tmp_path_factory.mktemp(f"container-{suite}"))
    scripts = Path(shutil.copytree(ROOT / "scripts", tmp_path_factory.mktemp("checkout") / "scripts"))
    with Container(tree, folder, binds={wheels: "/srv/wheels", scripts: "/srv/scripts"}) as booted:
        yield booted


@pytest.fixture(scope="module")
def hub(start_hub: Any) -> Hub:
    """A hub with a device for each test of the module that wants one of its own."""
    made: Hub = start_hub(devices=4)
    return made


@pytest.fixture(scope="module")
def fresh(container: Container, hub: Hub, suite: str) -> Appliance:
    """The machine with its scanner, before anything was installed."""
    # The hub pins the key a device shows first, so each machine is a device of its own.
    appliance = Appliance(container, hub, hub.identity(1 + list(rootfs.SUITES).index(suite)))
    appliance.trust_hub()
    appliance.plug_scanner()
    appliance.put("/etc/thalovant-agent/agent.toml", CONFIG)
    return appliance


@pytest.fixture(scope="module")
def appliance(fresh: Appliance) -> Appliance:
    """The machine with the agent installed, started again with an identity on its boot partition, and its link up."""
    fresh.sh("/srv/scripts/install --wheels /srv/wheels", check=True, timeout=300)
    fresh.put("/boot/firmware/thalovant-identity.json", fresh.identity.read_bytes())
    fresh.sh("sync")
    fresh.container.kill()
    fresh.container.boot()
    fresh.wait_up()
    return fresh
