"""The table of faults in BENCHMARKS.md: written by `scripts/bench link --write`, and kept by `scripts/bench all`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_BEGINS = "## Faults"


def section(lines: Iterable[tuple[str, str, str, str]], *, runs: int, away: float, date: str) -> str:
    """`lines` are fault, carrier, ours and the published client's; the last two as `median worst lost`."""
    rows = "\n".join(
        "| " + " | ".join((fault, carrier.upper(), *_three(ours), *_three(theirs)[:2])) + " |"
        for fault, carrier, ours, theirs in lines
    )
    return f"""{_BEGINS}

Seconds until the next scan is answered, at a real hub and broker behind a proxy, from the moment that the fault is
over; where nobody can see it end, from its beginning. {runs} runs of {away:g} s each, {date}; the published client,
asked until it answers, 3 at most. `scripts/bench link --beside --write`.

| fault | carrier | median | worst | lost | published, median | worst |
| --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def put(path: Path, text: str) -> None:
    """Put the section in the place of the one before, else at the end of the figures."""
    before, old, after = _parts(path.read_text())
    path.write_text(before + (text + "\n" if old or after else "\n" + text) + after)


def kept(path: Path) -> str:
    """The section there is now; empty where there is none."""
    return _parts(path.read_text())[1] if path.exists() else ""


def _parts(text: str) -> tuple[str, str, str]:
    """What stands before the section, the section, and what stands behind it: the next heading and all that follows."""
    begins = text.find(_BEGINS + "\n")
    if begins < 0:
        begins = ends = text.find("## What holds")
        if begins < 0:
            return text, "", ""
    else:
        ends = text.find("\n## ", begins) + 1 or len(text)
    return text[:begins], text[begins:ends], text[ends:]


def _three(figures: str) -> tuple[str, str, str]:
    words = figures.split()
    if not words:
        return "–", "–", "–"
    return (words[0], words[1], words[2]) if words[0][0].isdigit() else ("not answered", "–", words[2])
