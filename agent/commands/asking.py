"""What is asked of the running agent: `status`, `send-code`, `send-action` and `ask`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.commands.colours import painter
from agent.commands.options import Commands, add_command, ask, write
from agent.commands.status_lines import status_lines
from agent.control_commands import LONGEST_WAIT, WAIT_SECONDS

_MARGIN_SECONDS = 5.0
"""The agent answers when the wait is over; this is for its way here."""


def add(commands: Commands) -> None:
    """Tell argparse of these commands."""
    add_command(commands, "status", status, "Say how the running agent is.")
    code = add_command(commands, "send-code", send_code, "Send a code as if it had been scanned.")
    code.add_argument("text", metavar="CODE")
    code.add_argument("--kind", default="code", help='what it is, for the hub\'s skills (default: "code")')
    code.add_argument("--label", default="", help="what it is, for people")
    action = add_command(commands, "send-action", send_action, "Send an action as if a button had been pressed.")
    action.add_argument("text", metavar="PAYLOAD")
    action.add_argument("--title", default="", help="what the person meant by it")
    question = add_command(commands, "ask", ask_hub, "Say something to the hub and print what it answers.")
    question.add_argument("text", metavar="TEXT")
    for parser in (code, action, question):
        parser.add_argument("--language", default="", help="such as en-us (default: the device's)")
        parser.add_argument("--session", default="", help="the conversation it is part of (default: the device's)")
        parser.add_argument(
            "--wait",
            type=seconds,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help=f"how long to wait for the outcome, 0 for not at all (default: {WAIT_SECONDS:g})",
        )


def status(options: argparse.Namespace) -> int:
    """The agent's state, inputs, outputs and counts."""
    answer = ask(options, command="status")
    try:
        return write(options, answer, lambda: status_lines(answer, painter()))
    except (KeyError, TypeError):
        print(
            "the running agent is of another version than this command: systemctl restart thalovant-agent",
            file=sys.stderr,
        )
        return 1


def send_code(options: argparse.Namespace) -> int:
    """Exit code 0 when the hub handled the code, or when it is kept and will be sent."""
    return _send(options, command="send-code", kind=options.kind, label=options.label)


def send_action(options: argparse.Namespace) -> int:
    """Exit code 0 when the hub handled the action."""
    return _send(options, command="send-action", title=options.title)


def ask_hub(options: argparse.Namespace) -> int:
    """Exit code 0 with an answer on standard output."""
    return _send(options, command="ask")


def _send(options: argparse.Namespace, **request: Any) -> int:
    given = {"text": options.text, "language": options.language, "session": options.session, "wait": options.wait}
    answer = ask(options, options.wait + _MARGIN_SECONDS, **request, **given)
    if answer.get("ok") or options.json or "error" in answer:
        return write(options, answer, lambda: [answer.get("text") or str(answer["outcome"])])
    # Kept, refused, expired: the hub's own words, if it had any, are the answer all the same.
    reason = answer.get("reason")
    print(f"{answer.get('outcome', 'unknown')}{f': {reason}' if reason else ''}", file=sys.stderr)
    return 1


def seconds(text: str) -> float:
    """A wait as the command line has it."""
    value = float(text)
    if not 0 <= value <= LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"from 0 to {LONGEST_WAIT:g}")
    return value
