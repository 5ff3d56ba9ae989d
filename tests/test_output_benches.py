"""The benchmarks of what a person sees and hears, in short: that they measure, and that nothing grows."""

from __future__ import annotations

import shutil

import pytest

from scripts.benches import output, page
from tests.peers.browser import find_chromium

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="there is no Chromium on this machine: apt-get install chromium"
)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="there is no espeak-ng: apt-get install espeak-ng")
def test_what_the_hub_says_is_soon_seen_and_heard(tmp_path):
    seen = output.watched(tmp_path, answers=3)
    times = [seen.page, seen.console, seen.panel, seen.sound]
    assert [len(each) for each in times] == [3, 3, 3, 3]
    assert all(0 < seconds < 5 for each in times for seconds in each)
    assert len(output.sheet(seen).rows) == 8


def test_agent_and_page_stay_as_small_as_they_began(tmp_path):
    first, *_, last = page.soak(tmp_path / "bed", 300, 0.01, looks=3)
    assert last.answers == 300
    assert last.agent - first.agent < 4
    assert last.heap - first.heap < 0.3
    assert last.nodes <= first.nodes * 2  # it may show a table now; what is left over would be three times as much
    assert last.listeners <= first.listeners * 1.2
