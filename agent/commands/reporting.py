"""`report`: one archive for whoever helps from afar."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from agent.commands.options import Commands, add_command
from agent.hub.errors import ThalovantError


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(
        commands, "report", report, "Write one archive with journal, status, configuration and versions, and no secret."
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the archive (default: thalovant-report-TIME.tar.gz)")


def report(options: argparse.Namespace) -> int:
    """Exit code 0 when it is written. Raises ThalovantError."""
    from agent.field_report import write_report

    target: Path = options.out or Path(f"thalovant-report-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.tar.gz")
    try:
        parts = write_report(target, config=options.config)
    except OSError as error:
        raise ThalovantError(f"{target} cannot be written: {(error.strerror or str(error)).lower()}") from None
    if options.json:
        print(json.dumps({"ok": True, "file": str(target), "parts": parts}))
    else:
        print(f"{target} holds {', '.join(parts)}; secrets are masked, but look before you send it")
    return 0
