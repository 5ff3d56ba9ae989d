"""Where the metrics go: into a file for node_exporter, to whoever asks on loopback, or nowhere, as by default."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.metrics import render, write_metrics
from agent.tasks import Task

if TYPE_CHECKING:
    from agent.config import MetricsConfig
    from agent.metrics_port import MetricsPort
    from agent.workers import Workers

log = logging.getLogger(__name__)


class MetricsOutput:
    """The metrics of one device. The core's thread owns it."""

    def __init__(
        self, config: MetricsConfig, put: Callable[[Task], bool], status: Callable[[float], Mapping[str, Any]]
    ) -> None:
        """`status` is called on the core's thread, to which `put` hands tasks."""
        self._config = config
        self._status = status
        self._due = 0.0
        self._port: MetricsPort | None = None
        if config.port:
            from agent.metrics_port import MetricsPort  # most devices have none

            self._port = MetricsPort(config.port, put, lambda now: render(status(now)))

    def start(self, workers: Workers) -> None:
        """Answer whoever asks."""
        if self._port is not None:
            self._port.start(workers)

    def look(self, now: float) -> None:
        """Write the file when it is time."""
        if not self._config.textfile or now < self._due:
            return
        self._due = now + self._config.every_seconds
        try:
            write_metrics(Path(self._config.textfile), self._status(now))
        except OSError as error:
            log.warning("the metrics cannot be written", extra={"reason": error.strerror or str(error)})

    def end(self) -> None:
        """Answer nobody any more."""
        if self._port is not None:
            self._port.end()
