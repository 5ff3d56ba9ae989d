"""Ordinary running: a link over each carrier, a scan every 20 s, then a hundred forced reconnects.

Run as `python -m scripts.benches.running --minutes 60`. Fails when anything is logged as a warning, when the memory
grows by more than 1 MiB, when a scan is lost, or when a thread or a descriptor is left over.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.peers.bad_network import CARRIERS, BadNetwork
from tests.peers.hub import Hub, utterance
from tests.peers.linked import LinkedDevice

_SCAN_EVERY = 20.0
_WARM_SCANS = 5
"""Before the memory counts: the first answers still fill caches."""
_MOST_GROWTH = 1024  # KiB


class Warnings(logging.Handler):
    """Keeps what is worth a person's look."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()} {getattr(record, 'cause', '')}".strip())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="running", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--reconnects", type=int, default=100)
    options = parser.parse_args(argv)
    warnings = Warnings()
    logging.getLogger().addHandler(warnings)
    logging.getLogger().setLevel(logging.INFO)
    folder = Path(tempfile.mkdtemp(prefix="thalovant-running-"))
    try:
        with Hub(folder / "hub", devices=3) as hub, BadNetwork(hub) as network:
            os.environ.update(hub.environment())
            return _run(hub, network, folder, warnings, seconds=options.minutes * 60, reconnects=options.reconnects)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(hub: Hub, network: BadNetwork, folder: Path, warnings: Warnings, *, seconds: float, reconnects: int) -> int:
    with ExitStack() as stack:
        links = {
            carrier: stack.enter_context(LinkedDevice(network.identity(number), folder / carrier, protocols=[carrier]))
            for number, carrier in enumerate(CARRIERS, start=1)
        }
        for link in links.values():
            link.wait_up(timeout=60)
        lost = sum(_scan_all(hub, links, f"warm-{number}") for number in range(_WARM_SCANS))
        memory, threads, files = _memory(), threading.active_count(), _descriptors()
        scans, ends = 0, time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(_SCAN_EVERY)
            lost += _scan_all(hub, links, f"ordinary-{scans}")
            scans += 1
        drops = sum(link.snapshot.drops for link in links.values())
        growth = _memory() - memory
        print(f"{seconds / 60:g} min, {scans} scans over each carrier: {lost} lost, {drops} drops")
        print(f"memory grew by {growth} KiB; warnings: {warnings.lines or 'none'}", flush=True)
        ordinary = not (lost or drops or warnings.lines or growth > _MOST_GROWTH)
        for number in range(reconnects):
            for carrier, link in links.items():
                if not network[carrier].drop(reset=number % 2 == 0):
                    print(f"{carrier} had no connection to drop")
                link.link.hurry()
            lost += _scan_all(hub, links, f"again-{number}")
        gc.collect()
        more_threads, more_files = threading.active_count() - threads, _descriptors() - files
        again = _memory() - memory
        print(f"{reconnects} forced reconnects over each carrier: {lost} lost, memory {again:+} KiB in all")
        print(f"threads {more_threads:+}, descriptors {more_files:+}; warnings: {warnings.lines or 'none'}", flush=True)
        return 0 if ordinary and not lost and more_threads <= 0 and more_files <= 0 else 1


def _scan_all(hub: Hub, links: dict[str, LinkedDevice], name: str) -> int:
    """Scan on each link; how many scans the hub did not get."""
    lost = 0
    for carrier, link in links.items():
        code = f"{name}-{carrier}"
        try:
            link.scan(code)
        except AssertionError as error:
            print(error)
        lost += not hub.received(utterance(code))
    return lost


def _memory() -> int:
    """What is ours alone, in KiB."""
    gc.collect()
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith(("Private_Clean", "Private_Dirty")))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


if __name__ == "__main__":
    sys.exit(main())
