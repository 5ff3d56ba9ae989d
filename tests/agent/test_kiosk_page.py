from __future__ import annotations

from contextlib import contextmanager

import pytest

from agent.events import Requested
from agent.kiosk_page import KioskPage
from agent.page.state import LinkLine, PageState
from agent.page.taps import Touched, Typed, Verdict
from agent.page_config import PageConfig
from agent.workers import Restart, Workers
from hardware.facts import DeviceFound, DeviceLost
from tests.agent.page.conftest import EventStream
from tests.peers.rig.ports import free_port
from tests.peers.waiting import eventually


class Core:
    """What the page puts into the inbox."""

    def __init__(self):
        self.events = []
        self.room = True

    def put(self, event):
        self.events.append(event)
        return self.room


@pytest.fixture
def core():
    return Core()


def page_of(tmp_path, core, **keys):
    config = PageConfig(enabled=True, port=free_port(), **keys)
    page = KioskPage(config, "de-de", core.put, user_agent="Test/1", restart_request=tmp_path / "kiosk-restart")
    return page, config.port


@contextmanager
def running(page):
    workers = Workers(expected=(Exception,), restart=Restart(first=0.05))
    page.start(workers)
    try:
        yield
    finally:
        page.end()
        assert workers.stop(10) == []


def test_what_the_core_shows_reaches_the_page_with_count_and_clock(tmp_path, core):
    page, port = page_of(tmp_path, core)
    page.show(PageState(link=LinkLine(state="up")))
    page.refresh(waiting=3, clock=False)
    with running(page):
        stream = eventually(lambda: _stream(port), what="the page")
        with stream:
            assert stream.next("hello")["languages"][0]["tag"] == "de-de"
            state = stream.next("state")
            assert state["link"] == {"state": "up", "cause": "", "waiting": 3}
            assert state["clock"] is False
            page.refresh(waiting=2, clock=True)
            assert stream.next("state")["link"]["waiting"] == 2


def test_a_tap_is_put_to_the_core_and_its_answer_is_the_verdict(tmp_path, core):
    page, _ = page_of(tmp_path, core)
    verdicts: list[Verdict] = []
    page._tapped(Touched("tap-00000001", "/this", "This", "de-DE"), verdicts.append)
    page._tapped(Typed("tap-00000002", "A-1", ""), verdicts.append)
    touched, typed = core.events
    assert isinstance(touched, Requested)
    assert (touched.kind, touched.text, touched.label, touched.language) == ("action", "/this", "This", "de-de")
    assert (touched.origin, touched.wait_seconds) == ("page", 0.0)
    assert (typed.kind, typed.text, typed.language) == ("code", "A-1", None)
    assert page.answer(touched.ticket, {"ok": True})
    assert page.answer(typed.ticket, {"ok": False, "error": "disk full"})
    assert [(one.accepted, one.reason) for one in verdicts] == [(True, ""), (False, "disk full")]
    assert not page.answer("7", {"ok": True})


def test_a_core_with_no_room_says_so_in_the_devices_language(tmp_path, core):
    page, _ = page_of(tmp_path, core)
    core.room = False
    verdicts: list[Verdict] = []
    page._tapped(Touched("tap-00000001", "/this", "This", ""), verdicts.append)
    assert [(one.accepted, one.reason) for one in verdicts] == [(False, "Zu viel auf einmal, bitte noch einmal")]


def test_a_port_that_is_taken_is_a_lost_device_until_it_is_free(tmp_path, core):
    first, port = page_of(tmp_path, core)
    second = KioskPage(
        PageConfig(port=port), "en-us", core.put, user_agent="Test/1", restart_request=tmp_path / "kiosk-restart"
    )

    with running(first):
        eventually(lambda: _stream(port), what="the first page").response.close()
        workers = Workers(expected=(Exception,), restart=Restart(first=0.05))
        second.start(workers)
        eventually(lambda: any(isinstance(one, DeviceLost) for one in core.events), what="the loss")
    eventually(lambda: any(isinstance(one, DeviceFound) for one in core.events), what="the page served after all")
    second.end()
    assert workers.stop(10) == []
    assert str(port) in next(one for one in core.events if isinstance(one, DeviceLost)).detail


def test_a_silent_browser_is_a_lost_device_and_asked_to_be_restarted(tmp_path, core):
    page, _ = page_of(tmp_path, core)
    page._silent(61.0)
    assert core.events == [DeviceLost("page", "page", "no browser shows it; another one is asked for")]
    assert (tmp_path / "kiosk-restart").is_file()
    page._alive()
    assert core.events[-1] == DeviceFound("page", "page", "")


def _stream(port):
    try:
        return EventStream(port)
    except OSError:
        return None
