"""What a device costs while nothing happens."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from scripts.benches.bed import PEER_UP, PROTOCOLS, UP, Bed
from scripts.benches.process import Usage, usage
from scripts.benches.sheet import Row, Sheet


def measure(folder: Path, *, seconds: float = 600.0) -> Sheet:
    """A device, the published runner and the published client on each protocol, side by side for `seconds`."""
    spent: dict[tuple[str, str], Usage] = {}
    with Bed(folder, devices=6) as bed, ExitStack() as stack:
        running = []
        for protocol in PROTOCOLS:
            for who in ("ours", "agent", "client"):
                process = bed.device(protocol).start() if who == "ours" else bed.peer(protocol).start(who)
                stack.enter_context(process)
                process.wait(UP if who == "ours" else PEER_UP)
                running.append((who, protocol, process))
        time.sleep(10.0)  # what the start leaves behind
        before = [usage(process.pid) for *_, process in running]
        time.sleep(seconds)
        for (who, protocol, process), was in zip(running, before, strict=True):
            now = usage(process.pid)
            spent[who, protocol] = Usage(
                cpu=100 * (now.cpu - was.cpu) / seconds,
                wakeups=round(60 * (now.wakeups - was.wakeups) / seconds),
                written=now.written - was.written,
                threads=now.threads,
            )
    rows = []
    for protocol in PROTOCOLS:
        ours, agent, client = (spent[who, protocol] for who in ("ours", "agent", "client"))
        name = protocol.upper()
        rows += [
            Row(
                measure=f"{name}, share of a core", unit="%", peer=agent.cpu, ours=ours.cpu, target="≤ 0.1 %", limit=0.1
            ),
            Row(measure=f"{name}, the same, peer's bare client", unit="%", peer=client.cpu, ours=ours.cpu),
            Row(
                measure=f"{name}, wakeups a minute",
                peer=agent.wakeups,
                ours=ours.wakeups,
                target="≤ 12",
                limit=12,
            ),
            Row(measure=f"{name}, bytes written", peer=agent.written, ours=ours.written, target="0", limit=0),
            Row(measure=f"{name}, threads", peer=agent.threads, ours=ours.threads),
        ]
    return Sheet(
        name="idle",
        title=f"Idle for {seconds:g} s",
        rows=rows,
        notes=(
            "Processor from schedstat, wakeups are voluntary context switches of all threads, bytes of /proc/PID/io.",
        ),
    )
