"""Inputs for a parser without atheris: its seeds, whole and begun, in any order and among any bytes."""

from __future__ import annotations

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from scripts.fuzzing.targets import Target


def attempt(target: Target, number: int, examples: int) -> None:
    """Try so many inputs, other ones for each number. Raises what the target raises, with the shortest input."""
    pieces = st.one_of(st.binary(max_size=64), st.sampled_from([*target.seeds, *(one[:9] for one in target.seeds)]))
    inputs = st.one_of(st.lists(pieces, max_size=6).map(b"".join), st.binary(max_size=4096))

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def run(data: bytes) -> None:
        target.run(data)

    run()
