"""From the start of the process to the link, and to the first stored scan."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from scripts.benches.bed import PEER_UP, PROTOCOLS, UP, Bed, Device, Peer
from scripts.benches.sheet import Row, Sheet

CODE = "START-1"


def measure(folder: Path, *, runs: int = 5) -> Sheet:
    """Ours and the peer's in turn, `runs` times each; then a device without a network."""
    known: dict[tuple[str, str], list[float]] = {}
    first: dict[tuple[str, str], list[float]] = {}
    crashed: list[float] = []
    contacts = min(runs, 3)
    with Bed(folder, devices=4 * contacts) as bed:
        for protocol in PROTOCOLS:
            for _ in range(contacts):
                device, peer = bed.device(protocol), bed.peer(protocol)
                first.setdefault(("ours", protocol), []).append(_ours(device))
                first.setdefault(("peer", protocol), []).append(_peer(peer))
            for _ in range(runs):
                known.setdefault(("ours", protocol), []).append(_ours(device))
                known.setdefault(("peer", protocol), []).append(_peer(peer))
        for _ in range(contacts):
            _ours(device, killed=True)
            crashed.append(_ours(device))
    stored = [_first_scan(folder / f"alone-{run}") for run in range(runs)]
    rows = []
    for protocol, share in (("wss", 0.6), ("mqtt", 0.7)):
        ours, peer_ms = median(known["ours", protocol]), median(known["peer", protocol])
        rows.append(
            Row(
                measure=f"start to link up, known hub, {protocol.upper()}",
                unit="ms",
                peer=peer_ms,
                ours=ours,
                target=f"≤ {share} × peer",
                limit=share * peer_ms,
            )
        )
    rows.append(
        Row(
            measure="the same, MQTT, after SIGKILL",
            unit="ms",
            ours=median(crashed),
            target="≤ 1,600 ms",
            limit=1600,
        )
    )
    for protocol in PROTOCOLS:
        ours, peer_ms = median(first["ours", protocol]), median(first["peer", protocol])
        rows.append(
            Row(
                measure=f"start to link up, first contact, {protocol.upper()}",
                unit="ms",
                peer=peer_ms,
                ours=ours,
                target="not slower (within 5 %)",
                limit=1.05 * peer_ms,
            )
        )
    rows.append(
        Row(
            measure="start to first scan stored and shown, no network",
            unit="ms",
            ours=median(stored),
            target="≤ 350 ms",
            limit=350,
        )
    )
    return Sheet(
        name="start",
        title="Start",
        rows=rows,
        notes=(
            "The link of ours counts as up once the hub has answered a probe, the peer's when connect() returns.",
            f"Medians of {runs}, and of {contacts} first contacts, ours and the peer's in turn.",
        ),
    )


def _ours(device: Device, *, killed: bool = False) -> float:
    """Milliseconds to the link; it ends with a goodbye, or without."""
    with device.start() as process:
        took = process.wait(UP) - process.started
        if killed:
            process.kill()
            device.scanners[0].reader_killed()
    return took * 1000


def _peer(peer: Peer) -> float:
    with peer.start() as process:
        return (process.wait(PEER_UP) - process.started) * 1000


def _first_scan(folder: Path) -> float:
    """Milliseconds until a code that was typed before the start is stored and on the display."""
    device = Device(folder, identity=None)
    device.scanners[0].types(f"{CODE}\r".encode())
    with device.start() as process:
        took = process.wait(CODE) - process.started
    device.close()
    return took * 1000
