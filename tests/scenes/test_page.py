"""The kiosk page in a real browser, on a real agent at a real hub: a finger at one end, the hub's records at the
other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from agent.page.branding import Branding
from tests.peers.browser import Browser, find_chromium
from tests.peers.hub import Hub, utterance
from tests.peers.rig.ports import free_port
from tests.scenes.conftest import Kiosk

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="there is no Chromium on this machine: apt-get install chromium"
)
TEXT = "document.body.innerText"
_MEMBER = "Card accepted. <b>Which</b> locker? <script>document.title = 'taken over'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def kiosk(hub, start_kiosk, port) -> Kiosk:
    kiosk: Kiosk = start_kiosk(hub, extra=f'\n[page]\nenabled = true\nport = {port}\nname = "Hall"\n')
    kiosk.wait_up()
    return kiosk


@pytest.fixture
def screen(browser, kiosk, port) -> Iterator[Browser]:
    """The browser, showing the kiosk's page."""
    browser.open(f"http://127.0.0.1:{port}/")
    browser.wait('document.getElementById("link").dataset.link === "up"')
    yield browser
    browser.tell("Page.navigate", url="about:blank")


def shows(screen: Browser, text: str, timeout: float = 10.0) -> None:
    screen.wait(f"{TEXT}.includes({json.dumps(text)})", timeout=timeout)


def test_an_answer_with_choices_is_touched_once_and_the_hub_has_it_once(hub: Hub, kiosk: Kiosk, screen: Browser):
    choices = [{"title": "Locker 7", "payload": "/locker 7"}, {"title": "Locker 9", "payload": "/locker 9"}]
    hub.responder(
        messages=[
            ("speak", {"utterance": "Which locker?", "quick_replies": choices}),
            ("ovos.utterance.handled", {}),
        ]
    )
    kiosk.scan("MEMBER-7")
    shows(screen, "Which locker?")
    screen.wait(f"{TEXT}.includes('Locker 7') && {TEXT}.includes('Locker 9')")
    hub.responder(answer="Locker 9 is yours.")
    screen.touch("#dock button:nth-of-type(2)")
    row = hub.wait_for(utterance("/locker 9"))
    shows(screen, "Locker 9 is yours.")
    kiosk.wait_settled()
    assert len(kiosk.arrivals("/locker 9")) == 1
    assert kiosk.arrivals("/locker 7") == []
    assert row["context"]["input"] == {"kind": "action", "title": "Locker 9", "payload": "/locker 9"}


def test_what_the_hub_says_is_text_whatever_it_looks_like(hub: Hub, kiosk: Kiosk, screen: Browser):
    hub.wait_connected(kiosk.device)
    hub.emit("speak", {"utterance": "Welcome", "table": {"columns": ["<b>Name</b>"], "rows": [[_MEMBER]]}})
    shows(screen, "<b>Which</b> locker? <script>")
    assert screen.evaluate("document.title") == Branding(name="Hall").name
    assert screen.evaluate("document.querySelectorAll('#hero script, #hero b').length") == 0


def test_a_hub_that_is_killed_is_told_with_its_cause_within_five_seconds_and_scans_are_kept(
    hub: Hub, kiosk: Kiosk, screen: Browser
):
    assert hub.broker
    hub.broker.kill()  # on MQTT, a hub that died with its broker alive is only noticed by its silence
    hub.core.kill()
    began = time.monotonic()
    shows(screen, "No connection", timeout=5.0)
    assert screen.evaluate("document.getElementById('trouble').innerText").strip()
    assert time.monotonic() - began < 5.0
    kiosk.scan("KEPT-1")
    shows(screen, "It will be sent as soon as the connection is back.")
    shows(screen, "1 waiting to be sent")
    hub.broker.start()
    hub.core.start()
    kiosk.wait_answered("KEPT-1", timeout=40)
    shows(screen, "Connected")


def test_a_hub_that_dies_behind_its_broker_is_told_of_within_five_seconds_of_a_scan(
    hub: Hub, kiosk: Kiosk, screen: Browser
):
    """The broker takes everything, and no word comes of the hub's death: only its silence tells."""
    hub.core.kill()
    kiosk.scan("KEPT-2")
    shows(screen, "No connection", timeout=7.0)  # 4.5 s, and what a machine that does much besides takes
    assert "the hub does not answer" in screen.evaluate("document.getElementById('trouble').innerText")
    shows(screen, "It will be sent as soon as the connection is back.")
    hub.core.start()
    kiosk.wait_answered("KEPT-2", timeout=60)
    shows(screen, "Connected")
