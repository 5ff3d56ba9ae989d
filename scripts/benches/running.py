"""Ordinary running: a whole agent on each carrier, a scan every 20 s, then a hundred forced reconnects.

`scripts/bench running --minutes 60`. Fails when an agent logs a warning, when its own memory grows
by more than 1 MiB, when a scan is lost, or when a thread or a descriptor is left over.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from scripts.benches.bed import UP, Device
from scripts.benches.process import Watched, memory, usage
from tests.peers.bad_network import CARRIERS, BadNetwork
from tests.peers.hub import Hub, utterance

_SCAN_EVERY = 20.0
_WARM_SCANS = 5
"""Before the memory counts: the first answers still fill caches."""
_MOST_GROWTH = 1024.0
"""KiB."""
_PATIENCE = 90.0
"""Seconds until an answer that has not come is lost."""


class Agent:
    """One whole agent under watch, and what it took once it was warm."""

    def __init__(self, carrier: str, device: Device, process: Watched) -> None:
        self.carrier = carrier
        self.device = device
        self.process = process
        self.lost = 0
        self._first = (0.0, 0, 0)

    def scan(self, hub: Hub, name: str) -> None:
        """Scan a code and hear its answer."""
        code = f"{name}-{self.carrier}"
        self.device.scanners[0].types(f"{code}\r".encode())
        try:
            self.process.wait(f"echo: {code}", _PATIENCE)
        except AssertionError as error:
            print(self.carrier, error)
        self.lost += not hub.received(utterance(code))

    def begin(self) -> None:
        """What it takes now is what it may take."""
        self._first = self._takes()

    def growth(self) -> tuple[float, int, int]:
        """KiB of its own memory, threads and descriptors more than at `begin`."""
        now = self._takes()
        return (now[0] - self._first[0], now[1] - self._first[1], now[2] - self._first[2])

    def _takes(self) -> tuple[float, int, int]:
        pid = self.process.pid
        return memory(pid).uss * 1024, usage(pid).threads, len(os.listdir(f"/proc/{pid}/fd"))

    @property
    def warnings(self) -> list[str]:
        """What is worth a person's look."""
        return [line for line in self.process.heard if " warning " in line or " error " in line]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench running", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--reconnects", type=int, default=100)
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="thalovant-running-"))
    try:
        with Hub(folder / "hub", devices=3) as hub, BadNetwork(hub) as network, ExitStack() as stack:
            agents = [_agent(hub, network, folder, stack, number) for number in range(len(CARRIERS))]
            for number in range(_WARM_SCANS):
                _scan_all(hub, agents, f"warm-{number}")
            for agent in agents:
                agent.begin()
            ordinary = _ordinary(hub, agents, seconds=options.minutes * 60)
            forced = _forced(hub, network, agents, options.reconnects)
            return 0 if ordinary and forced else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _agent(hub: Hub, network: BadNetwork, folder: Path, stack: ExitStack, number: int) -> Agent:
    carrier = CARRIERS[number]
    identity = folder / f"{carrier}.json"
    identity.write_text(network.identity_text(number + 1))
    identity.chmod(0o600)
    device = Device(folder / carrier, identity=identity, protocols=[carrier], environment=hub.environment())
    stack.callback(device.close)
    process = stack.enter_context(device.start())
    process.wait(UP, 60)
    return Agent(carrier, device, process)


def _ordinary(hub: Hub, agents: Sequence[Agent], *, seconds: float) -> bool:
    scans, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        time.sleep(_SCAN_EVERY)
        _scan_all(hub, agents, f"ordinary-{scans}")
        scans += 1
    return _told(f"{seconds / 60:g} min, {scans} scans each", agents, steady=True)


def _forced(hub: Hub, network: BadNetwork, agents: Sequence[Agent], reconnects: int) -> bool:
    for number in range(reconnects):
        for agent in agents:
            if not network[agent.carrier].drop(reset=number % 2 == 0):
                print(f"{agent.carrier} had no connection to drop")
        _scan_all(hub, agents, f"again-{number}")
    return _told(f"{reconnects} forced reconnects each", agents, steady=False)


def _told(title: str, agents: Sequence[Agent], *, steady: bool) -> bool:
    """Print what became of each agent; whether all is well."""
    print(title)
    well = True
    for agent in agents:
        kib, threads, files = agent.growth()
        drops = sum("hub link lost" in line for line in agent.process.heard)
        print(
            f"  {agent.carrier:<6} {agent.lost} lost, {drops} drops, memory {kib:+.0f} KiB, threads {threads:+}, "
            f"descriptors {files:+}, warnings: {agent.warnings or 'none'}",
            flush=True,
        )
        well = well and not (agent.lost or agent.warnings or threads > 0 or files > 0 or kib > _MOST_GROWTH)
        well = well and not (steady and drops)
    return well


def _scan_all(hub: Hub, agents: Sequence[Agent], name: str) -> None:
    for agent in agents:
        agent.scan(hub, name)


if __name__ == "__main__":
    sys.exit(main())
