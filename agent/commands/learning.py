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
from agent.config import DEFAULT_PATH
from hardware.facts import DeviceError

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
    from hardware.learning_session import SILENT, learn_scanner, usable

    where, troubles = usable(options.port or ports())
    for trouble in troubles:
        _say(f"Left out: {trouble}")
    if any("another program holds it" in trouble for trouble in troubles):
        _say("If that is the agent: sudo systemctl stop thalovant-agent, until this is done.")
    if not where:
        raise DeviceError(f"there is no serial port to listen at; plug the scanner in, and {SILENT}")
    _say(f"Listening at {', '.join(where)}.")
    _say(f"Open or print {SHEET}, and scan its three codes from the top.")
    port, found = learn_scanner(where, _ask, threading.Event(), timeout=options.seconds)
    lines = found.lines(options.name, port)
    if options.json:
        known = {"port": port, "lines": lines, "sends_aim": found.sends_aim, "sends_gs": found.sends_gs}
        known["identifiers"] = list(found.identifiers)
        print(json.dumps({"ok": True, **known}, ensure_ascii=False))
        return 0
    _say(f"Found. For {options.config or DEFAULT_PATH}, and then: sudo systemctl restart thalovant-agent\n")
    print("\n".join(lines), flush=True)
    _say("")
    if found.sends_aim:
        _say(f"It sends AIM identifiers ({', '.join(found.identifiers)}); they are read and cut off.")
    else:
        _say("It sends no AIM identifiers; with them codes can be told apart by their symbology (its sheet: AIM ID).")
    if not found.sends_gs:
        _say("It leaves out the GS of GS1 codes, which ends a lot number; its sheet may call it FNC1 or GS1 separator.")
    return 0


def ports(patterns: tuple[str, ...] = _PORTS) -> list[str]:
    """The serial ports a scanner may be at, each once, by the most lasting of its names."""
    found: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _ask(step: Step) -> None:
    from hardware.learning_session import SILENT

    code = _ON_THE_SHEET[step.code]
    match step.kind:
        case "scan":
            _say(f"Scan {code}.")
        case "again":
            _say(f"That was another code. Scan {code}, again.")
        case "other speed":
            _say(f"That cannot be read; now trying {step.baud} baud. Scan {code}, again.")
        case "silent":
            _say(f"Nothing has come yet. If that goes on, {SILENT}.")


def _say(text: str) -> None:
    """To the person; standard output is for the lines alone."""
    print(text, file=sys.stderr, flush=True)
