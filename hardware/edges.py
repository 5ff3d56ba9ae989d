"""From the edges of a contact to presses. Pure: the edges bring their times along.

A contact bounces: one push makes edges for some milliseconds, at both its ends. Waiting until the level is quiet, as
lgpio's own debounce does, delays every press and loses taps shorter than the wait. So a press is taken on its first
edge, and what follows is ignored until the level has been quiet for the debounce time.

There are no timers here: whether the level was quiet is seen from the time between two edges, when the second one
comes.
"""

from __future__ import annotations


class PressMachine:
    """Says of each edge of one button whether it is a press.

    `pressed` is the level at the start. A button that is held then (stuck, or wired the wrong way round) must have
    been let go before it counts, so that a device never acts because it was switched on.
    """

    def __init__(self, *, debounce_seconds: float, pressed: bool) -> None:
        self._debounce_seconds = debounce_seconds
        self._pressed = pressed
        self._changed: float | None = None  # the time of the last edge; None for never, which is quiet

    @property
    def pressed(self) -> bool:
        """The level of the last edge, bounces included."""
        return self._pressed

    def edge(self, pressed: bool, at: float) -> bool:
        """Whether the edge to this level, at this time in seconds, is a press.

        Times must be of one clock that runs evenly. One that starts again from zero costs no press.
        """
        moved = pressed != self._pressed
        quiet = self._changed is None or not 0 <= at - self._changed < self._debounce_seconds
        self._pressed = pressed
        # An edge to the level that was there already: the one between was lost, or Linux read the level of a bouncing
        # contact only after the next edge, as it does where both edges are wanted (gpiolib-cdev.c, edge_irq_thread).
        # While the contact bounces it is a bounce. Out of the quiet it is a press or an end that begins, and must not
        # keep the edge that shows the new level from counting.
        if moved or not quiet:
            self._changed = at
        return moved and pressed and quiet
