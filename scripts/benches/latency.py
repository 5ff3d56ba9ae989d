"""From the scanner's bytes to the signal, to the hub's agent bus, and to the answer in our hands."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from scripts.benches import floors
from scripts.benches.bed import PEER_UP, PROTOCOLS, UP, Bed, Device
from scripts.benches.process import Watched
from scripts.benches.sheet import Row, Sheet
from tests.peers.hub import Hub, utterance

_BATCH = 20
_PAUSE = 0.25
"""Seconds before each scan and each ask, ours and the peer's: nobody scans faster, and a client that asks again at once
acknowledges the last answer with its next question."""


@dataclass(slots=True)
class _Times:
    """Of one protocol on one hub, in seconds."""

    accepted: list[float] = field(default_factory=list)
    on_bus: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)


def measure(folder: Path, *, scans: int = 60) -> Sheet:
    """`scans` scans and as many asks, in turn, on each protocol, at a hub as it comes and at a tuned one."""
    rows: list[Row] = []
    commit = floors.commit(folder)
    seal = floors.seal_and_open()
    rows.append(Row(measure="one commit to this disk (SQLite, WAL, FULL)", unit="ms", floor=commit * 1000))
    rows.append(Row(measure="one Noise frame sealed and opened", unit="ms", floor=seal * 1000))
    accepted: list[float] = []
    for nodelay, name in ((False, "stock"), (True, "tuned")):
        with Bed(folder / name, devices=5, nodelay=nodelay) as bed:
            carrier = {"wss": floors.echo(bed.hub), "mqtt": floors.publish(bed.hub, 5)}
            for protocol in PROTOCOLS:
                times = _measured(bed, protocol, scans)
                accepted += times.accepted
                rows += _rows(protocol, name, times, commit + seal + carrier[protocol])
    worst = quantiles(accepted, n=100)[98] * 1000
    rows.append(
        Row(
            measure="scan byte to accepted (on the display), p99",
            unit="ms",
            floor=commit * 1000,
            ours=worst,
            target="≤ 5 ms + one commit",
            limit=5 + commit * 1000,
        )
    )
    rows.append(Row(measure="the same, p50", unit="ms", floor=commit * 1000, ours=median(accepted) * 1000))
    return Sheet(
        name="latency",
        title="Latency",
        rows=rows,
        notes=(
            "Ours is from the bytes on the scanner's pseudo-terminal to the line on the display, the commit included.",
            "The peer's is ask(), with a settle window of 0 and nothing stored.",
            f"A pause of {_PAUSE:g} s before each scan and each ask: a person's pace, not a machine's.",
            "The floor is one commit, one frame sealed and opened, and the bare carrier over the same TLS: paho's",
            "publish to PUBACK, or a WebSocket echo. Tuned is TCP_NODELAY in hub and broker (set_tcp_nodelay true).",
        ),
    )


def _rows(protocol: str, hub: str, times: _Times, floor: float) -> list[Row]:
    answered, peer, on_bus = (median(one) * 1000 for one in (times.answered, times.peer, times.on_bus))
    share = {("wss", "stock"): 0.2, ("wss", "tuned"): 0.7, ("mqtt", "tuned"): 0.7}.get((protocol, hub))
    name = f"{protocol.upper()}, {hub} hub"
    return [
        Row(
            measure=f"scan to answer, {name}, p50",
            unit="ms",
            floor=floor * 1000,
            peer=peer,
            ours=answered,
            target=f"≤ {share} × peer" if share else "",
            limit=share * peer if share else None,
        ),
        Row(measure=f"scan to answer, {name}, p95", unit="ms", ours=quantiles(times.answered, n=20)[18] * 1000),
        Row(
            measure=f"scan to the hub's agent bus, {name}, p50",
            unit="ms",
            floor=floor * 1000,
            ours=on_bus,
            target="≤ 1.5 × floor",
            limit=1.5 * floor * 1000,
        ),
    ]


def _measured(bed: Bed, protocol: str, scans: int) -> _Times:
    times = _Times()
    with ExitStack() as stack:
        device, peer = bed.device(protocol), bed.peer(protocol)
        ours, theirs = stack.enter_context(device.start()), stack.enter_context(peer.start("client"))
        ours.wait(UP)
        theirs.wait(PEER_UP)
        for start in range(0, scans, _BATCH):
            for number in range(start, start + _BATCH):
                _scan(f"{protocol}-{number:04}", device, ours, bed.hub, times)
            theirs.tell(f"ask {_BATCH} {_PAUSE}")
            for _ in range(_BATCH):
                times.peer.append(float(theirs.line("answer")[1].split()[1]))
            theirs.wait("done")
    return times


def _scan(code: str, device: Device, agent: Watched, hub: Hub, times: _Times) -> None:
    time.sleep(_PAUSE)
    wall, began = time.time(), time.perf_counter()
    device.scanners[0].types(f"{code}\r".encode())
    at, line = agent.line(code)
    if "echo: " not in line:
        times.accepted.append(at - began)
        at = agent.wait(f"echo: {code}")
    times.answered.append(at - began)
    times.on_bus.append(hub.wait_for(utterance(code))["t"] - wall)
