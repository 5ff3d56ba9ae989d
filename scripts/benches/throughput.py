"""Scans stored, and stored scans drained, a second."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from agent.control_socket import ControlError, ask_agent
from scripts.benches.bed import PEER_UP, PROTOCOLS, READY, Bed, Device
from scripts.benches.process import usage
from scripts.benches.sheet import Row, Sheet
from tests.peers.hub import Hub
from tests.peers.waiting import eventually

_WINDOWS = {"wss": (1, 32), "mqtt": (1,)}
"""Codes in flight; over MQTT there is never more than one."""


def measure(folder: Path, *, scans: int = 8000, drained: int = 600) -> Sheet:
    """Two scanners at once; then a backlog of `drained` codes to a hub that comes back, and the peer's codes to it."""
    rows = [
        Row(
            measure="scans stored a second, two scanners flat out",
            ours=_stored(folder / "alone", scans),
            target="≥ 2,000",
            limit=2000,
            least=True,
        )
    ]
    for protocol in PROTOCOLS:
        with Bed(folder / protocol, devices=4) as bed:
            peer = _sent(bed, protocol, drained) or _sent(bed, protocol, drained)
            for in_flight in _WINDOWS[protocol]:
                device = bed.device(protocol, hub={"in_flight": in_flight})
                best = in_flight == _WINDOWS[protocol][-1]
                rate, again, allowed = _drained(bed, device, drained if in_flight > 1 else drained // 3)
                rows.append(
                    Row(
                        measure=f"drained a second, {protocol.upper()}, {in_flight} in flight",
                        floor=allowed,
                        peer=peer,
                        ours=rate,
                        target="not slower" if best else "",
                        limit=0.95 * peer if best and peer is not None else None,
                        least=True,
                    )
                )
                rows.append(Row(measure="of those, arrived once more under the same id", ours=again))
    return Sheet(
        name="throughput",
        title="Throughput",
        rows=rows,
        notes=(
            "Ours reads each code from the store, sends it, hears the hub's answer and settles it on the disk.",
            "The floor of a drain is what the hub's processor time for each answered code allows on one core.",
            "A peer without a figure lost its connection under its own codes, twice.",
            "The peer sends codes from memory and waits for no answer; its rate is that of arrivals at the agent bus.",
        ),
    )


def _stored(folder: Path, scans: int) -> float:
    """Codes a second, from the first byte to the last commit."""
    device = Device(folder, identity=None, scanners=2)
    with device.start() as agent:
        agent.wait(READY)
        began = time.perf_counter()
        _scan(device, scans // 2)
        eventually(lambda: _waiting(device) == scans, timeout=60, what=f"{scans} codes stored")
        took = time.perf_counter() - began
    device.close()
    return scans / took


def _sent(bed: Bed, protocol: str, count: int) -> float | None:
    """The peer's codes a second, as they arrive; None when its connection breaks under them."""
    with bed.peer(protocol).start("client") as peer:
        peer.wait(PEER_UP)
        peer.tell(f"send {count}")
        try:
            peer.wait("done", timeout=45)
        except AssertionError:
            return None
        arrived = eventually(lambda: _arrivals(bed.hub, "PEER-", count), timeout=60, what="the peer's codes")
    return _rate(arrived)


def _drained(bed: Bed, device: Device, count: int) -> tuple[float, int, float]:
    """Codes a second, from the first arrival to the last settled; how many arrived again, under the same id; and how
    many a second the hub could answer if it did nothing but compute."""
    bed.hub.stop()
    prefix = device.folder.name
    with device.start() as agent:
        agent.wait(READY)
        _scan(device, count, prefix)
        eventually(lambda: _waiting(device) == count, timeout=60, what="a backlog")
        bed.hub.start()
        spent = _spent(bed.hub)
        ask_agent(device.control, {"command": "retry"}, 5.0)
        eventually(lambda: _waiting(device) == 0, timeout=300, what="an empty store")
        ended = time.time()
        spent = _spent(bed.hub) - spent
    rows = [row for row in bed.hub.received() if str((row["data"].get("utterances") or [""])[0]).startswith(prefix)]
    different = {row["data"]["utterances"][0] for row in rows}
    assert len(different) == count, f"{len(different)} of {count} arrived"
    return count / (ended - float(rows[0]["t"])), len(rows) - count, count / spent


def _spent(hub: Hub) -> float:
    """Seconds the hub has spent on a processor."""
    assert hub.core.pid is not None
    return usage(hub.core.pid).cpu


def _scan(device: Device, each: int, prefix: str = "CODE") -> None:
    """Every scanner of the device reads `each` codes, as fast as its port takes them."""

    def work(number: int) -> None:
        for start in range(0, each, 50):
            codes = (f"{prefix}-{number}-{code:06}\r" for code in range(start, min(start + 50, each)))
            device.scanners[number].types("".join(codes).encode(), timeout=30)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(device.scanners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _waiting(device: Device) -> int:
    try:
        return int(ask_agent(device.control, {"command": "status"}, 10.0)["outbox"]["waiting"])
    except ControlError:
        return -1


def _arrivals(hub: Hub, prefix: str, count: int) -> list[dict[str, Any]] | None:
    rows = [row for row in hub.received() if str((row["data"].get("utterances") or [""])[0]).startswith(prefix)]
    return rows if len(rows) >= count else None


def _rate(rows: list[dict[str, Any]]) -> float:
    return len(rows) / (float(rows[-1]["t"]) - float(rows[0]["t"]))
