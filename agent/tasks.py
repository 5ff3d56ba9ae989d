"""What the core is asked to do, in contrast to what it hears of."""

from __future__ import annotations

from collections.abc import Callable

from agent.record import record


@record
class Task:
    """Something of the command line's that the core must do, since what it is about is the core's alone."""

    run: Callable[[float], None]
    """Gets the moment, in seconds of the monotonic clock. Must not wait."""
