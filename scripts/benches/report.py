"""BENCHMARKS.md: everything that was measured, on which machine, with which versions, and what holds what is missed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.benches import faults
from scripts.benches.sheet import Sheet
from tests.peers.agent import ROOT
from tests.peers.rig.broker import find_mosquitto

_PACKAGES = ("thalovant", "hivemind-core", "paho-mqtt", "websocket-client", "PyNaCl", "cryptography", "gpiozero")
_LIMITS = ROOT / "scripts" / "benches" / "limits.md"
"""What holds the targets that are missed: written by people, and put behind the figures."""


def write(run: Callable[..., Sheet], *, idle_seconds: float, as_json: bool, measured: Path | None) -> int:
    """Measure everything and write BENCHMARKS.md; exit code 0, since a missed target is a figure as well.

    A benchmark whose `--json` lies in the folder `measured`, as NAME.json, is taken from there.
    """
    sheets = []
    for name in ("memory", "start", "latency", "throughput", "wear", "output", "idle"):
        before = measured / f"{name}.json" if measured is not None else None
        if before is not None and before.exists():
            sheets.append(Sheet.from_dict(json.loads(before.read_text())))
        else:
            sheets.append(run(name, **({"seconds": idle_seconds} if name == "idle" else {})))
        print(sheets[-1].text(), end="\n\n", flush=True)
    taken = [sheet.name for sheet in sheets if measured is not None and (measured / f"{sheet.name}.json").exists()]
    path = ROOT / "BENCHMARKS.md"
    parts = [_head(taken), *(sheet.markdown() for sheet in sheets), faults.kept(path), _LIMITS.read_text()]
    path.write_text("\n".join(part for part in parts if part))
    if as_json:
        print(json.dumps([sheet.as_dict() for sheet in sheets], ensure_ascii=False, indent=2))
    return 0


def _head(taken: Sequence[str]) -> str:
    """The machine, the versions, and which benchmarks were `taken` from earlier runs."""
    facts = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "load when it began": f"{os.getloadavg()[0]:.1f}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.freedesktop_os_release()['PRETTY_NAME']}",
        "Python": platform.python_version(),
        "SQLite, OpenSSL": f"{sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}",
        "mosquitto": _mosquitto(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    apart = f"{', '.join(taken)} each by itself within the hour," if taken else "in one run, on one machine,"
    rows = "\n".join(f"| {name} | {fact} |" for name, fact in facts.items())
    return f"""# Benchmarks

The whole device beside what a user would take instead, the published `thalovant` client, and beside the floor that the
bare libraries and the disk set; {apart} at a real hub and broker with TLS. Again: `scripts/bench
all`. Not a Raspberry Pi: compare the ratios (ours by the peer's, or by the floor where there is no peer).

| | |
| --- | --- |
{rows}
"""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _mosquitto() -> str:
    done = subprocess.run([find_mosquitto() or "mosquitto", "-h"], capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or ["?"])[0].removeprefix("mosquitto version ")
