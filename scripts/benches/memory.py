"""How much memory a device takes, up and idle, and what its first contact with a hub leaves behind."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from scripts.benches.bed import PEER_UP, PROTOCOLS, UP, Bed
from scripts.benches.process import Memory, memory
from scripts.benches.sheet import Row, Sheet


def measure(folder: Path, *, seconds: float = 60.0, copies: int = 2) -> Sheet:
    """Whole devices and the published runner side by side at one hub, `copies` of each, idle for `seconds`.

    Each is started twice and read the second time, when it knows its hub; the first time's peak is argon2id's.
    """
    found: dict[tuple[str, str], list[Memory]] = {}
    first: list[tuple[Memory, Memory]] = []
    with Bed(folder, devices=4 * copies) as bed, ExitStack() as stack:
        actors = [(who, protocol) for _ in range(copies) for protocol in PROTOCOLS for who in ("ours", "peer")]
        known = []
        for who, protocol in actors:
            actor = bed.device(protocol) if who == "ours" else bed.peer(protocol)
            with actor.start() as process:
                process.wait(UP if who == "ours" else PEER_UP)
                if who == "ours":
                    time.sleep(2.0)
                    peak = memory(process.pid)
                    first.append((peak, peak))
            known.append((who, protocol, actor))
        running = []
        for who, protocol, actor in known:
            process = stack.enter_context(actor.start())
            process.wait(UP if who == "ours" else PEER_UP)
            running.append((who, protocol, process))
        time.sleep(seconds)
        for who, protocol, process in running:
            found.setdefault((who, protocol), []).append(memory(process.pid))
    rows = []
    for protocol in PROTOCOLS:
        ours, peer = found["ours", protocol], found["peer", protocol]
        for name, share in (("rss", 0.8), ("uss", 0.9)):
            mine, theirs = (median(getattr(one, name) for one in side) for side in (ours, peer))
            rows.append(
                Row(
                    measure=f"{protocol.upper()} up, idle {seconds:g} s, {name.upper()}",
                    unit="MiB",
                    peer=theirs,
                    ours=mine,
                    target=f"≤ {share} × peer",
                    limit=share * theirs,
                )
            )
    settled = median(one.rss for side in ("wss", "mqtt") for one in found["ours", side])
    after = median(one.rss for one, _ in first)
    rows.append(Row(measure="peak at first contact (argon2id)", unit="MiB", ours=median(one.peak for one, _ in first)))
    rows.append(
        Row(
            measure="RSS 2 s after first contact",
            unit="MiB",
            floor=settled,
            ours=after,
            target="given back: within 2 MiB of a start without it",
            limit=settled + 2,
        )
    )
    return Sheet(
        name="memory",
        title="Memory",
        rows=rows,
        notes=(
            "Ours is the whole device: a scanner, two buttons (mock pins), a console display, the outbox, the link.",
            f"The peer is ThalovantAgent with two handlers and no device. Median of {copies}; all run side by side.",
        ),
    )
