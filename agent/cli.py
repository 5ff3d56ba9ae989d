"""`thalovant-agent`: run the agent, look at it, give it its identity, send something through it.

Every command reads the same `agent.toml` as the agent itself, and those that need the running agent ask it over its
control socket. Exit codes: 0 done, 1 not done, 2 the command line or the configuration is wrong, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from agent.config import ConfigError
from agent.hub.errors import ThalovantError
from agent.status import DISTRIBUTION, version
from hardware.facts import DeviceError

if TYPE_CHECKING:
    import argparse

_FAMILIES = (
    "running",
    "asking",
    "listening",
    "learning",
    "watching",
    "letters",
    "provisioning",
    "trust",
    "checking",
    "reporting",
    "account",
    "claiming",
)
"""The modules of `agent.commands`, in the order of the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code. What goes wrong is one sentence on standard error."""
    options = _options(list(sys.argv[1:] if argv is None else argv))
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    except (ThalovantError, DeviceError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `thalovant-agent outbox | head`: the reader has seen enough
        # Or the interpreter would complain once more, when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _options(words: Sequence[str]) -> Any:
    """What the command line means, as argparse's namespace."""
    match words:
        case ["run"] | ["run", "--config", _]:
            # Without argparse, and without the other commands: the agent stays in memory for months.
            from agent.commands import running

            return SimpleNamespace(run=running.run, config=Path(words[2]) if len(words) > 1 else None)
    return command_line().parse_args(words)


def command_line() -> argparse.ArgumentParser:
    """The command line, with every command."""
    import argparse

    parser = argparse.ArgumentParser(prog=DISTRIBUTION, description="A device agent for Thalovant hubs.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for family in _FAMILIES:
        importlib.import_module(f"agent.commands.{family}").add(commands)
    return parser
