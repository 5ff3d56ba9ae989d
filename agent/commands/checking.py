"""`doctor`: look at everything the device needs, and say of each thing that is wrong what to do."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping

from agent.commands.colours import Colour, painter
from agent.commands.options import Commands, add_command

_WORDS: Mapping[str, tuple[str, Colour]] = {
    "ok": ("ok", "good"),
    "warning": ("look", "look"),
    "problem": ("WRONG", "bad"),
}


def add(commands: Commands) -> None:
    """Tell argparse of this command."""
    add_command(commands, "doctor", doctor, "Check configuration, identity, hardware and link, and say what to do.")


def doctor(options: argparse.Namespace) -> int:
    """Exit code 0 when nothing is wrong; what only deserves a look does not count."""
    from agent.doctor import examine

    findings = examine(options.config)
    well = all(finding.state != "problem" for finding in findings)
    if options.json:
        found = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"ok": well, "findings": found}, ensure_ascii=False))
        return 0 if well else 1
    paint = painter()
    for finding in findings:
        word, colour = _WORDS[finding.state]
        print(f"{paint(word, colour)}{' ' * (6 - len(word))} {finding.subject}: {finding.text}")
        if finding.advice:
            print(f"       -> {finding.advice}")
    return 0 if well else 1
