"""What the commands have in common: their options, the configuration, and how an answer is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import config
from agent.config import Config, ConfigError
from agent.control_socket import ask_agent

if TYPE_CHECKING:
    import argparse  # the agent itself is told so little that it goes without

Commands = Any
"""What argparse's `add_subparsers` returns, whose class has no public name."""
Command = Callable[[Any], int]
"""Gets argparse's namespace."""

ANSWER_SECONDS = 5.0
"""For the running agent's answer to a question about itself."""


def add_command(
    commands: Commands, name: str, run: Command, help_text: str, *, json_output: bool = True
) -> argparse.ArgumentParser:
    """A command with the options all of them have."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_text, description=help_text)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"the configuration (default: {config.DEFAULT_PATH})"
    )
    if json_output:
        parser.add_argument("--json", action="store_true", help="write one line of JSON, for programs")
    parser.set_defaults(run=run)
    return parser


def load(options: argparse.Namespace) -> Config:
    """The configuration the command line means. Raises ConfigError."""
    return config.load(options.config)


def ask(options: argparse.Namespace, timeout: float = ANSWER_SECONDS, **request: Any) -> dict[str, Any]:
    """The running agent's answer, within `timeout` seconds. Raises ControlError, or ConfigError."""
    return ask_agent(_socket(options), request, timeout)


def _socket(options: argparse.Namespace) -> Path:
    """Where the agent listens. With a broken file it does so all the same, running on the last one that worked."""
    try:
        return load(options).control.socket
    except ConfigError:
        usual = Config().control.socket
        if options.config is not None or not usual.exists():
            raise
        return usual


def write(options: argparse.Namespace, answer: Mapping[str, Any], lines: Callable[[], list[str]]) -> int:
    """Write an answer for a program or a person; the exit code it stands for."""
    ok = bool(answer.get("ok"))
    if options.json:
        print(json.dumps(answer, ensure_ascii=False))
    elif ok:
        for line in lines():
            print(line)
    else:
        print(answer.get("error") or "the agent gave no reason", file=sys.stderr)
    return 0 if ok else 1
