"""`listen`: what the hub says to this device, written down as it comes.

It opens a connection of its own with the device's identity and keys: over WSS, of which a hub takes several at once. A
second one over MQTT or HTTPS would end the running agent's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agent.commands.asking import seconds
from agent.commands.options import Commands, add_command, load

_FOREVER = 10 * 365 * 86_400.0


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(commands, "listen", listen, "Write down what the hub says to this device, until Ctrl-C.")
    parser.add_argument(
        "event", metavar="EVENT", nargs="?", default="speak", help='the event\'s type (default: "speak")'
    )
    parser.add_argument("--identity", type=Path, metavar="FILE", help="another identity than the device's")
    parser.add_argument("--count", type=int, metavar="N", help="stop after so many events")
    parser.add_argument("--seconds", type=seconds, metavar="SECONDS", help="stop after so long")


def listen(options: argparse.Namespace) -> int:
    """One line for each event: its text, or with `--json` all of it. Exit code 1 when none came."""
    from agent.hub.client import ThalovantClient
    from agent.state_folder import KEYS

    settings = load(options)
    # The device's own keys: a hub that has pinned them refuses any others for good.
    keys = None if options.identity else settings.identity.state / KEYS
    path = options.identity or settings.identity.file
    came = 0
    with ThalovantClient.from_identity_file(path, protocol="wss", noise_state_dir=keys) as client:
        for event in client.listen(options.event, timeout=options.seconds or _FOREVER, max_events=options.count):
            came += 1
            print(json.dumps(event.as_dict(), ensure_ascii=False) if options.json else event.display_text or event.name)
            sys.stdout.flush()
    return 0 if came else 1
