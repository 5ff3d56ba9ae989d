"""Rows that are run one after the other, and what came of each: passed, failed or skipped, why, and in what time."""

from __future__ import annotations

import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.machine.appliance import Appliance
from scripts.machine.guest import GuestError


class SkipRow(Exception):  # noqa: N818  (nothing went wrong)
    """This row cannot be run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to be shown."""

    name: str
    run: Callable[[Appliance], str]
    """Does it and says in a few words what was seen. Raises GuestError or AssertionError where it was not so."""
    first: bool = False
    """Whether nothing after it can be run where it fails."""
    mends: bool = True
    """Whether the machine has to be well before it."""


def run(rows: Sequence[Row], appliance: Appliance, log: Path) -> int:
    """Run and print them; the number of those that failed. What there is to say of a failure goes to `log`."""
    failed: list[str] = []
    skipped: list[str] = []
    blocked = ""
    began = time.monotonic()
    width = max(len(row.name) for row in rows)
    for row in rows:
        started = time.monotonic()
        if blocked:
            verdict, words = "skipped", f"{blocked} failed"
        else:
            verdict, words = _run(row, appliance, log)
        if verdict == "failed":
            failed.append(row.name)
            blocked = row.name if row.first else blocked
        elif verdict == "skipped":
            skipped.append(row.name)
        print(f"{row.name:<{width}}  {verdict:<7}  {time.monotonic() - started:>5.0f} s  {words}", flush=True)
    print(f"{len(rows) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped", end=" ")
    print(f"in {time.monotonic() - began:.0f} s" + (f"; more of what failed is in {log}" if failed else ""))
    return len(failed)


def _run(row: Row, appliance: Appliance, log: Path) -> tuple[str, str]:
    try:
        if row.mends:
            appliance.mend()
        return "passed", row.run(appliance)
    except SkipRow as reason:
        return "skipped", str(reason)
    except (GuestError, AssertionError, subprocess.SubprocessError, OSError) as error:
        with log.open("a") as file:
            file.write(f"{row.name}\n{traceback.format_exc()}\n")
        return "failed", " ".join(str(error).split())[:200] or type(error).__name__
