"""`run`, which is the agent itself, `reload`, and `check`, which only reads its configuration."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import config, journal
from agent.commands.options import Commands, add_command, ask, load, write
from agent.config import Config, ConfigError
from agent.config_trial import ConfigTrial
from agent.hub.errors import ThalovantError
from hardware.routing import Rule

if TYPE_CHECKING:
    import argparse

    from agent.button_config import ButtonConfig
    from agent.runtime import Runtime


_ENDS = (signal.SIGTERM, signal.SIGINT)


def add(commands: Commands) -> None:
    """Tell argparse of these commands."""
    running = add_command(
        commands, "run", run, "Run the agent until it is told to stop; what systemd does.", json_output=False
    )
    running.add_argument("--replay", type=Path, metavar="FILE", help="a recording in place of all inputs")
    add_command(commands, "reload", reload, "Let the running agent try its changed configuration; what SIGHUP does.")
    add_command(commands, "check", check, "Say whether the configuration is right, and what is in it.")


def run(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT.

    Raises ConfigError, StateFolderError where another agent runs here, and DeviceError for what is no recording.

    SIGHUP, or a changed configuration that failed its trial, ends the agent in order and starts another in the same
    process: systemd sees one that goes on, and nothing of the first is left in memory. A SIGTERM that comes in between
    is heeded by the one or the other.
    """
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    trial = ConfigTrial(options.config, Path(folder) if folder else None)
    settings = trial.choose()
    recording = None
    if replay := getattr(options, "replay", None):
        from agent.commands.watching import records

        recording = records(replay)
    redactor = journal.set_up(settings.log.level, expected=(ThalovantError,))
    if trial.trouble:
        logging.getLogger(__name__).error(
            "going on with the last configuration that worked", extra={"reason": trial.trouble}
        )
    faulthandler.enable()  # the watchdog ends a hung agent with SIGABRT: its threads go to the journal first

    from agent.runtime import Runtime

    runtime = Runtime(settings, redactor=redactor, trial=trial, recording=recording)
    told: list[int] = []

    def end(number: int, _: object) -> None:
        told.append(number)
        runtime.stop()

    for number in _ENDS:
        signal.signal(number, end)
    signal.signal(signal.SIGHUP, lambda *_: _reload(runtime))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    runtime.run()
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # what comes from here on waits for the agent that follows
    if runtime.wants_another and not told:
        sys.stdout.flush()
        runtime.pass_on()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return 0


def _reload(runtime: Runtime) -> None:
    try:
        runtime.reload()
    except ConfigError as error:
        logging.getLogger(__name__).error(
            "the changed configuration is broken; going on as before", extra={"reason": str(error)}
        )


def reload(options: argparse.Namespace) -> int:
    """Exit code 0 when it is being tried, 1 when it is broken and nothing changes."""
    answer = ask(options, command="reload")
    return write(options, answer, lambda: ["the agent tries the configuration, and goes back if it does not come up"])


def check(options: argparse.Namespace) -> int:
    """Read the configuration and say what it says."""
    path = options.config or config.DEFAULT_PATH
    try:
        settings = load(options)
    except ConfigError as error:
        if not options.json:
            raise
        print(json.dumps({"ok": False, "file": str(path), "problems": list(error.problems)}, ensure_ascii=False))
        return 2
    contents = summary(settings)
    if options.json:
        print(json.dumps({"ok": True, "file": str(path), "contents": contents}, ensure_ascii=False))
        return 0
    print(f"{path} is right" if path.exists() else f"there is no {path}; everything is at its default")
    for line in contents:
        print(f"  {line}")
    return 0


def summary(settings: Config) -> list[str]:
    """What is connected, a line each."""
    lines = [f"identity {settings.identity.file}, state in {settings.identity.state}"]
    lines.append(f"protocols {', '.join(settings.hub.protocols)}")
    lines += [f'scanner "{one.name}" at {one.place}, sends {one.kind}' for one in settings.scanners]
    lines += [f"rule {number} for {_about(rule)}" for number, rule in enumerate(settings.rules, 1)]
    lines += [f'button "{one.name}" at GPIO{one.pin}, {_does(one)}' for one in settings.buttons]
    lines += [f'chord "{one.name}" of {" and ".join(one.buttons)}, sends {one.payload}' for one in settings.chords]
    lines += [
        f'knob "{one.name}" at GPIO{one.a} and GPIO{one.b}, sends {one.clockwise} and {one.counterclockwise}'
        for one in settings.knobs
    ]
    lines += [f'display "{one.name}" at {one.where}' for one in settings.displays]
    for light in settings.lights:
        pins = " and ".join(f"GPIO{pin}" for pin in light.pins or (light.pin,))
        lines.append(f'{light.kind} "{light.name}" at {pins}, shows {", ".join(light.signals)}')
    if settings.page.enabled:
        lines.append(f"page at http://127.0.0.1:{settings.page.port}/")
    if settings.speech.enabled:
        lines.append(f"speech with {settings.speech.command_at()}")
    if not (settings.scanners or settings.buttons or settings.knobs):
        lines.append("no inputs: nothing will ever be sent but what `send-code`, `send-action` and `ask` are given")
    return lines


def _does(button: ButtonConfig) -> str:
    sends = [payload + (f" on {gesture}" if gesture != "press" else "") for gesture, payload in button.actions.items()]
    does = [f"sends {', '.join(sends)}"] if sends else []
    return ", ".join([*does, *([f'has "{button.trigger}" read'] if button.trigger else [])])


def _about(rule: Rule) -> str:
    about = [*rule.symbologies, *(f"({ai})" for ai in rule.identifiers), *([rule.pattern] if rule.pattern else [])]
    codes = f"codes with {', '.join(about)}" if about else "any code"
    return f'{codes} of "{rule.scanner}"' if rule.scanner else codes
