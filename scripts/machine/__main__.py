"""The agent's package on a whole machine, row by row: `scripts/vm --help`."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.machine import table
from scripts.machine.appliance import Appliance, build_packages, running_hub
from scripts.machine.guest import GuestError
from scripts.machine.machine import Machine
from scripts.machine.rows import buttons, faults, scanners, service

_HERE = Path(__file__).parent
FOLDER = Path("/var/tmp/thalovant-vm")
"""Where the machine is, unless another place is given."""
PARTS = {"vmlinuz": "build-kernel", "root.ext4": "build-root"}
"""What it is made of, and what makes it."""
ROWS = (*service.ROWS, *faults.ROWS, *scanners.ROWS, *buttons.ROWS)
"""All that is shown, in its order."""


def main(argv: Sequence[str] | None = None) -> int:
    """Build what is missing, run the rows, print the table; 0 when none failed."""
    parser = argparse.ArgumentParser(
        prog="vm",
        description="Install the agent's package in a virtual machine with a Pi's devices, and try it.",
        epilog="The machine is built once, in ten minutes, as root on Debian. No row needs hardware or a network.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, metavar="DIR", help=f"default: {FOLDER}")
    parser.add_argument("--only", metavar="WORD", help="those rows whose name has the word, and what they stand on")
    parser.add_argument("--build", action="store_true", help="build the machine, and no more")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="build the package from the wheels in DIR")
    options = parser.parse_args(argv)
    if shutil.which("qemu-system-x86_64") is None:
        print("every row is skipped: there is no QEMU; run: apt-get install qemu-system-x86", file=sys.stderr)
        return 0
    for part, builder in PARTS.items():
        if not (options.folder / part).exists():
            print(f"building {part}", file=sys.stderr)
            if subprocess.run([_HERE / builder, options.folder], stdout=sys.stderr, check=False).returncode:
                return 1
    return 0 if options.build else _show(options.folder, options.wheels, options.only)


def _show(folder: Path, wheels: Path | None, only: str | None) -> int:
    rows = [row for row in ROWS if only is None or row.first or only in row.name]
    with tempfile.TemporaryDirectory(prefix="machine-") as name:
        place = Path(name)
        try:
            packages = build_packages(place, wheels)
            with running_hub(place / "hub") as hub, Machine(folder) as machine:
                began = time.monotonic()
                machine.start()
                print(f"machine up in {time.monotonic() - began:.0f} s; its processor is emulated, so are its times")
                return 1 if table.run(rows, Appliance(machine, hub, packages), folder / "failures.log") else 0
        except GuestError as error:
            print(error, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
