from __future__ import annotations

import logging

import pytest

from agent.hub.link_events import LinkDown, LinkTrouble, LinkUp
from agent.hub.link_report import LinkReport
from agent.hub.protocol.causes import Cause


@pytest.fixture
def told():
    return []


@pytest.fixture
def report(told, caplog):
    caplog.set_level(logging.INFO)
    return LinkReport(told.append)


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelname == level]


def test_an_outage_is_told_when_it_starts_when_it_changes_and_when_it_ends(report, told, caplog):
    for cause in (Cause.NO_CARRIER, Cause.NO_CARRIER, Cause.DNS, Cause.DNS):
        report.dialling("mqtt")
        report.failed(cause)
    report.up("mqtt", 400)
    assert told == [LinkTrouble(Cause.NO_CARRIER), LinkTrouble(Cause.DNS), LinkUp(1, "mqtt")]
    assert lines(caplog, "WARNING") == ["no hub link"] * 2
    assert lines(caplog, "INFO") == ["hub link up"]


def test_an_ordinary_reconnect_is_no_warning(report, told, caplog):
    report.up("wss", 100)
    report.lost(Cause.DROPPED, "code 1001")
    report.dialling("wss")
    report.up("wss", 100)
    assert told == [LinkUp(1, "wss"), LinkDown(1, Cause.DROPPED), LinkUp(2, "wss")]
    assert lines(caplog, "WARNING") == []
    assert report.snapshot.drops == 1


def test_silence_does_not_unsay_what_another_protocol_found_out(report, told):
    report.failed(Cause.NOT_ADMITTED, "awaiting admission")
    report.dialling("mqtt")
    report.failed(Cause.HUB_SILENT)
    assert told == [LinkTrouble(Cause.NOT_ADMITTED)]
    assert (report.snapshot.state, report.snapshot.cause) == ("awaiting admission", Cause.NOT_ADMITTED)


def test_what_is_wrong_stays_said_while_it_is_tried_again(report):
    report.failed(Cause.HUB_KEY_CHANGED, "attention")
    report.dialling("wss")
    assert report.snapshot.state == "attention"


def test_a_doubtful_link_is_degraded_and_its_time_starts_then(report):
    report.up("wss", 100)
    since = report.snapshot.since
    report.doubtful(False)
    assert (report.snapshot.state, report.snapshot.since) == ("up", since)
    report.doubtful(True)
    assert report.snapshot.state == "degraded"
    assert report.snapshot.since > since
    report.doubtful(False)
    assert report.snapshot.state == "up"
