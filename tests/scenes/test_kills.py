"""The hub, the broker or the agent is killed in the middle of scanning, and every accepted scan arrives all the
same."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.peers.waiting import eventually

SCANS = 200
KILLS = 2


def wait_accepted(kiosk, count):
    """Until the agent, since its start, has accepted `count` scans."""
    eventually(lambda: kiosk.status()["counts"].get("scans", 0) >= count, what=f"{count} scans accepted")


def check(kiosk, codes, *, kills, timeout=90.0):
    """Every code is at the hub, with no more repeats than kills, each under its own id."""
    kiosk.wait_up(timeout=60)
    kiosk.wait_settled(timeout=timeout)
    rows = kiosk.hub.received(lambda row: (row["data"].get("utterances") or [""])[0] in codes)
    times = Counter(row["data"]["utterances"][0] for row in rows)
    ids = {(row["data"]["utterances"][0], row["context"]["request_id"]) for row in rows}
    assert set(times) == set(codes), f"{len(set(codes) - set(times))} scans never arrived"
    assert sum(times.values()) - len(codes) <= kills
    assert len(ids) == len(codes), "a repeat came under another id"
    assert kiosk.status()["outbox"]["dead"] == 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victim", ["hub", "broker"])
@pytest.mark.parametrize("protocol", ["mqtt", "wss"])
def test_a_far_end_killed_in_the_middle_of_200_scans_loses_none(hub, start_kiosk, victim, protocol):
    if (victim, protocol) == ("broker", "wss"):
        pytest.skip("WSS knows no broker")
    kiosk = start_kiosk(hub, protocols=[protocol])
    kiosk.wait_up()
    child = hub.core if victim == "hub" else hub.broker
    codes = [f"{victim}-{protocol}-{number:03}" for number in range(SCANS)]
    for number, code in enumerate(codes):
        kiosk.scan(code)
        if number % (SCANS // KILLS) == SCANS // KILLS // 2:
            hub.wait_for(lambda row: row["data"].get("utterances") == [codes[0]])
            child.kill()
            child.start()
    check(kiosk, codes, kills=KILLS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", ["mqtt", "wss"])
def test_an_agent_killed_in_the_middle_of_200_scans_loses_none_it_accepted(hub, start_kiosk, protocol):
    kiosk = start_kiosk(hub, protocols=[protocol])
    kiosk.wait_up()
    codes = [f"agent-{protocol}-{number:03}" for number in range(SCANS)]
    for number, code in enumerate(codes):
        kiosk.scan(code)
        if number % (SCANS // KILLS) == SCANS // KILLS // 2:
            # Accepted is what was counted: what still lies in the port is the person's to scan again.
            wait_accepted(kiosk, number % (SCANS // KILLS) + 1)
            kiosk.kill()
            kiosk.agent.start()
    check(kiosk, codes, kills=KILLS)
