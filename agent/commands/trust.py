"""`trust`: look at the key a hub shows in the place of the one it had, and accept it."""

from __future__ import annotations

import argparse
import json
import sys

from agent.commands.options import Commands, add_command, load


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(
        commands, "trust", trust, "Show the key a hub has in the place of the one it had before, and accept it."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--show", action="store_true", help="show the fingerprints of the old and the new key")
    which.add_argument("--accept", metavar="FINGERPRINT", help="trust the hub by the new key with this fingerprint")


def trust(options: argparse.Namespace) -> int:
    """Exit code 0 when there was something to show, or it was accepted. The running agent notices within 10 s."""
    from agent.hub import offered_keys
    from agent.hub.identity import ThalovantIdentity
    from agent.hub.keyring import Keyring
    from agent.state_folder import KEYS

    places = load(options).identity
    keyring = Keyring(places.state / KEYS)
    accepting = options.accept is not None
    if accepting:
        identity = ThalovantIdentity.from_file(places.file)
        pins = {identity.pin_id(protocol) for protocol in ("wss", "https") if identity.can_dial(protocol)}
        found = offered_keys.accept(keyring, options.accept, also=sorted(pins))
    else:
        found = offered_keys.waiting(keyring)
    if options.json:
        rows = [
            {
                "hub": one.pin_id,
                "pinned": offered_keys.fingerprint(one.pinned) if one.pinned else None,
                "offered": offered_keys.fingerprint(one.offered),
            }
            for one in found
        ]
        print(json.dumps({"ok": bool(found), "accepted" if accepting else "keys": rows}, ensure_ascii=False))
        return 0 if found else 1
    for one in found:
        if accepting:
            print(f"{one.pin_id}: trusted by its new key from now on")
            continue
        print(one.pin_id)
        print(f"  before  {offered_keys.fingerprint(one.pinned) if one.pinned else 'none'}")
        print(f"  now     {offered_keys.fingerprint(one.offered)}")
    if found and not accepting:
        print("If the hub's operator reads you the same fingerprint: thalovant-agent trust --accept FINGERPRINT")
    if not found:
        nothing = "no hub has shown a key with this fingerprint" if accepting else "no hub has shown another key"
        print(nothing, file=sys.stderr)
    return 0 if found else 1
