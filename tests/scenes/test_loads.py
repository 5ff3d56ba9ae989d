"""More scans than anybody has hands for: a night's backlog, and two scanners that never rest."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually


def resident_kib(pid):
    """The agent's memory in KiB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def scans_of(kiosk, prefix):
    """What the hub got of the codes that begin so, oldest first: code, request id and time."""
    rows = kiosk.hub.received(lambda row: (row["data"].get("utterances") or [""])[0].startswith(prefix))
    return [(row["data"]["utterances"][0], row["context"]["request_id"], row["t"]) for row in rows]


def at_a_rate(scanner, codes, per_second, moments):
    """Type the codes at an even rate, and note when."""
    began = time.monotonic()
    for number, code in enumerate(codes):
        time.sleep(max(began + number / per_second - time.monotonic(), 0))
        moments[code] = time.monotonic()
        scanner.types(code.encode() + b"\r")


def wait_accepted(kiosk, count):
    """Until the agent has accepted so many scans."""
    eventually(lambda: kiosk.status()["counts"].get("scans", 0) >= count, timeout=60, what=f"{count} scans stored")


def drain(start_hub, start_kiosk, backlog, while_draining, capsys):
    hub = start_hub()
    kiosk = start_kiosk(hub, protocols=["mqtt"], device=1)
    kiosk.wait_up()
    hub.core.stop()
    old = [f"NIGHT-{number:05}" for number in range(backlog)]
    for start in range(0, backlog, 200):  # many hands, but no flood: the core's inbox holds a thousand events
        kiosk.scan(*old[start : start + 200])
        wait_accepted(kiosk, min(start + 200, backlog))
    assert kiosk.status()["outbox"]["waiting"] == backlog
    before = resident_kib(kiosk.agent.pid)
    hub.core.start()
    kiosk.wait_up(timeout=120)
    began = time.monotonic()
    new = [f"NIGHT-NEW-{number:04}" for number in range(while_draining)]
    moments: dict[str, float] = {}
    accepted_late = 0.0
    most = before
    scanning = threading.Thread(target=at_a_rate, args=(kiosk.scanner, new, 20, moments))
    scanning.start()
    try:
        while kiosk.status()["outbox"]["waiting"]:
            typed = [code for code, at in list(moments.items()) if time.monotonic() - at > 0.5]
            if kiosk.status()["counts"]["scans"] < backlog + len(typed):
                accepted_late += 1
            most = max(most, resident_kib(kiosk.agent.pid))
            time.sleep(0.2)
            assert time.monotonic() - began < 1400, "it takes too long"
    finally:
        scanning.join(120)
    kiosk.wait_settled(60)
    took = time.monotonic() - began
    arrived = scans_of(kiosk, "NIGHT-")
    assert [code for code, _, _ in arrived] == old + new, "lost, doubled or out of order"
    gaps = [later[2] - earlier[2] for earlier, later in pairwise(arrived)]
    with capsys.disabled():
        print(
            f"\n{backlog} stored and {while_draining} more at 20/s: {len(arrived) / took:.0f} a second, "
            f"longest wait for a turn {max(gaps):.2f} s, memory {before} to {most} KiB, late {accepted_late:g}"
        )
    assert max(gaps) < 2
    assert accepted_late == 0, "a scan waited more than half a second for its beep"
    assert most < before + 4096, "memory grows with the backlog"


@pytest.mark.timeout(300)
def test_a_backlog_is_delivered_in_order_while_new_scans_are_taken(start_hub, start_kiosk, capsys):
    drain(start_hub, start_kiosk, 100, 20, capsys)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_scans_are_delivered_in_order_while_new_scans_are_taken(start_hub, start_kiosk, capsys):
    drain(start_hub, start_kiosk, 10_000, 400, capsys)


def two_scanners(start_hub, start_kiosk, tmp_path, seconds):
    with PtyScanner(tmp_path / "gate") as gate:
        extra = f'\n[[scanner]]\nname = "gate"\nport = {json.dumps(gate.port)}\nkind = "gate"\nrepeat_seconds = 0\n'
        kiosk = start_kiosk(start_hub(), protocols=["mqtt"], device=1, extra=extra)
        kiosk.wait_up()
        codes = {name: [f"TWO-{name}-{number:04}" for number in range(20 * seconds)] for name in ("counter", "gate")}
        scanners = {"counter": kiosk.scanner, "gate": gate}
        typing = [threading.Thread(target=at_a_rate, args=(scanners[name], codes[name], 20, {})) for name in scanners]
        for one in typing:
            one.start()
        for one in typing:
            one.join()
        wait_accepted(kiosk, 40 * seconds)
        kiosk.wait_settled(timeout=300)
        arrived = scans_of(kiosk, "TWO-")
        assert max(Counter(code for code, _, _ in arrived).values()) == 1
        for name, own in codes.items():
            assert [code for code, _, _ in arrived if code.startswith(f"TWO-{name}-")] == own


@pytest.mark.timeout(120)
def test_two_scanners_at_20_a_second_are_neither_lost_nor_mixed(start_hub, start_kiosk, tmp_path):
    two_scanners(start_hub, start_kiosk, tmp_path, 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_scanners_at_20_a_second_for_a_minute_are_neither_lost_nor_mixed(start_hub, start_kiosk, tmp_path):
    two_scanners(start_hub, start_kiosk, tmp_path, 60)
