"""Whether a browser shows the page: it says so every few seconds, from the thread that draws. Pure.

What follows from silence is the caller's. It is asked for again and again while the silence lasts, at growing
distances, since a restarted browser may need a minute and a device without one should not be restarting it all night.
"""

from __future__ import annotations


class Liveness:
    """When the page was last heard of. Times are seconds of the monotonic clock."""

    def __init__(self, limit_seconds: float, *, ceiling_seconds: float = 1800.0) -> None:
        self._limit = limit_seconds
        self._ceiling = max(ceiling_seconds, limit_seconds)
        self._wait = limit_seconds
        self._heard: float | None = None
        self._due: float | None = None
        self.alive = False
        """Whether a page was heard of within the limit."""

    def start(self, now: float) -> None:
        """Begin to listen; the first page may take the whole limit to come."""
        self._wait = self._limit
        self._heard = now
        self._due = now + self._limit

    def heard(self, now: float) -> bool:
        """A page is there; whether none was before."""
        new = not self.alive
        self.alive = True
        self._wait = self._limit
        self._heard = now
        self._due = now + self._limit
        return new

    def silent(self, now: float) -> float | None:
        """Seconds of silence when something should be done about it now, else None."""
        if self._due is None or self._heard is None or now < self._due:
            return None
        self.alive = False
        self._wait = min(self._wait * 2, self._ceiling)
        self._due = now + self._wait
        return now - self._heard
