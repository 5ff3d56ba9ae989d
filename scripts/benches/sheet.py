"""The figures of one benchmark: a table for people, JSON for programs, Markdown for BENCHMARKS.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_COLUMNS = ("measure", "floor", "peer", "ours", "ratio", "target", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure. What was not measured is None, and shown as a dash."""

    measure: str
    unit: str = ""
    floor: float | None = None
    """What the bare libraries, or the disk, need for the same."""
    peer: float | None = None
    """The published client, on the same hub in the same run."""
    ours: float | None = None
    target: str = ""
    """In words; empty for a figure that is only told."""
    limit: float | None = None
    """The largest figure of ours that meets the target; with `least` the smallest."""
    least: bool = False

    @property
    def ratio(self) -> float | None:
        """Ours by the peer's; by the floor where there is no peer."""
        other = self.peer if self.peer is not None else self.floor
        return self.ours / other if self.ours is not None and other else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.limit is None or self.ours is None:
            return None
        return self.ours >= self.limit if self.least else self.ours <= self.limit

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of the columns."""
        met = {None: "–", True: "yes", False: "**no**"}[self.met]
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}"
        figures = (self._figure(value) for value in (self.floor, self.peer, self.ours))
        return (self.measure, *figures, ratio, self.target or "–", met)

    def _figure(self, value: float | None) -> str:
        if value is None:
            return "–"
        digits = (
            0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
        )
        return f"{value:,.{digits}f} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What one benchmark found."""

    name: str
    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())
    """How it was measured, a sentence or two each."""

    def as_dict(self) -> dict[str, Any]:
        """The sheet as JSON data."""
        rows = [asdict(row) | {"ratio": row.ratio, "met": row.met} for row in self.rows]
        return {"name": self.name, "title": self.title, "rows": rows, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Sheet:
        """The sheet that `as_dict` wrote."""
        rows = [Row(**{key: row[key] for key in Row.__slots__}) for row in data["rows"]]
        return cls(name=data["name"], title=data["title"], rows=rows, notes=tuple(data["notes"]))

    def text(self) -> str:
        """The sheet for a terminal."""
        table = [_COLUMNS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
        ]
        return "\n".join((self.title, *lines, *self.notes))

    def markdown(self) -> str:
        """The sheet as a section of a document."""
        lines = ["| " + " | ".join(cells) + " |" for cells in (_COLUMNS, ("---",) * len(_COLUMNS))]
        lines += ["| " + " | ".join(row.cells()) + " |" for row in self.rows]
        return "\n".join((f"## {self.title}", "", *lines, "", *self.notes, ""))
