"""What the person sees, as a value: one answer, what became of the last input, and why nothing goes out when nothing
does."""

from __future__ import annotations

from agent.record import record


@record
class Screen:
    """The whole display. Empty parts are left out."""

    answer: str = ""
    """What the hub said last, markup removed; or the idle text."""
    title: str = ""
    """Which input the status is about: the button's title, or the code as it was read."""
    status: str = ""
    """What became of that input."""
    trouble: str = ""
    """Why the device cannot do all it should: the link's cause, a scanner that is gone, a store that is full."""

    def lines(self) -> tuple[str, ...]:
        """The screen as lines of text, most important first; a display wraps and cuts them to its size."""
        progress = f"{self.title}: {self.status}" if self.title and self.status else self.status
        return tuple(line for line in (*self.answer.splitlines(), progress, self.trouble) if line)
