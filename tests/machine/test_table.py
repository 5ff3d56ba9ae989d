from __future__ import annotations

import re
from typing import Any

import pytest

from scripts.machine.guest import GuestError
from scripts.machine.table import Row, SkipRow, run

NOBODY: Any = None


def seen(_):
    return "42 of 42"


def unseen(_):
    raise GuestError("nothing\narrived")


def absent(_):
    raise SkipRow("no such port here")


@pytest.mark.parametrize(
    ("work", "verdict", "words"),
    [
        (seen, "passed", "42 of 42"),
        (unseen, "failed", "nothing arrived"),
        (absent, "skipped", "no such port here"),
    ],
)
def test_a_row_is_printed_with_what_came_of_it(capsys, tmp_path, work, verdict, words):
    log = tmp_path / "log"
    failed = run([Row("scan", work, mends=False)], NOBODY, log)
    line, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"scan  {verdict} +0 s  {words}", line)
    assert f"1 {verdict}" in last
    assert failed == (verdict == "failed")
    assert log.exists() == bool(failed)


def test_what_stands_on_a_row_that_failed_is_skipped_and_says_so(capsys, tmp_path):
    rows = [Row("install", unseen, first=True, mends=False), Row("scan", seen, mends=False)]
    assert run(rows, NOBODY, tmp_path / "log") == 1
    assert "install failed" in capsys.readouterr().out.splitlines()[1]
