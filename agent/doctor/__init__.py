"""What a device needs, looked at one by one, with what to do about each thing that is not right.

Nothing is opened that a running agent holds, and nothing is changed. What only the agent knows, it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agent import config as configuration
from agent.config import Config, ConfigError
from agent.doctor.finding import Finding
from agent.doctor.identity import check_identity
from agent.doctor.inputs import check_pins, check_scanners
from agent.doctor.machine import check_clock, check_power, check_state
from agent.doctor.outputs import check_displays, check_speech
from agent.doctor.running import check_agent

__all__ = ["Finding", "examine"]

_CHECKS: Sequence[Callable[[Config], Iterator[Finding]]] = (
    check_identity,
    check_state,
    check_clock,
    check_power,
    check_pins,
    check_scanners,
    check_displays,
    check_speech,
    check_agent,
)


def examine(path: Path | None = None) -> list[Finding]:
    """Everything there is to say about the device whose configuration is at `path`."""
    place = path or configuration.DEFAULT_PATH
    try:
        config = configuration.load(path)
    except ConfigError as error:
        mend = f"mend it in {place}, and see config/agent.toml for every key"
        return [Finding(subject="configuration", state="problem", text=text, advice=mend) for text in error.problems]
    there = f"{place} is right" if place.exists() else f"there is no {place}; everything is at its default"
    findings = [Finding(subject="configuration", state="ok", text=there)]
    return [*findings, *(finding for check in _CHECKS for finding in check(config))]
