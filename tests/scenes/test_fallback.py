"""What the link does when its best way is gone, and when it comes back."""

from __future__ import annotations

import time

import pytest

from tests.peers.waiting import eventually


@pytest.mark.timeout(240)
def test_a_broker_gone_for_good_puts_the_session_on_wss_and_a_broker_that_is_back_on_mqtt(hub, start_kiosk):
    kiosk = start_kiosk(hub)
    kiosk.wait_up("mqtt")
    codes = [f"FALLBACK-{number}" for number in range(4)]
    kiosk.scan(codes[0])
    kiosk.wait_answered(codes[0])
    hub.broker.kill()
    began = time.monotonic()
    kiosk.scan(codes[1])
    kiosk.wait_up("wss", timeout=30)
    assert time.monotonic() - began < 30
    kiosk.scan(codes[2])
    kiosk.wait_answered(codes[2], timeout=30)
    hub.core.stop()  # a hub that lost its broker asks for it again only when it is started
    hub.broker.start()
    hub.core.start()
    kiosk.wait_up("mqtt", timeout=120)
    kiosk.scan(codes[3])
    kiosk.wait_answered(codes[3], timeout=30)
    for code in codes:
        rows = kiosk.arrivals(code)
        assert rows, f"{code} never arrived"
        assert len({row["context"]["request_id"] for row in rows}) == 1


@pytest.mark.timeout(200)
def test_an_mqtt_session_the_hub_dropped_for_silence_is_found_before_a_person_does(start_hub, start_kiosk):
    hub = start_hub(mqtt_idle_seconds=6)
    kiosk = start_kiosk(hub, protocols=["mqtt"], device=1)
    kiosk.wait_up("mqtt")
    drops = kiosk.status()["link"]["drops"]
    # The hub sweeps every 30 s; nobody touches the device meanwhile.
    eventually(lambda: kiosk.status()["link"]["drops"] > drops, timeout=90, what="the hub dropping the session")
    kiosk.wait_up("mqtt", timeout=60)
    began = time.monotonic()
    kiosk.scan("AFTER-SILENCE")
    kiosk.wait_shown("AFTER-SILENCE: done", timeout=5)
    assert time.monotonic() - began < 2
    assert len(kiosk.arrivals("AFTER-SILENCE")) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_400_seconds_of_silence_the_next_scan_is_answered_at_once(start_hub, start_kiosk):
    hub = start_hub(mqtt_idle_seconds=6)
    kiosk = start_kiosk(hub, protocols=["mqtt"], device=1)
    kiosk.wait_up("mqtt")
    time.sleep(400)  # the silence is what is tested
    began = time.monotonic()
    kiosk.scan("AFTER-400-SECONDS")
    kiosk.wait_shown("AFTER-400-SECONDS: done", timeout=5)
    assert time.monotonic() - began < 2
