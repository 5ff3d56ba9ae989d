"""The published conformance cases, and how many of each file were run.

The files are those in the directory that THALOVANT_VECTORS names, else in tests/vectors.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

_PROPERTY = "vector"
_BEST_FIRST = ("passed", "skipped", "failed", "error")  # what is worse counts, when several tests run one case


class Case(dict[str, Any]):
    """One case, as it stands in the file, and where that is."""

    place: str = ""


def vectors(name: str) -> dict[str, Any]:
    """The document `name`.json. Each object in a list at its top is a `Case`, which is counted when a test takes it."""
    path = _folder() / f"{name}.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise pytest.UsageError(f"{path} cannot be read: {error.strerror}") from None
    for key, rows in document.items():
        for index, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, dict):
                rows[index] = Case(row)
                rows[index].place = f"{path.name}:{key}:{index}"
    return document


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for value in getattr(getattr(item, "callspec", None), "params", {}).values():
            if place := getattr(value, "place", ""):
                item.user_properties.append((_PROPERTY, place))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how many cases of each file were run; those of no file here are tests of other kinds."""
    outcomes: dict[str, str] = {}
    for outcome in _BEST_FIRST:
        for report in terminalreporter.stats.get(outcome, ()):
            for name, place in report.user_properties:
                if name == _PROPERTY:
                    outcomes[place] = outcome
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_BEST_FIRST, 0))
    for place, outcome in outcomes.items():
        counts[place.partition(":")[0]][outcome] += 1
    if not counts:
        return
    terminalreporter.section("conformance vectors")
    for file, tally in sorted(counts.items()):
        total = sum(len(rows) for rows in json.loads((_folder() / file).read_text()).values() if _is_cases(rows))
        more = "".join(f", {tally[outcome]} {outcome}" for outcome in _BEST_FIRST[1:] if tally[outcome])
        terminalreporter.write_line(f"{file}: {tally['passed']} of {total} passed{more}")


def _is_cases(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _folder() -> Path:
    given = os.environ.get("THALOVANT_VECTORS")
    return Path(given) if given else Path(__file__).parents[1] / "vectors"
