"""`outbox`: what waits for the hub, and what ended badly and waits for a person."""

from __future__ import annotations

import argparse
from typing import Any

from agent.commands.options import Commands, add_command, ask, write
from agent.commands.status_lines import duration
from agent.control_commands import ALL


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    parser = add_command(
        commands, "outbox", outbox, "List the messages that ended badly; send them again or drop them."
    )
    parser.add_argument("action", nargs="?", choices=("list", "retry", "drop"), default="list")
    parser.add_argument("request_id", nargs="?", default="", metavar="REQUEST_ID", help=f'which one, or "{ALL}"')
    parser.add_argument("--all", action="store_const", const=ALL, default="", help="every one of them")


def outbox(options: argparse.Namespace) -> int:
    """List, retry or drop."""
    answer = ask(options, command="outbox", action=options.action, request_id=options.all or options.request_id)
    return write(options, answer, lambda: _lines(options.action, answer))


def _lines(action: str, answer: dict[str, Any]) -> list[str]:
    if action != "list":
        return [f"{answer['changed']} {'will be sent again' if action == 'retry' else 'dropped'}"]
    lines = [f"{answer['waiting']} waiting ({answer['bytes']} bytes), {answer['dead']} dead letters"]
    for letter in answer["letters"]:
        reason = f": {letter['reason']}" if letter["reason"] else ""
        lines.append(
            f"{letter['request_id']}  {letter['kind']} from {letter['origin']}, {duration(letter['age_seconds'])} old, "
            f"{letter['outcome']}{reason}  {letter['title']}"
        )
    return lines
