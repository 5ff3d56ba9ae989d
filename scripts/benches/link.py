"""How long a fault keeps a scan from its answer: fault x carrier, seconds until the next scan is answered.

Run as `python -m scripts.benches.link`. A real hub and broker, the production link, and a proxy in between. The clock
starts when the fault is over (the hub listens, the broker runs, the cable is back), or, where nobody can see it end
(a router that forgot the connection), when it happens; that moment a scan is made. A scan counts as lost when the hub
does not have it. `--beside` measures the published client the same way, asking until it is answered.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benches import faults as faults_table
from tests.peers.agent import ROOT
from tests.peers.bad_network import CARRIERS, BadNetwork
from tests.peers.hub import Hub, utterance
from tests.peers.linked import LinkedDevice

_LONGEST = 90.0
"""Seconds after which a scan counts as lost."""


@dataclass(slots=True)
class Bed:
    """Where a fault happens."""

    hub: Hub
    network: BadNetwork
    carrier: str
    away: float


def hub_killed(bed: Bed) -> None:
    bed.hub.core.kill()
    time.sleep(bed.away)
    bed.hub.core.start()


def broker_killed(bed: Bed) -> None:
    assert bed.hub.broker is not None
    bed.hub.broker.kill()
    time.sleep(bed.away)
    bed.hub.broker.start()


def hub_frozen(bed: Bed) -> None:
    bed.hub.core.pause()
    time.sleep(bed.away)
    bed.hub.core.resume()


def broker_frozen(bed: Bed) -> None:
    assert bed.hub.broker is not None
    bed.hub.broker.pause()
    time.sleep(bed.away)
    bed.hub.broker.resume()


def cable_pulled(bed: Bed) -> None:
    bed.network[bed.carrier].drop(reset=True)
    bed.network[bed.carrier].refuse()
    time.sleep(bed.away)
    bed.network[bed.carrier].heal()


def swallowed(bed: Bed) -> None:
    bed.network[bed.carrier].freeze()
    time.sleep(bed.away)
    bed.network[bed.carrier].heal()


def forgotten(bed: Bed) -> None:
    bed.network[bed.carrier].forget()


def reset(bed: Bed) -> None:
    bed.network[bed.carrier].drop(reset=True)


FAULTS: dict[str, tuple[str, Callable[[Bed], None], Sequence[str]]] = {
    "none": ("no fault", lambda _: None, CARRIERS),
    "hub": ("hub killed and started", hub_killed, CARRIERS),
    "broker": ("broker killed and started", broker_killed, ("mqtt",)),
    "hub-frozen": ("hub frozen", hub_frozen, CARRIERS),
    "broker-frozen": ("broker frozen", broker_frozen, ("mqtt",)),
    "cable": ("cable pulled and back", cable_pulled, CARRIERS),
    "swallowed": ("packets swallowed", swallowed, CARRIERS),
    "half-open": ("half-open, from its beginning", forgotten, CARRIERS),
    "reset": ("connection reset", reset, CARRIERS),
}
STARTS = "crash"
"""A device killed and started: not a fault on a running link, so it is measured apart."""


@dataclass(slots=True)
class Cell:
    """One fault on one carrier."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    def __str__(self) -> str:
        if not self.seconds:
            return f"none answered, {self.lost} lost"
        return f"{statistics.median(self.seconds):6.1f} {max(self.seconds):6.1f} {self.lost:>5}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench link", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--away", type=float, default=4.0, help="seconds a fault lasts (default: 4)")
    parser.add_argument("--fault", action="append", choices=[*FAULTS, STARTS], help="only this one; may be repeated")
    parser.add_argument("--carrier", action="append", choices=CARRIERS, help="only this one; may be repeated")
    parser.add_argument("--beside", action="store_true", help="the published client as well")
    parser.add_argument("--write", action="store_true", help="put the table into BENCHMARKS.md")
    options = parser.parse_args(argv)
    faults, carriers = options.fault or [*FAULTS, STARTS], options.carrier or CARRIERS
    logging.getLogger().addHandler(logging.NullHandler())  # that there is no link is what is measured
    folder = Path(tempfile.mkdtemp(prefix="thalovant-link-"))
    lost, told = 0, []
    print(f"seconds until the next scan is answered: median, worst, lost; {options.runs} runs, away {options.away:g} s")
    try:
        with Hub(folder / "hub", devices=200) as hub, BadNetwork(hub) as network:
            os.environ.update(hub.environment())
            numbers = iter(range(1, 200))
            for name in faults:
                title, possible = (
                    ("device killed and started", CARRIERS) if name == STARTS else (FAULTS[name][0], FAULTS[name][2])
                )
                for carrier in (one for one in possible if one in carriers):
                    bed = Bed(hub, network, carrier, options.away)
                    cell = _measure(name, bed, folder, next(numbers), options.runs)
                    lost += cell.lost
                    line, theirs = f"{title:<30} {carrier:<6} {cell}", ""
                    if options.beside and name != STARTS:
                        theirs = str(_measure_published(name, bed, next(numbers), min(options.runs, 3)))
                        line += f"   published: {theirs}"
                    print(line, flush=True)
                    told.append((title, carrier, str(cell), theirs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.write:
        faults_table.put(
            ROOT / "BENCHMARKS.md",
            faults_table.section(told, runs=options.runs, away=options.away, date=time.strftime("%Y-%m-%d")),
        )
    return 1 if lost else 0


def _measure(name: str, bed: Bed, folder: Path, device: int, runs: int) -> Cell:
    cell = Cell()
    identity, keys = bed.network.identity(device), folder / f"device-{device}"
    if name == STARTS:
        for run in range(runs):
            linked = LinkedDevice(identity, keys, protocols=[bed.carrier])
            linked.__enter__()
            linked.wait_up()
            bed.network[bed.carrier].forget()  # nobody is told: the plug, not the process
            with LinkedDevice(identity, keys, protocols=[bed.carrier]) as again:
                _scan(again, bed, cell, f"{name}-{device}-{run}")
            linked.stop()
        return cell
    with LinkedDevice(identity, keys, protocols=[bed.carrier]) as linked:
        for run in range(runs):
            linked.wait_up(timeout=_LONGEST)
            linked.scan(f"before-{name}-{device}-{run}", timeout=_LONGEST)
            FAULTS[name][1](bed)
            _scan(linked, bed, cell, f"{name}-{device}-{run}")
            _mend(bed)
    return cell


def _scan(linked: LinkedDevice, bed: Bed, cell: Cell, code: str) -> None:
    with suppress(AssertionError):
        cell.seconds.append(linked.scan(code, timeout=_LONGEST))
    if not bed.hub.received(utterance(code)):
        cell.lost += 1


def _mend(bed: Bed) -> None:
    bed.network.heal()


def _measure_published(name: str, bed: Bed, device: int, runs: int) -> Cell:
    """The published client, asked again and again until it has an answer."""
    cell = Cell()
    with _published(bed, device) as client:
        for run in range(runs):
            _ask_until(client, f"before {run}")
            FAULTS[name][1](bed)
            began = time.monotonic()
            if _ask_until(client, f"{name} {device} {run}"):
                cell.seconds.append(time.monotonic() - began)
            else:
                cell.lost += 1
            _mend(bed)
    return cell


@contextmanager
def _published(bed: Bed, device: int) -> Iterator[Any]:
    from thalovant import ThalovantClient

    folder = bed.hub.folder / f"published-{device}"
    folder.mkdir(mode=0o700)
    identity = folder / "identity.json"
    identity.touch(mode=0o600)
    identity.write_text(bed.network.identity_text(device))
    client = ThalovantClient.from_identity_file(str(identity), protocol=bed.carrier, reply_settle_seconds=0.0)
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close()


def _ask_until(client: Any, text: str) -> bool:
    ends = time.monotonic() + _LONGEST
    while time.monotonic() < ends:
        try:
            client.ask(text)
            return True
        except Exception:  # noqa: BLE001 - whatever it is, a script would try again
            time.sleep(0.2)
    return False


if __name__ == "__main__":
    sys.exit(main())
