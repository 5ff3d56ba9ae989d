"""How the agent has the browser restarted, without any right to do so itself.

It writes a file in its own runtime folder; `thalovant-kiosk-restart.path`, a unit of systemd's, sees that and does the
rest. Where that unit is not enabled, nothing happens.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

REQUEST = Path("/run/thalovant-agent/kiosk-restart")
"""What the path unit watches."""


def ask_for_restart(seconds: float, request: Path = REQUEST) -> None:
    """Ask for another browser, after so many seconds without a sign of life from the page. Raises nothing."""
    log.warning("no browser shows the page", extra={"seconds": round(seconds)})
    try:
        descriptor = os.open(request, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            os.write(descriptor, b"the page is silent\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        log.info("the browser's restart cannot be asked for", extra={"reason": error.strerror or str(error)})
