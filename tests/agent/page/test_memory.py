from __future__ import annotations

import pytest

from scripts.screens.soak import soak
from tests.peers.browser import find_chromium


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine: apt-get install chromium")
def test_the_page_stays_as_small_as_it_began_however_many_answers_it_shows():
    """A thousand answers as fast as they come; ten minutes of them are `python -m scripts.screens.soak`."""
    sizes = list(soak(1000, 0.003, looks=5))
    first, last = sizes[1], sizes[-1]
    assert last.answers == 1000
    assert last.process_bytes - first.process_bytes < 4 * 2**20
    assert last.heap_bytes - first.heap_bytes < 300_000
    assert last.nodes <= first.nodes * 1.2
    assert last.listeners <= first.listeners * 1.2
