"""From the start of the process to the link, and to the first stored scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from scripts.benches.bed import PEER_UP, PROTOCOLS, UP, Bed, Device, Peer
from scripts.benches.process import Watched, usage
from scripts.benches.sheet import Row, Sheet

CODE = "START-1"


def measure(folder: Path, *, runs: int = 5) -> Sheet:
    """Ours and the peer's in turn, `runs` times each; then a device without a network."""
    known: dict[tuple[str, str], list[_Took]] = {}
    first: dict[tuple[str, str], list[_Took]] = {}
    crashed: list[_Took] = []
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
        ours, peer_ms = (_wall(known[who, protocol]) for who in ("ours", "peer"))
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
                measure="the same, time on a processor",
                unit="ms",
                peer=median(one.cpu for one in known["peer", protocol]),
                ours=median(one.cpu for one in known["ours", protocol]),
            )
        )
    rows.append(
        Row(
            measure="the same, MQTT, after SIGKILL",
            unit="ms",
            ours=_wall(crashed),
            target="≤ 1,600 ms",
            limit=1600,
        )
    )
    for protocol in PROTOCOLS:
        ours, peer_ms = (_wall(first[who, protocol]) for who in ("ours", "peer"))
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
            ours=_wall(stored),
            target="≤ 350 ms",
            limit=350,
        )
    )
    rows.append(Row(measure="the same, time on a processor", unit="ms", ours=median(one.cpu for one in stored)))
    return Sheet(
        name="start",
        title="Start",
        rows=rows,
        notes=(
            "The link of ours counts as up once the hub has answered a probe, the peer's when connect() returns.",
            f"Medians of {runs}, and of {contacts} first contacts, ours and the peer's in turn.",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Took:
    """Milliseconds since the process started: by the clock, and on a processor."""

    wall: float
    cpu: float


def _until(process: Watched, text: str) -> _Took:
    at = process.wait(text)
    return _Took(wall=(at - process.started) * 1000, cpu=usage(process.pid).cpu * 1000)


def _wall(times: Sequence[_Took]) -> float:
    return median(one.wall for one in times)


def _ours(device: Device, *, killed: bool = False) -> _Took:
    """To the link, which ends with a goodbye, or without."""
    with device.start() as process:
        took = _until(process, UP)
        if killed:
            process.kill()
            device.scanners[0].reader_killed()
    return took


def _peer(peer: Peer) -> _Took:
    with peer.start() as process:
        return _until(process, PEER_UP)


def _first_scan(folder: Path) -> _Took:
    """Until a code that was typed before the start is stored and on the display."""
    device = Device(folder, identity=None)
    device.scanners[0].types(f"{CODE}\r".encode())
    with device.start() as process:
        took = _until(process, CODE)
    device.close()
    return took
