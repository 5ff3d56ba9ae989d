"""What scripts/fuzz starts from, and every beginning of it."""

from __future__ import annotations

import pytest

from scripts.fuzzing.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_breaks_at_a_good_message_that_is_cut_short(name):
    target = TARGETS[name]
    for seed in (b"", *target.seeds):
        for length in range(len(seed) + 1):
            target.run(seed[:length])
            target.run(seed[:length] + b"\xff")
