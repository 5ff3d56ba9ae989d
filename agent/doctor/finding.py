"""What a look at one thing comes to."""

from __future__ import annotations

from typing import Literal

from agent.record import record

State = Literal["ok", "warning", "problem"]


@record(kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    text: str
    advice: str = ""
    """What to do; empty where nothing needs doing."""
