"""The demo: `scripts/demo` for a person, `scripts/demo --script` for none."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from scripts.laptop.device import Device
from scripts.laptop.terminal import Terminal
from scripts.laptop.transcript import Transcript
from scripts.laptop.visit import Visit


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description="The whole device on a laptop, with a real hub.")
    parser.add_argument(
        "--script", action="store_true", help="play one visit without a person; 0 if every step happened"
    )
    parser.add_argument("--no-broker", action="store_true", help="do as if there were no mosquitto")
    parser.add_argument("--aloud", action="store_true", help="speak through the sound card (needs espeak-ng and aplay)")
    parser.add_argument("--dir", type=Path, help="keep everything there (default: a folder that is removed)")
    options = parser.parse_args()
    # A socket's path may have 107 characters: a checkout deep in a home has none to spare.
    folder = options.dir or Path(tempfile.mkdtemp(prefix="thalovant-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    device = Device(folder.resolve(), with_broker=False if options.no_broker else None, aloud=options.aloud)
    try:
        happened = _script(device) if options.script else _person(device)
    except RuntimeError as error:  # a process did not come up; the text has the end of its journal
        print(error, file=sys.stderr)
        happened = False
    if happened and not options.dir:
        shutil.rmtree(folder)
    elif not happened:
        print(f"the journals are {device.agent.log}, {device.hub.core.log}", file=sys.stderr)
    return 0 if happened else 1


def _script(device: Device) -> bool:
    transcript = Transcript(lambda line: print(line, flush=True))
    transcript.tell("demo", "starting a hub, a shop behind it and a device")
    transcript.follow(device)
    with device:
        return Visit(device, transcript).play()


def _person(device: Device) -> bool:
    terminal = Terminal()
    with device:
        terminal.run(device)
        return device.agent.alive


if __name__ == "__main__":
    sys.exit(main())
