"""`learn scanner`: the settings of a scanner, from three codes that somebody scans."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import hardware
from agent.commands.options import Commands, add_command

if TYPE_CHECKING:
    from hardware.learning import Step

SHEET = Path(hardware.__file__).parent / "wiring" / "learn-scanner.svg"
_PORTS = ("/dev/scanner/*", "/dev/serial/by-id/*", "/dev/ttyACM*", "/dev/ttyUSB*", "/dev/ttyAMA*", "/dev/serial[0-9]")
_ON_THE_SHEET = ("the first code, the barcode", "the second code, the QR symbol", "the third code, the small square")


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(commands, "learn", learn, "Find the settings of a scanner by scanning three codes.")
    parser.add_argument("what", choices=["scanner"], help="what is to be learnt")
    parser.add_argument("--port", action="append", metavar="PORT", help="listen here alone; may be repeated")
    parser.add_argument("--name", default="counter", help='how the scanner is to be called (default: "counter")')
    parser.add_argument("--seconds", type=float, default=300.0, metavar="SECONDS", help="give up after so long")


def learn(options: argparse.Namespace) -> int:
    """Print the lines for agent.toml. Raises DeviceError; the agent must not run, for it holds its scanners' ports."""
    from hardware.learning_session import learn_scanner

    print(f"Open or print {SHEET}, and scan its codes one after the other.", file=sys.stderr)
    port, found = learn_scanner(options.port or ports(), _ask, threading.Event(), timeout=options.seconds)
    lines = found.lines(options.name, port)
    if options.json:
        known = {"port": port, "lines": lines, "sends_aim": found.sends_aim, "sends_gs": found.sends_gs}
        print(json.dumps({"ok": True, **known}, ensure_ascii=False))
        return 0
    print("\n".join(lines))
    if not found.sends_aim:
        print("It sends no AIM identifiers; with them codes can be told apart by their symbology.", file=sys.stderr)
    if not found.sends_gs:
        print("It leaves out the GS of GS1 codes; without it their parts cannot be told apart.", file=sys.stderr)
    return 0


def ports(patterns: tuple[str, ...] = _PORTS) -> list[str]:
    """The serial ports a scanner may be at, each once, by the most lasting of its names."""
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _ask(step: Step) -> None:
    match step.kind:
        case "scan":
            print(f"Scan {_ON_THE_SHEET[step.code]}.", file=sys.stderr)
        case "again":
            print(f"That was another code. Scan {_ON_THE_SHEET[step.code]} again.", file=sys.stderr)
        case "other speed":
            print(f"Not to be read; now trying {step.baud} baud. Scan it again.", file=sys.stderr)
