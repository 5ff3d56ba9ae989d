"""`provision`: give the device its identity."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agent.commands.options import Commands, add_command, load


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(
        commands,
        "provision",
        provision,
        "Put an identity file in its place, readable by the agent alone, and erase FILE.",
    )
    parser.add_argument("file", metavar="FILE", help='the file from your workspace, or "-" for standard input')
    parser.add_argument("--replace", action="store_true", help="even where another identity works already")


def provision(options: argparse.Namespace) -> int:
    """Take the identity over. A running agent needs no restart. Raises ProvisioningError."""
    from agent import provisioning

    settings = load(options).identity
    if options.file == "-":
        done = provisioning.provision_text(
            sys.stdin.read(), settings.file, state=settings.state, replace=options.replace
        )
    else:
        done = provisioning.provision(Path(options.file), settings.file, state=settings.state, replace=options.replace)
    if options.json:
        answer = {"ok": not done.trouble, "site_id": done.identity.site_id, "file": str(done.path)}
        print(json.dumps({**answer, "error": done.trouble} if done.trouble else answer, ensure_ascii=False))
    else:
        print(f"{done.path} holds the identity of {done.identity.site_id}; a running agent takes it up within seconds")
        if done.trouble:
            print(done.trouble, file=sys.stderr)
    return 1 if done.trouble else 0
