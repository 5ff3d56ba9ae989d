"""The status as Prometheus reads it."""

from __future__ import annotations

import re

from agent.board import read_board
from agent.metrics import render, write_metrics
from agent.status import Part
from tests.agent.test_status import status

LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)*\})? -?[0-9.]+')


def test_every_line_is_one_prometheus_reads(tmp_path):
    text = render(status().as_dict(board=read_board(tmp_path, 0.0)))
    for line in text.splitlines():
        assert line.startswith("# TYPE thalovant_") or LINE.fullmatch(line), line
    assert 'thalovant_link_up{protocol="mqtt"} 1\n' in text
    assert 'thalovant_events_total{what="scans"} 3\n' in text


def test_a_name_with_a_quote_stays_one_label():
    text = render(status(inputs=[Part(kind="scanner", name='the "left"\n', trouble="gone")]).as_dict())
    assert 'name="the \\"left\\"\\n"} 0\n' in text


def test_the_file_is_whole_and_readable_by_the_collector(tmp_path):
    path = tmp_path / "agent.prom"
    write_metrics(path, status().as_dict())
    assert path.read_text() == render(status().as_dict())
    assert path.stat().st_mode & 0o777 == 0o644
