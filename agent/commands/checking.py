"""`doctor`: look at everything the device needs, and say of each thing that is wrong what to do."""

from __future__ import annotations

import argparse
import dataclasses
import json

from agent.commands.options import Commands, add_command

_WORDS = {"ok": "ok", "warning": "look", "problem": "WRONG"}


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
    for finding in findings:
        print(f"{_WORDS[finding.state]:<6} {finding.subject}: {finding.text}")
        if finding.advice:
            print(f"       -> {finding.advice}")
    return 0 if well else 1
