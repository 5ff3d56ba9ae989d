"""The man page and the shell's completion, made from the command line's own description, so that neither goes stale.

python -m agent.manual man | bash
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from agent.cli import command_line
from agent.status import DISTRIBUTION, version

_FILES = (
    ("/etc/thalovant-agent/agent.toml", "the configuration; every key is explained in it"),
    ("/etc/thalovant-agent/identity.json", "the identity, where it is not sealed"),
    ("/etc/credstore.encrypted/thalovant-identity", "the identity, where it is"),
    ("/boot/firmware/thalovant-identity.json", "an identity to be taken over at the next start"),
    ("/var/lib/thalovant-agent", "scans that wait for the hub, and the device's keys"),
)
_CODES = (
    ("0", "done"),
    ("1", "not done"),
    ("2", "the command line or the configuration is wrong"),
    ("130", "interrupted"),
)


def commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser, those of a family under the family's name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                if any(isinstance(one, argparse._SubParsersAction) for one in below._actions):
                    yield from commands(below, (*path, name))
                else:
                    yield " ".join((*path, name)), below


def man_page(parser: argparse.ArgumentParser) -> str:
    """The page in the language of man(7)."""
    lines = [f'.TH {DISTRIBUTION.upper()} 1 "" "{DISTRIBUTION} {version()}"', ".SH NAME"]
    lines.append(f"{DISTRIBUTION} \\- {_escaped((parser.description or '').rstrip('.'))}")
    lines += [".SH SYNOPSIS", f".B {DISTRIBUTION}", ".I COMMAND", "[options]", ".SH COMMANDS"]
    for name, below in commands(parser):
        lines += [".SS " + _escaped(name), _escaped(below.description or "")]
        for action in below._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            lines += [".TP", _option(action), _escaped(_help(below, action))]
    lines.append(".SH FILES")
    for place, meaning in _FILES:
        lines += [".TP", f".I {_escaped(place)}", meaning]
    lines.append(".SH EXIT STATUS")
    for code, meaning in _CODES:
        lines += [".TP", f".B {code}", meaning]
    lines += [".SH SEE ALSO", ".BR systemctl (1),", ".BR journalctl (1)"]
    return "\n".join(lines) + "\n"


def bash_completion(parser: argparse.ArgumentParser) -> str:
    """Completion for bash: the commands, then the options of the one that was typed."""
    cases, families = [], dict[str, list[str]]()
    for name, below in commands(parser):
        words = name.split()
        if len(words) > 1:
            families.setdefault(words[0], []).append(words[1])
        options = [option for action in below._actions for option in action.option_strings if option.startswith("--")]
        choices = [str(one) for action in below._actions if not action.option_strings for one in action.choices or ()]
        cases.append(f'    "{name}") words="{" ".join([*options, *choices])}" ;;')
    cases += [f'    "{name} "*|"{name}") words="{" ".join(words)}" ;;' for name, words in families.items()]
    first = " ".join(dict.fromkeys(name.split()[0] for name, _ in commands(parser)))
    two = "|".join(families)
    return f"""\
# bash completion for {DISTRIBUTION}; made by agent.manual
_thalovant_agent() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]:-}}" words=
  if [ "$COMP_CWORD" -le 1 ]; then
    COMPREPLY=($(compgen -W "{first}" -- "$current"))
    return
  fi
  case "$command" in {two}) [ "$COMP_CWORD" -le 2 ] || command="$command ${{COMP_WORDS[2]}}" ;; esac
  case "$command" in
{chr(10).join(cases)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$current" in
    -*) ;;
    *) [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}}
complete -o filenames -F _thalovant_agent {DISTRIBUTION}
"""


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


def _option(action: argparse.Action) -> str:
    if not action.option_strings:
        return f".I {_escaped(str(action.metavar or action.dest))}"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f".B {_escaped(', '.join(action.option_strings) + value)}"


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main(arguments: list[str]) -> int:
    """Write one of them to standard output; the exit code."""
    parser = command_line()
    match arguments:
        case ["man"]:
            sys.stdout.write(man_page(parser))
        case ["bash"]:
            sys.stdout.write(bash_completion(parser))
        case _:
            print("usage: python -m agent.manual man|bash", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
