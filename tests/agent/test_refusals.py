"""What a scanner sent that was no code is to be had on the device, and nowhere else."""

from __future__ import annotations

import json
import logging
import tarfile

import pytest

from agent.commands.status_lines import status_lines
from agent.field_report import write_report
from agent.refusals import MOST_BYTES, Refusals
from hardware.facts import ScanRefused
from tests.agent.test_runtime import Kiosk, folder  # noqa: F401  # the fixture
from tests.peers.waiting import eventually

SENT = b"Gr\xf6\xdfe 7-SECRET"
SHOWN = SENT.hex(" ")
REMARK = "not utf-8 at byte 3"


def refused(scanner, raw, at=0.0):
    return ScanRefused(scanner, "undecodable", raw, at, REMARK)


def test_each_scanner_has_its_last_one_of_each_reason():
    refusals = Refusals()
    for fact in (refused("gate", b"\xff"), refused("counter", b"\x80A", 2.0), refused("gate", b"\xfe\xfd", 5.0)):
        refusals.add(fact)
    refusals.add(ScanRefused("gate", "empty", b"", 6.0))
    counter, newest, gate = refusals.as_list(12.5)
    assert (newest["reason"], newest["hex"], newest["seconds"]) == ("empty", "", 6.5)
    assert (counter["scanner"], counter["hex"], counter["seconds"]) == ("counter", "80 41", 10.5)
    assert gate == {
        "scanner": "gate",
        "reason": "undecodable",
        "remark": REMARK,
        "seconds": 7.5,
        "bytes": 2,
        "hex": "fe fd",
    }


def test_of_a_long_one_the_beginning_is_kept():
    refusals = Refusals()
    refusals.add(refused("gate", b"\xff" * 2953))
    (one,) = refusals.as_list(0.0)
    assert one["bytes"] == 2953
    assert bytes.fromhex(one["hex"]) == b"\xff" * MOST_BYTES


@pytest.fixture
def kiosk(folder):  # noqa: F811
    kiosk = Kiosk(folder)
    yield kiosk
    kiosk.scanner.close()
    kiosk.pins.reset()


def test_it_is_in_the_status_on_the_device_and_in_nothing_that_leaves_it(kiosk, folder, caplog, capfd):  # noqa: F811
    caplog.set_level(logging.INFO)
    kiosk.provision()
    config = folder / "agent.toml"
    config.write_text('[control]\nsocket = "control.sock"\n[identity]\nfile = "identity.json"\nstate = "state"\n')
    with kiosk.running():
        kiosk.up()
        kiosk.scanner.types(SENT + b"\r")
        kiosk.counted("scans_refused")
        answer = kiosk.ask("status")
        assert [one["hex"] for one in answer["refused_scans"]] == [SHOWN]
        (line,) = [line for line in status_lines(answer) if SHOWN in line]
        assert line.startswith("          refused ")
        assert line.endswith(f"s ago, undecodable ({REMARK}), {len(SENT)} bytes: {SHOWN}")
        write_report(folder / "report.tar.gz", config=config, run=lambda _: "")
    # The last report to the hub is made as the agent leaves, after the scan.
    eventually(lambda: kiosk.reports()[-1]["state"] == "stopping", what="the last report")
    told = [json.dumps(kiosk.reports()), caplog.text, capfd.readouterr().out]
    told += [json.dumps(record.__dict__, default=str) for record in caplog.records]
    with tarfile.open(folder / "report.tar.gz") as archive:
        files = [archive.extractfile(member) for member in archive.getmembers()]
        told += [file.read().decode() for file in files if file is not None]
    assert "scans_refused" in told[0]
    assert "Code with unknown characters: scan another, or ask for help" in told[2]
    for text in told:
        assert not any(shown in text for shown in (SHOWN, SENT.hex(), "SECRET", "refused_scans"))
