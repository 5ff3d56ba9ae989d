"""An agent killed before and after each step of a scan's way loses nothing that beeped."""

from __future__ import annotations

import random

import pytest

from scripts.benches.crash import run, table
from tests.crash.lives import FAULTS, Device


@pytest.mark.timeout(240)
def test_killed_before_and_after_each_step_nothing_that_beeped_is_lost(hub, tmp_path):
    with Device(tmp_path, hub) as device:
        run(device, len(FAULTS), random.Random(7))
        accounts = device.accounts()
        assert device.dead_letters == 0
    told = table(accounts)
    assert {one.fault for one in accounts if one.runs} == set(FAULTS), told
    assert sum(one.accepted for one in accounts) > 10, told
    assert sum(one.lost for one in accounts) == 0, told
    assert sum(one.other_ids for one in accounts) == 0, told
    assert sum(one.repeats for one in accounts) <= len(FAULTS), told
