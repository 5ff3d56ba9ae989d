"""The status as numbers for Prometheus, in its text format: what `metrics_output` gives away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.hub.files import replace_file

_PREFIX = "thalovant"


def render(status: Mapping[str, Any]) -> str:
    """The text of `status`, as `Status.as_dict` gives it; what the device cannot know is left out."""
    return "".join(f"{line}\n" for line in _lines(status))


def write_metrics(path: Path, status: Mapping[str, Any]) -> None:
    """Replace the file whole, readable by the collector. Raises OSError."""
    replace_file(path, render(status).encode(), 0o644)


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    link, outbox, board = status["link"], status["outbox"], status["board"] or {}
    yield from _metric("info", "gauge", [({"version": status["version"], "state": status["state"]}, 1)])
    yield from _metric("uptime_seconds", "gauge", [({}, status["uptime_seconds"])])
    up = int(link["state"] in {"up", "degraded"})
    yield from _metric("link_up", "gauge", [({"protocol": link["protocol"] or ""}, up)])
    yield from _metric("link_drops_total", "counter", [({}, link["drops"])])
    yield from _metric("outbox_messages", "gauge", [({}, outbox["waiting"])])
    yield from _metric("outbox_bytes", "gauge", [({}, outbox["bytes"])])
    yield from _metric("outbox_oldest_seconds", "gauge", _known(outbox["oldest_seconds"]))
    yield from _metric("outbox_dead_letters", "gauge", [({}, outbox["dead"])])
    parts = [*status["inputs"], *status["outputs"]]
    works = [({"kind": one["kind"], "name": one["name"]}, int(not one["trouble"])) for one in parts]
    yield from _metric("part_works", "gauge", works)
    counts = [({"what": name}, number) for name, number in sorted(status["counts"].items())]
    yield from _metric("events_total", "counter", counts)
    yield from _metric("board_temperature_celsius", "gauge", _known(board.get("temperature_celsius")))
    throttling = board.get("throttling")
    held = [({"reason": reason}, 1) for reason in throttling["now"]] if throttling else []
    yield from _metric("board_throttled", "gauge", held)
    for name, key in (("memory", "available_bytes"), ("disk", "free_bytes")):
        yield from _metric(f"board_{name}_{key}", "gauge", _known((board.get(name) or {}).get(key)))


def _known(value: float | None) -> list[tuple[dict[str, str], float]]:
    return [] if value is None else [({}, value)]


def _metric(name: str, kind: str, samples: list[tuple[dict[str, str], Any]]) -> Iterator[str]:
    if not samples:
        return
    yield f"# TYPE {_PREFIX}_{name} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{_PREFIX}_{name}{f'{{{inside}}}' if inside else ''} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
