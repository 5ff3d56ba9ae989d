"""`thalovant-agent`: run the agent, look at it, give it its identity, send something through it.

Every command reads the same `agent.toml` as the agent itself, and those that need the running agent ask it over its
control socket. Exit codes: 0 done, 1 not done, 2 the command line or the configuration is wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from agent.commands import account, asking, checking, claiming, letters, listening, provisioning, running
from agent.config import ConfigError
from agent.hub.errors import ThalovantError
from agent.status import DISTRIBUTION, version


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code. What goes wrong is one sentence on standard error."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 2
    except ThalovantError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `thalovant-agent outbox | head`: the reader has seen enough
        # Or the interpreter would complain once more, when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=DISTRIBUTION, description="A device agent for Thalovant hubs.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for family in (running, asking, listening, letters, provisioning, checking, account, claiming):
        family.add(commands)
    return parser
