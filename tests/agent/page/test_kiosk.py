from __future__ import annotations

import logging
import re
from pathlib import Path

from agent.page.kiosk import REQUEST, ask_for_restart

UNITS = Path(__file__).parents[3] / "systemd"


def test_the_agent_asks_for_another_browser_by_writing_a_file(tmp_path, caplog):
    request = tmp_path / "kiosk-restart"
    with caplog.at_level(logging.INFO):
        ask_for_restart(61.4, request)
    assert request.read_text()
    assert caplog.records[0].__dict__["seconds"] == 61


def test_a_link_laid_in_the_way_is_not_followed(tmp_path, caplog):
    target = tmp_path / "target"
    (tmp_path / "kiosk-restart").symlink_to(target)
    ask_for_restart(60.0, tmp_path / "kiosk-restart")
    ask_for_restart(60.0, tmp_path / "missing" / "kiosk-restart")
    assert not target.exists()
    assert len(caplog.records) == 2


def test_systemd_watches_the_file_the_agent_writes():
    path = (UNITS / "thalovant-kiosk-restart.path").read_text()
    assert f"PathModified={REQUEST}\n" in path
    service = (UNITS / re.findall(r"Unit=(.*)", path)[0]).read_text()
    assert "try-restart thalovant-kiosk.service" in service


def test_the_browser_reaches_this_device_and_no_other():
    unit = (UNITS / "thalovant-kiosk.service").read_text()
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in unit
    assert "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1" in unit
    assert "KIOSK_PAGE=http://127.0.0.1:8180/" in unit
