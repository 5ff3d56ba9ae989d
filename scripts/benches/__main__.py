"""The benchmarks' command: `scripts/bench memory`, and the others; `scripts/bench all` writes BENCHMARKS.md."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.benches.sheet import Sheet

SHEETS = {
    "memory": "what a device takes, up and idle",
    "start": "from the process's start to the link, and to the first stored scan",
    "latency": "from the scan to the signal, to the hub and to the answer",
    "throughput": "scans stored, and stored scans drained, a second",
    "idle": "processor, wakeups and bytes while nothing happens",
    "wear": "flushes and bytes for each scan; growth over a long run",
    "output": "from the hub's words to the first pixel and the first sound",
}
OTHERS = ("link", "running", "page", "crash", "power_cut")
"""Programs of their own, each with a `main(argv)`."""


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in OTHERS and (program := _other(words[0])) is not None:
        return program(words[1:])
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, about in SHEETS.items():
        command = commands.add_parser(name, help=about)
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        if name in {"memory", "idle"}:
            command.add_argument("--seconds", type=float, help="how long to stay idle before, or while, reading")
    for name in OTHERS:
        if _other(name) is not None:
            commands.add_parser(name, help=f"see {name} --help", add_help=False)
    everything = commands.add_parser("all", help="all of it, into BENCHMARKS.md")
    everything.add_argument("--json", action="store_true", help="also print everything as JSON")
    everything.add_argument("--idle-seconds", type=float, default=600.0)
    everything.add_argument("--measured", type=Path, help="a folder with NAME.json of benchmarks not to run again")
    options = parser.parse_args(words)
    if options.command == "all":
        from scripts.benches.report import write

        return write(run, idle_seconds=options.idle_seconds, as_json=options.json, measured=options.measured)
    more = {} if getattr(options, "seconds", None) is None else {"seconds": options.seconds}
    sheet = run(options.command, **more)
    print(json.dumps(sheet.as_dict(), ensure_ascii=False, indent=2) if options.json else sheet.text())
    return 0


def run(name: str, **options: float) -> Sheet:
    """One benchmark, in a folder that is removed."""
    # A socket's path may have 107 characters: a checkout deep in a home has none to spare.
    folder = Path(tempfile.mkdtemp(prefix=f"thalovant-{name}-"))
    try:
        sheet: Sheet = importlib.import_module(f"scripts.benches.{name}").measure(folder, **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return sheet


def _other(name: str) -> Callable[[Sequence[str]], int] | None:
    if importlib.util.find_spec(f"scripts.benches.{name}") is None:
        return None
    program: Callable[[Sequence[str]], int] = importlib.import_module(f"scripts.benches.{name}").main
    return program


if __name__ == "__main__":
    sys.exit(main())
