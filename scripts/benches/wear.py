"""What a scan costs the card: flushes and bytes; and whether a long run leaves anything behind in memory."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from agent.control_socket import ask_agent
from scripts.benches.bed import UP, Bed, Device, unit_environment
from scripts.benches.process import Watched, usage
from scripts.benches.sheet import Row, Sheet
from tests.peers.waiting import eventually


def measure(folder: Path, *, scans: int = 100, long_scans: int = 100_000, reconnects: int = 1000) -> Sheet:
    """`scans` one at a time, each stored and settled; then a long run, time compressed."""
    with Bed(folder, devices=2) as bed:
        written = written_per_scan(bed.device("wss"), scans)
        flushes = flushes_per_scan(bed.device("wss"), scans // 2)
    growth = grown(folder / "long", scans=long_scans, reconnects=reconnects)
    rows = [
        Row(measure="flushes for each scan, stored and settled", ours=flushes, target="≤ 2", limit=2),
        Row(measure="bytes to the disk for each scan", unit="KiB", ours=written / 1024, target="≤ 12 KiB", limit=12),
        Row(
            measure=f"growth over {long_scans:,} scans and {reconnects:,} reconnects",
            unit="MiB",
            ours=growth,
            target="≤ 1 MiB",
            limit=1,
        ),
    ]
    return Sheet(
        name="wear",
        title="Wear",
        rows=rows,
        notes=(
            "Flushes are fsync and fdatasync as strace counts them, bytes are write_bytes of /proc/PID/io.",
            "The long run is the whole runtime with scanners on pseudo-terminals and a link that answers at once;",
            "growth is counted from its first tenth, with no more than 200 scans waiting at either end.",
        ),
    )


def written_per_scan(device: Device, scans: int) -> float:
    """Bytes the device made the disk write for each of `scans`, one at a time."""
    with device.start() as agent:
        agent.wait(UP)
        _scan(device, agent, 3)
        before = usage(agent.pid).written
        _scan(device, agent, scans)
        return (usage(agent.pid).written - before) / scans


def flushes_per_scan(device: Device, scans: int) -> float | None:
    """fsync and fdatasync calls for each of `scans`, one at a time; None without strace."""
    if shutil.which("strace") is None:
        return None
    trace = device.folder / "flushes.trace"
    # With -o it would block the signal that is to end it, and leave the agent running: -I 2.
    command = ("strace", "-I", "2", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", str(trace))
    with device.start(*command) as agent:
        agent.wait(UP)
        _scan(device, agent, 3)
        before = _lines(trace)
        _scan(device, agent, scans)
        return (_lines(trace) - before) / scans


def grown(folder: Path, *, scans: int, reconnects: int) -> float:
    """MiB of RSS from the first tenth of a long run to its end."""
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "scripts.benches.long_run", str(folder), str(scans), str(reconnects)]
    with Watched(argv, unit_environment()) as run:
        found: dict[str, float] = json.loads(run.line("{", timeout=600)[1])
    return found["end"] - found["tenth"]


def _scan(device: Device, agent: Watched, scans: int) -> None:
    for _ in range(scans):
        code = f"SCAN-{time.monotonic_ns()}"
        device.scanners[0].types(f"{code}\r".encode())
        agent.wait(f"echo: {code}")
        eventually(lambda: _settled(device), what="a settled scan")


def _settled(device: Device) -> bool:
    return bool(ask_agent(device.control, {"command": "status"}, 5.0)["outbox"]["waiting"] == 0)


def _lines(path: Path) -> int:
    return len([line for line in path.read_text().splitlines() if "sync(" in line])
