"""`provision` and `identity`: give the device its identity, show it, exchange it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.commands.options import Commands, add_command, load
from agent.hub.errors import ThalovantError

if TYPE_CHECKING:
    from agent.provisioning import Provisioned


def add(commands: Commands) -> None:
    """Tell argparse of these commands."""
    parser = add_command(
        commands,
        "provision",
        provision,
        "Put an identity file in its place, readable by the agent alone, and erase FILE.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "file", nargs="?", metavar="FILE", help='the file from your workspace, or "-" for standard input'
    )
    where.add_argument(
        "--boot", action="store_true", help="take thalovant-identity.json from the boot partition and seal it"
    )
    parser.add_argument("--replace", action="store_true", help="even where another identity works already")

    text = "Show the device's identity without its secrets, or exchange it."
    family = commands.add_parser("identity", help=text, description=text).add_subparsers(required=True, metavar="DO")
    add_command(family, "show", show, "Show who this device is, and nothing that is a secret.")
    parser = add_command(
        family, "rotate", rotate, "Exchange the identity for a new one of the same hub; what waits to be sent is kept."
    )
    parser.add_argument("file", metavar="FILE", help="the new identity file, which is erased")


def provision(options: argparse.Namespace) -> int:
    """Take the identity over. A running agent needs no restart. Raises ProvisioningError."""
    from agent import provisioning

    settings = load(options).identity
    if options.boot:
        return _from_boot(options)
    if options.file == "-":
        done = provisioning.provision_text(
            sys.stdin.read(), settings.file, state=settings.state, replace=options.replace
        )
    else:
        done = provisioning.provision(Path(options.file), settings.file, state=settings.state, replace=options.replace)
    return _tell(options, done)


def _from_boot(options: argparse.Namespace) -> int:
    from agent import boot_partition

    settings = load(options).identity
    taken = boot_partition.take(settings.file, state=settings.state, replace=options.replace)
    if options.json:
        found = [
            {"source": str(one.source), "site_id": one.done.identity.site_id if one.done else None, "error": one.reason}
            for one in taken
        ]
        print(json.dumps({"ok": not any(one.reason for one in taken), "found": found}, ensure_ascii=False))
    else:
        for one in taken:
            if one.done is not None:
                print(f"{one.done.path} holds the identity of {one.done.identity.site_id}, from {one.source}")
            if one.reason:
                print(one.reason, file=sys.stderr)
        if not taken:
            print("there is no identity on the boot partition")
    return 1 if any(one.reason for one in taken) else 0


def show(options: argparse.Namespace) -> int:
    """What may be shown. Raises ThalovantIdentityError."""
    from agent import sealing
    from agent.identity_source import find_identity

    path = load(options).identity.file
    identity = find_identity(path, environ=os.environ)
    facts = identity.as_dict(include_secrets=False)
    sealed = not os.path.lexists(path)
    if options.json:
        print(json.dumps({"ok": True, "sealed": sealed, "identity": facts}, ensure_ascii=False))
        return 0
    print(f"site       {identity.site_id}")
    for protocol in ("mqtt", "wss", "https"):
        if identity.can_dial(protocol):
            print(f"{protocol:<9}  {facts.get('data_plane_endpoints', {}).get(protocol) or 'yes'}")
    print(f"kept in    {sealing.SEALED if sealed else path}{', sealed to this machine' if sealed else ''}")
    return 0


def rotate(options: argparse.Namespace) -> int:
    """Exchange the identity; outbox, keys and names of the device stay. Raises ProvisioningError."""
    from agent import provisioning
    from agent.identity_source import find_identity

    settings = load(options).identity
    present = find_identity(settings.file, environ={})
    new = provisioning.identity_in(Path(options.file))
    if (new.site_id, new.default_master) != (present.site_id, present.default_master):
        raise ThalovantError(
            f"{options.file} is of {new.site_id} at {new.default_master}, and this device is {present.site_id} at "
            f"{present.default_master}; to make it another device: thalovant-agent provision --replace"
        )
    done = provisioning.provision(Path(options.file), settings.file, state=settings.state, replace=True)
    return _tell(options, done)


def _tell(options: argparse.Namespace, done: Provisioned) -> int:
    if options.json:
        answer = {"ok": not done.trouble, "site_id": done.identity.site_id, "file": str(done.path)}
        print(json.dumps({**answer, "error": done.trouble} if done.trouble else answer, ensure_ascii=False))
    else:
        next_step = "a running agent takes it up within seconds"
        if done.sealed:
            next_step = "a running agent takes it up when it starts anew: systemctl restart thalovant-agent"
        print(f"{done.path} holds the identity of {done.identity.site_id}; {next_step}")
        if done.trouble:
            print(done.trouble, file=sys.stderr)
    return 1 if done.trouble else 0
