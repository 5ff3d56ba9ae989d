"""A clock that a test moves by hand."""

from __future__ import annotations


class FakeClock:
    """Seconds that pass only when somebody sleeps or `advance` is called: `clock()` reads, `clock.sleep` waits."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def advance(self, seconds: float) -> None:
        self.now += seconds
