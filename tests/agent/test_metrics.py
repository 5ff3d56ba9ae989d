"""The status as Prometheus reads it."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
from pathlib import Path

import pytest

from agent.board import read_board
from agent.config import MetricsConfig
from agent.metrics import render, write_metrics
from agent.metrics_output import MetricsOutput
from agent.status import Part
from agent.tasks import Task
from agent.workers import Workers
from tests.agent.test_status import status
from tests.peers.rig.ports import accepts, free_port
from tests.peers.waiting import eventually

LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)*\})? -?[0-9.]+')


def test_every_line_is_one_prometheus_reads(tmp_path):
    text = render(status().as_dict(board=read_board(tmp_path, 0.0)))
    for line in text.splitlines():
        assert line.startswith("# TYPE thalovant_") or LINE.fullmatch(line), line
    assert 'thalovant_link_up{protocol="mqtt"} 1\n' in text
    assert 'thalovant_events_total{what="scans"} 3\n' in text
    assert "thalovant_outbox_oldest_seconds" not in text
    assert "thalovant_outbox_oldest_seconds 61.3\n" in render(status(oldest_seconds=61.27).as_dict())


def test_a_name_with_a_quote_stays_one_label():
    text = render(status(inputs=[Part(kind="scanner", name='the "left"\n', trouble="gone")]).as_dict())
    assert 'name="the \\"left\\"\\n"} 0\n' in text


def test_the_file_is_whole_and_readable_by_the_collector(tmp_path):
    path = tmp_path / "agent.prom"
    write_metrics(path, status().as_dict())
    assert path.read_text() == render(status().as_dict())
    assert path.stat().st_mode & 0o777 == 0o644


class Core:
    """The thread that the numbers are of: it does what it is given when `go` lets it."""

    def __init__(self):
        self.tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self.has_room = True

    def put(self, task):
        if self.has_room:
            self.tasks.put(task)
        return self.has_room

    def answer(self, stop, beat):
        while not stop.is_set():
            beat()
            with contextlib.suppress(queue.Empty):
                self.tasks.get(timeout=0.05).run(1.0)


@contextlib.contextmanager
def serving(core, *, answers=True):
    """Metrics on a port of their own; the port."""
    config = MetricsConfig(port=free_port())
    output = MetricsOutput(config, core.put, lambda now: status(now=now).as_dict())
    workers = Workers()
    if answers:
        workers.start("core", core.answer)
    output.start(workers)
    try:
        eventually(lambda: accepts(config.port), what="an open port")
        yield config.port
    finally:
        output.end()
        assert workers.stop(10) == []


def get(port, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def test_whoever_asks_on_loopback_has_the_numbers_of_that_moment():
    with serving(Core()) as port:
        code, kind, text = get(port)
        assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert text == render(status(now=1.0).as_dict())
        assert get(port, "/")[0] == 404
        listening = Path("/proc/net/tcp").read_text().split()
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening, "nobody else's"


@pytest.mark.parametrize(
    ("headers", "code"), [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403)]
)
def test_a_page_of_elsewhere_gets_no_numbers(headers, code):
    with serving(Core()) as port:
        assert get(port, **headers)[0] == code


def test_a_core_that_has_no_time_is_said_so_and_waited_for_no_longer_than_a_scraper_would():
    core = Core()
    with serving(core, answers=False) as port:
        assert get(port)[0] == 504
        core.has_room = False
        assert get(port)[0] == 503


def test_without_a_port_nothing_listens():
    output = MetricsOutput(MetricsConfig(), lambda _: False, lambda now: status(now=now).as_dict())
    workers = Workers()
    output.start(workers)
    assert workers.names == ()
    output.end()
