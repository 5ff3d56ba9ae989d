"""Cut the power of a whole machine while it scans: `power_cut DIR --cuts 20`, DIR being what `scripts/vm --build` made.

The machine has this checkout's package, a scanner and a display at serial ports, and no hub. Its disk loses what was
not flushed, all of it (`drop`) or a random half of the sectors (`random`, torn and reordered writes). Accepted is what
the display said was kept; it must be in the store that the disk then holds. Needs root, for the surviving disk is
mounted.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from agent.outbox import Outbox
from scripts.machine.appliance import CONFIG, build_packages
from scripts.machine.disk import Policy
from scripts.machine.machine import Machine

_ROOT = Path(__file__).resolve().parents[2]
_STATE = "var/lib/thalovant-agent"


def main(argv: Sequence[str] | None = None) -> int:
    """Cut and count; 0 when nothing accepted was lost."""
    parser = argparse.ArgumentParser(prog="power_cut", description="Cut a machine's power while it scans.")
    parser.add_argument("machine", type=Path, metavar="DIR", help="what scripts/vm --build made")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    chance = random.Random(options.seed)
    lost_in_all = accepted_in_all = 0
    print(f"{'cut':>4}{'policy':>8}{'accepted':>10}{'stored':>8}{'lost':>6}{'damaged':>9}{'not flushed':>13}{'s':>6}")
    with Machine(options.machine) as machine:
        for number in range(1, options.cuts + 1):
            policy: Policy = "drop" if number % 2 else "random"
            began = time.monotonic()
            _start(machine)
            accepted = _scan(machine, chance.uniform(1.0, 4.0))
            blocks = machine.cut(policy, chance)
            stored, damaged = _stored(machine)
            lost = len(set(accepted) - set(stored))
            lost_in_all += lost
            accepted_in_all += len(accepted)
            print(
                f"{number:>4}{policy:>8}{len(accepted):>10}{len(stored):>8}{lost:>6}{damaged:>9}{blocks:>13}"
                f"{time.monotonic() - began:>6.0f}",
                flush=True,
            )
    print(f"{lost_in_all} of {accepted_in_all} accepted scans lost in {options.cuts} power cuts")
    return 1 if lost_in_all or not accepted_in_all else 0


def _start(machine: Machine) -> None:
    """Have it run with the agent up: as it was saved, else by a boot and an installation that are then saved."""
    name = f"agent-{_fingerprint()}"
    if machine.restore(name):
        return
    with tempfile.TemporaryDirectory() as folder:
        package, _ = build_packages(Path(folder), None)
        machine.boot()
        machine.guest.put("/root/agent.deb", package.read_bytes())
    machine.guest.put("/etc/thalovant-agent/agent.toml", CONFIG)
    machine.guest.sh("dpkg -i --force-confold /root/agent.deb", timeout=600, check=True)
    if not machine.wait_shown(b"identity", timeout=120):
        raise RuntimeError("the agent does not show that it runs")
    machine.guest.sh("sync", check=True)
    machine.save(name)


def _fingerprint() -> str:
    """What the package is made of, in few characters."""
    digest = hashlib.sha256()
    for folder in ("agent", "hardware", "systemd"):
        for path in sorted((_ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(_ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _scan(machine: Machine, seconds: float) -> list[str]:
    """Scan for so many seconds; what the display said was kept."""
    accepted: list[str] = []
    until = time.monotonic() + seconds
    for number in range(100_000):
        if time.monotonic() >= until:
            break
        code = f"CODE-{number:05}"
        machine.scan(code)
        # The last one is cut off in the middle of whatever happens to it.
        if not machine.wait_shown(f"{code}: kept".encode(), timeout=max(until - time.monotonic(), 0.0)):
            break
        accepted.append(code)
    return accepted


def _stored(machine: Machine) -> tuple[list[str], int]:
    """The codes in the store of the surviving disk, and how many damaged stores were set aside."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, place = folder / "disk.img", folder / "disk"
        place.mkdir()
        machine.disk.export(image)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
        try:
            path = place / _STATE / "outbox.db"
            with closing(Outbox(path, max_messages=1_000_000, max_bytes=1 << 30)) as outbox:
                codes = [one.message.data["utterances"][0] for one in outbox.oldest(0, 1_000_000)]
            return codes, len(list(path.parent.glob("outbox.damaged-*.db")))
        finally:
            subprocess.run(["umount", str(place)], check=True)


if __name__ == "__main__":
    sys.exit(main())
