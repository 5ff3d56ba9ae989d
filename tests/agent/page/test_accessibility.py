"""No violation that axe-core knows of, in any situation, language, theme and colour."""

from __future__ import annotations

import dataclasses
import time

import pytest

from scripts.screens.scenes import SCENES, branding
from tests.agent.page.conftest import shown
from tests.peers.axe import AxeMissingError, axe_source, violations


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        return axe_source()
    except AxeMissingError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "look",
    [
        ("de", "light", "#0b5d52", (1280, 800)),
        ("en", "dark", "#53d3bf", (800, 480)),
        ("en", "light", "#ffd400", (720, 1280)),  # a colour no text is readable in
        ("de", "dark", "#1a1a2e", (1280, 800)),
    ],
)
def test_every_scene_passes_the_accessibility_checks(serve, browser, axe, look):
    language, theme, colour, size = look
    served = serve(dataclasses.replace(branding(language), theme=theme, colour=colour))
    browser.resize(*size)
    browser.open(served.url)
    for scene in SCENES:
        state = scene.state(language, time.monotonic())
        served.server.show(dataclasses.replace(state, clock=False))
        browser.wait("document.getElementById('clock').hidden")
        if scene.touch:
            browser.touch(scene.touch)
        assert violations(browser, axe) == [], scene.name
        served.server.show(state)
        browser.wait("!document.getElementById('clock').hidden")


def test_a_device_that_is_gone_passes_the_accessibility_checks(serve, browser, axe):
    served = serve(branding("en"))
    browser.open(served.url)
    shown(browser, "document.documentElement.dataset.view", "idle")
    served.end()
    shown(browser, "document.documentElement.dataset.view", "silent")
    assert violations(browser, axe) == []
