"""What is asked of the running agent: `status`, `send-code`, `send-action` and `ask`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.commands.options import Commands, add_command, ask, write
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
    return write(options, answer, lambda: status_lines(answer))


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


def status_lines(answer: dict[str, Any]) -> list[str]:
    """A status for a person."""
    link, outbox, identity = answer["link"], answer["outbox"], answer["identity"]
    over = f" over {link['protocol']}" if link["protocol"] else ""
    lines = [
        f"{answer['state']}, version {answer['version']}, running for {duration(answer['uptime_seconds'])}",
        f"link      {link['state']}{over} for {duration(link['seconds'])}, lost {link['drops']} times",
    ]
    if link["advice"]:
        lines.append(f"          {link['advice']}")
    lines.append(f"identity  {identity['trouble'] or identity['site_id'] or 'not read yet'}")
    lines.append(f"outbox    {outbox['waiting']} waiting ({outbox['bytes']} bytes), {outbox['dead']} dead letters")
    if outbox["trouble"]:
        lines.append(f"          {outbox['trouble']}")
    card = answer["card"]
    written = "" if card["written_bytes"] is None else f", {card['written_bytes']} bytes written"
    lines.append(f"card      {card['flushes']} flushes{written}")
    if not card["survives_power_cut"]:
        lines.append("          scans do not survive a power cut here: the state folder is in memory")
    parts = (*answer["inputs"], *answer["outputs"])
    for part in parts:
        lines.append(f"{part['kind']:<8}  {part['name']}: {part['trouble'] or 'works'}")
        if part["kind"] == "scanner":
            refused = [one for one in answer.get("refused_scans", ()) if one["scanner"] == part["name"]]
            lines += [f"          {_refusal(one)}" for one in refused]
    counts = ", ".join(f"{name} {count}" for name, count in sorted(answer["counts"].items()))
    return [*lines, f"counted   {counts}"] if counts else lines


def _refusal(refused: dict[str, Any]) -> str:
    """What a scanner sent that was no code, on one line."""
    why = f"{refused['reason']} ({refused['remark']})" if refused["remark"] else refused["reason"]
    shown = f": {refused['hex']}" if refused["hex"] else ""
    more = " …" if 3 * refused["bytes"] - 1 > len(refused["hex"]) > 0 else ""
    return f"refused {duration(refused['seconds'])} ago, {why}, {refused['bytes']} bytes{shown}{more}"


def duration(seconds: float) -> str:
    """A time as a person says it, two units at most."""
    whole = int(seconds)
    for size, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def seconds(text: str) -> float:
    """A wait as the command line has it."""
    value = float(text)
    if not 0 <= value <= LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"from 0 to {LONGEST_WAIT:g}")
    return value
