"""scripts/fuzz in short: what it starts from, every beginning of that, and a hundred inputs for each parser."""

from __future__ import annotations

import pytest

from scripts.fuzzing.attempts import attempt
from scripts.fuzzing.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_breaks_at_a_good_message_that_is_cut_short(name):
    target = TARGETS[name]
    for seed in (b"", *target.seeds):
        for length in range(len(seed) + 1):
            target.run(seed[:length])
            target.run(seed[:length] + b"\xff")


@pytest.mark.parametrize("name", TARGETS)
def test_no_parser_breaks_at_a_hundred_odd_inputs(name):
    attempt(TARGETS[name], 1, 100)


def test_a_parser_that_breaks_is_seen():
    def run(data):
        if b"]E0" in data:
            raise IndexError

    with pytest.raises(IndexError):
        attempt(Target(run, (b"]E04006381333931",)), 1, 200)
