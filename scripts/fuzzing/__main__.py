"""The command of scripts/fuzz. Each target runs in a process of its own, since atheris ends the one it runs in."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_FOLDER = Path(tempfile.gettempdir()) / "thalovant-fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Look for inputs that break a parser.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all when none is named")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all of them together; 600 by default")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _fuzz(options.targets[0], options.seconds)
    from scripts.fuzzing.targets import TARGETS

    unknown = set(options.targets) - set(TARGETS)
    if options.list or unknown:
        print("\n".join(TARGETS))
        return int(bool(unknown))
    chosen = options.targets or list(TARGETS)
    return _run_all(chosen, options.seconds / len(chosen))


def _run_all(targets: list[str], seconds: float) -> int:
    started, failed = time.monotonic(), 0
    by = "atheris, by coverage" if importlib.util.find_spec("atheris") else "hypothesis"
    print(f"{len(targets)} parsers, {seconds:.0f} s each, with {by}", flush=True)
    for target in targets:
        command = [sys.executable, "-m", "scripts.fuzzing", "--one", "--seconds", f"{seconds:.0f}", target]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        tried = [
            line
            for line in ran.stdout.splitlines() + ran.stderr.splitlines()
            if line.startswith(("stat::number_of", "Done "))
        ]
        print(f"{target:<15} {'ok' if ran.returncode == 0 else 'BROKEN'}   {tried[0] if tried else ''}", flush=True)
        if ran.returncode:
            failed += 1
            print(ran.stdout[-2000:] + ran.stderr[-4000:])
    print(f"{len(targets) - failed} passed, {failed} failed", flush=True)
    print(f"{time.monotonic() - started:.0f} s; inputs are kept in {_FOLDER}")
    return int(failed > 0)


def _fuzz(name: str, seconds: float) -> int:
    return _with_atheris(name, seconds) if importlib.util.find_spec("atheris") else _with_hypothesis(name, seconds)


def _with_atheris(name: str, seconds: float) -> int:
    atheris: Any = importlib.import_module("atheris")  # without types, and not on every machine

    with atheris.instrument_imports(include=["hardware", "agent"]):
        from scripts.fuzzing.targets import TARGETS

        target = TARGETS[name]
        target.run(b"")  # what is imported on first use
    corpus = _FOLDER / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    crashes = _FOLDER / "crashes" / name
    crashes.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            name,
            str(corpus),
            f"-max_total_time={max(seconds, 1):.0f}",
            f"-artifact_prefix={crashes}/",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-max_len=4096",
            "-print_final_stats=1",
        ],
        target.run,
    )
    atheris.Fuzz()
    return 0


def _with_hypothesis(name: str, seconds: float) -> int:
    from scripts.fuzzing.attempts import attempt
    from scripts.fuzzing.targets import TARGETS

    end, tried = time.monotonic() + seconds, 0
    while time.monotonic() < end or not tried:
        attempt(TARGETS[name], tried, 500)
        tried += 500
    print(f"Done {tried} runs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
