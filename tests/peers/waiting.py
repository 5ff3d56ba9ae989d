"""Waiting for something to come about, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

_LOOK_EVERY = 0.02


def eventually(look: Callable[[], Found | None], *, timeout: float = 10.0, what: str = "it") -> Found:
    """The first thing `look` returns that is true. Raises AssertionError when `timeout` seconds pass without one."""
    deadline = time.monotonic() + timeout
    while True:
        if found := look():
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(_LOOK_EVERY)
