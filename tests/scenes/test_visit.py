"""A scan and a press go in, the hub answers, the answer is shown and spoken; seen at both ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import status
from tests.peers.schema import Schema

PROTOCOLS = ("mqtt", "wss", "https")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_scan_arrives_once_as_documented_and_its_answer_is_shown_and_spoken(hub, start_kiosk, protocol):
    kiosk = start_kiosk(hub, protocols=[protocol])
    kiosk.wait_up(protocol)
    code = f"INV-{protocol}-001"
    kiosk.scan(code)
    hub.wait_for(lambda row: row["data"].get("utterances") == [code])
    kiosk.wait_settled()
    (row,) = kiosk.arrivals(code)
    given = {"kind": "invoice", "label": "Invoice", "value": code, "exact": True}
    assert row["type"] == "recognizer_loop:utterance"
    assert row["data"] == {"utterances": [code], "lang": "en-us", "input": given}
    context = row["context"]
    assert context["input"] == given
    assert context["request_id"] == context["thalovant_request_id"] == context["session"]["request_id"]
    assert context["session"]["lang"] == "en-us"
    assert context["session"]["site_id"] == hub.devices[kiosk.device - 1].site_id
    kiosk.wait_shown(code)
    kiosk.wait_spoken(code)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_press_arrives_once_as_documented_and_its_answer_is_shown(hub, start_kiosk, protocol):
    kiosk = start_kiosk(hub, protocols=[protocol])
    kiosk.wait_up(protocol)
    hub.responder(answer=f"Somebody comes, {protocol}.")
    before = len(kiosk.arrivals("call-staff"))
    kiosk.press()
    kiosk.wait_shown(f"Somebody comes, {protocol}.")
    kiosk.wait_spoken(f"Somebody comes, {protocol}.")
    kiosk.wait_settled()
    (row,) = kiosk.arrivals("call-staff")[before:]
    assert row["data"] == {"utterances": ["call-staff"], "lang": "en-us"}
    assert row["context"]["input"] == {"kind": "action", "title": "Call staff", "payload": "call-staff"}


def test_a_scan_the_hub_refuses_is_shown_with_its_reason_and_kept(hub, kiosk):
    hub.allow("thalovant.client.status")
    kiosk.scan("DENIED-1")
    kiosk.wait_shown("refused")
    kiosk.wait_settled()
    assert kiosk.status()["outbox"]["dead"] == 1
    assert kiosk.arrivals("DENIED-1") == []


def test_a_scan_no_skill_takes_is_shown_as_unanswered(hub, kiosk):
    hub.responder(messages=[("ovos.intent.unmatched", {"utterance": "X"})])
    kiosk.scan("NOBODY-KNOWS")
    kiosk.wait_shown("no answer for this")
    kiosk.wait_settled()


def test_what_the_hub_says_of_its_own_accord_is_shown_and_spoken(hub, kiosk):
    hub.wait_connected(kiosk.device)
    assert hub.speak("The shop closes in ten minutes.")
    kiosk.wait_shown("The shop closes in ten minutes.")
    kiosk.wait_spoken("The shop closes in ten minutes.")


def test_the_device_reports_its_state_when_it_comes_up_and_when_it_leaves(hub, start_kiosk):
    kiosk = start_kiosk(hub)
    kiosk.wait_up()
    site = hub.devices[kiosk.device - 1].site_id

    def is_report(row):
        return row["type"] == "thalovant.client.status" and row["context"]["session"]["site_id"] == site

    hub.wait_for(is_report)
    assert kiosk.agent.terminate() == 0
    states = [row["data"]["state"] for row in hub.received(is_report)]
    assert (states[0], states[-1]) == ("ready", "stopping")


def test_a_hub_that_asks_for_the_state_has_it_at_once_and_it_fits_the_schema(hub, start_kiosk):
    kiosk = start_kiosk(hub)
    kiosk.wait_up()
    site = hub.devices[kiosk.device - 1].site_id

    def is_report(row):
        return row["type"] == "thalovant.client.status" and row["context"]["session"]["site_id"] == site

    hub.wait_for(is_report)
    hub.emit("thalovant.client.status.request", device=kiosk.device)
    hub.wait_for(is_report, count=2, timeout=5)
    schema = Schema(Path(status.__file__).with_name("status.schema.json"))
    assert [problem for row in hub.received(is_report) for problem in schema.problems(row["data"])] == []


def test_a_hub_that_denies_the_status_is_noticed_once(hub, start_kiosk):
    hub.allow("recognizer_loop:utterance")
    kiosk = start_kiosk(hub)
    kiosk.wait_up()
    kiosk.scan("AFTER-DENIAL-1")
    kiosk.wait_answered("AFTER-DENIAL-1")
    journal = kiosk.agent.log.read_text()
    assert journal.count("hivemind-core allow-msg thalovant.client.status") == 1
    assert len(kiosk.arrivals("AFTER-DENIAL-1")) == 1


def test_an_agent_that_is_told_to_stop_leaves_within_five_seconds_with_nothing_lost(hub, start_kiosk):
    kiosk = start_kiosk(hub)
    kiosk.wait_up()
    hub.responder(reply=False)
    kiosk.scan("LEFT-BEHIND")
    hub.wait_for(lambda row: row["data"].get("utterances") == ["LEFT-BEHIND"])
    assert kiosk.agent.terminate(timeout=5) == 0
    hub.responder()
    kiosk.agent.start()
    kiosk.wait_up()
    kiosk.wait_settled()
    rows = kiosk.arrivals("LEFT-BEHIND")
    assert 1 <= len(rows) <= 2
    assert len({row["context"]["request_id"] for row in rows}) == 1
