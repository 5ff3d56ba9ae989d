"""What a device needs, looked at one by one, with what to do about each thing that is not right.

Nothing is opened that a running agent holds, and nothing is changed. What only the agent knows, it is asked.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from agent import config as configuration
from agent.config import Config, ConfigError
from agent.control_socket import AgentNotRunningError, ControlError, ask_agent
from agent.hub.errors import ThalovantIdentityError
from agent.identity_source import find_identity
from agent.record import record
from agent.state_folder import KEYS, in_memory
from hardware import keyboards
from hardware.facts import DeviceError
from hardware.pins import pin_factory
from hardware.ports import ports_present
from hardware.speech import advice, missing_programs

State = Literal["ok", "warning", "problem"]

_ANSWER_SECONDS = 5.0
_SPARE_BYTES = 64 << 20
"""Free space beside the outbox at its largest: logs and everything else share the disk."""


@record(kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    text: str
    advice: str = ""
    """What to do; empty where nothing needs doing."""


def examine(path: Path | None = None) -> list[Finding]:
    """Everything there is to say about the device whose configuration is at `path`."""
    place = path or configuration.DEFAULT_PATH
    try:
        config = configuration.load(path)
    except ConfigError as error:
        mend = f"mend it in {place}, and see config/agent.toml for every key"
        return [Finding(subject="configuration", state="problem", text=text, advice=mend) for text in error.problems]
    there = f"{place} is right" if place.exists() else f"there is no {place}; everything is at its default"
    checks: Sequence[Callable[[Config], Iterator[Finding]]] = (
        check_identity,
        check_state,
        check_pins,
        check_scanners,
        check_displays,
        check_speech,
        check_agent,
    )
    findings = [Finding(subject="configuration", state="ok", text=there)]
    return [*findings, *(finding for check in checks for finding in check(config))]


def check_identity(config: Config) -> Iterator[Finding]:
    """The identity file, and whether the configured protocols have addresses in it."""
    path = config.identity.file
    try:
        identity = find_identity(path, environ=os.environ)
    except ThalovantIdentityError as error:
        text, _, what_to_do = str(error).partition("; ")
        yield Finding(subject="identity", state="problem", text=text, advice=what_to_do)
        return
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            owner, agent = path.stat().st_uid, config.identity.state.stat().st_uid
            if owner != agent:
                yield Finding(
                    subject="identity",
                    state="problem",
                    text=f"{path} belongs to user {owner}, and the agent's folder to user {agent}",
                    advice=f"sudo chown {agent} {path}",
                )
                return
    usable = [name for name in config.hub.protocols if identity.can_dial(name)]
    missing = [name for name in config.hub.protocols if name not in usable]
    if not usable:
        yield Finding(
            subject="identity",
            state="problem",
            text=f"it has no address for any of {', '.join(config.hub.protocols)}",
            advice="create the identity again with one of them, or change hub.protocols",
        )
        return
    also = f" (not {', '.join(missing)})" if missing else ""
    yield Finding(subject="identity", state="ok", text=f"{identity.site_id}, over {', '.join(usable)}{also}")


def check_state(config: Config) -> Iterator[Finding]:
    """The folder where scans wait: there, writable, on a disk, with room."""
    folder = config.identity.state
    if not folder.is_dir():
        yield Finding(
            subject="state folder",
            state="warning",
            text=f"there is no {folder}",
            advice="the agent makes it when it starts; if it has been started, look at its journal",
        )
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            subject="state folder",
            state="problem",
            text=f"{folder} cannot be written by this user",
            advice="run the doctor with sudo, or as the agent's user",
        )
        return
    if in_memory(folder):
        yield Finding(
            subject="state folder",
            state="problem",
            text=f"{folder} is in memory: scans that wait, and the device's key, are lost with the power",
            advice="switch the overlay file system off, or mount a partition there",
        )
        return
    free = shutil.disk_usage(folder).free
    wanted = config.outbox.max_bytes + _SPARE_BYTES
    if free < wanted:
        yield Finding(
            subject="state folder",
            state="warning",
            text=f"{folder} has {free >> 20} MiB free, and the outbox may come to need {wanted >> 20} MiB",
            advice="free some space, or lower outbox.max_bytes",
        )
        return
    yield Finding(subject="state folder", state="ok", text=f"{folder}, {free >> 20} MiB free")


def check_pins(config: Config) -> Iterator[Finding]:
    """The pin library, where buttons or lights need one."""
    if not (config.buttons or config.knobs or config.lights):
        yield Finding(subject="pins", state="ok", text="no buttons or lights are configured")
        return
    try:
        with _somewhere_writable():
            name = type(pin_factory()).__name__
    except DeviceError as error:
        text, _, what_to_do = str(error).rpartition(": ")
        yield Finding(subject="pins", state="problem", text=text, advice=what_to_do)
        return
    if name in {"LGPIOFactory", "MockFactory"}:
        yield Finding(subject="pins", state="ok", text=name)
        return
    yield Finding(
        subject="pins",
        state="warning",
        text=f"gpiozero found {name}, which may lose edges or not work on newer kernels",
        advice="apt install python3-lgpio, and run with GPIOZERO_PIN_FACTORY=lgpio",
    )


def check_scanners(config: Config) -> Iterator[Finding]:
    """The ports scanners are configured at, and those that are there."""
    present = ports_present()
    found = f"there are {', '.join(present)}" if present else "no serial port is plugged in"
    if not config.scanners:
        yield Finding(subject="scanners", state="ok", text=f"none is configured; {found}")
    for scanner in config.scanners:
        subject, port = f'scanner "{scanner.name}"', scanner.port
        if scanner.device:
            yield _keyboard(subject, scanner.device)
            continue
        if "://" in port:
            yield Finding(subject=subject, state="ok", text=f"{port}, which only the agent can try")
            continue
        paths = [port] if os.path.lexists(port) else sorted(glob.glob(port))
        if not paths:
            yield Finding(
                subject=subject,
                state="problem",
                text=f"nothing is at {port}; {found}",
                advice="plug it in, switch it to its serial (CDC or COM) mode, or correct the port",
            )
        elif not os.access(paths[0], os.R_OK | os.W_OK):
            yield Finding(
                subject=subject,
                state="problem",
                text=f"{paths[0]} cannot be used by this user",
                advice="add the agent's user to the group dialout",
            )
        elif port.startswith(("/dev/ttyACM", "/dev/ttyUSB")):
            yield Finding(
                subject=subject,
                state="warning",
                text=f"{port} is there, and may have another number after the next plugging in",
                advice="use its path under /dev/serial/by-id or /dev/scanner",
            )
        else:
            yield Finding(subject=subject, state="ok", text=paths[0])


def _keyboard(subject: str, device: str) -> Finding:
    try:
        path = keyboards.find(device)
    except DeviceError as error:
        there = ", ".join(f"{numbers} ({name})" for _, numbers, name in keyboards.present()) or "none"
        advice = "plug it in, or correct the device, which thalovant-agent takes as lsusb shows it"
        return Finding(subject=subject, state="problem", text=f"{error}; keyboards here: {there}", advice=advice)
    if not os.access(path, os.R_OK):
        advice = "add the agent's user to the group input, as systemd/optional/keyboard-scanner.conf does"
        return Finding(subject=subject, state="problem", text=f"{path} cannot be used by this user", advice=advice)
    return Finding(subject=subject, state="ok", text=path)


def check_displays(config: Config) -> Iterator[Finding]:
    """The consoles and panels that are to be drawn on."""
    if not config.displays:
        yield Finding(subject="display", state="ok", text="none is configured")
    for display in config.displays:
        subject, target = f'display "{display.name}"', display.where
        if display.i2c is not None:
            yield _panel(subject, display.i2c[0], target)
        elif display.type == "png":
            yield Finding(subject=subject, state="ok", text=target)
        elif target == "-":
            yield Finding(subject=subject, state="ok", text="standard output")
        elif not os.path.exists(target):
            yield Finding(
                subject=subject,
                state="problem",
                text=f"there is no {target}",
                advice="/dev/tty1 is the first console of a screen",
            )
        elif not os.access(target, os.W_OK):
            yield Finding(
                subject=subject,
                state="problem",
                text=f"{target} cannot be written by this user",
                advice="add the agent's user to the group tty",
            )
        else:
            yield Finding(subject=subject, state="ok", text=target)


def _panel(subject: str, bus: int, where: str) -> Finding:
    """Whether a panel's bus is there and open to us; the panel itself says nothing unasked."""
    device = f"/dev/i2c-{bus}"
    if not os.path.exists(device):
        return Finding(
            subject=subject,
            state="problem",
            text=f"there is no {device}",
            advice="switch I2C on: raspi-config, Interface Options; then start the device anew",
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return Finding(
            subject=subject,
            state="problem",
            text=f"{device} cannot be used by this user",
            advice="add the agent's user to the group i2c",
        )
    return Finding(subject=subject, state="ok", text=where)


def check_speech(config: Config) -> Iterator[Finding]:
    """The programs of the speech command."""
    if not config.speech.enabled:
        yield Finding(subject="speech", state="ok", text="switched off")
        return
    missing = missing_programs(config.speech.command_line)
    if missing:
        text = f"the command needs {' and '.join(missing)}"
        yield Finding(subject="speech", state="problem", text=text, advice=advice(missing))
        return
    yield Finding(subject="speech", state="ok", text=config.speech.command_line)


def check_agent(config: Config) -> Iterator[Finding]:
    """The running agent, and what it says of its link and its devices."""
    try:
        answer = ask_agent(config.control.socket, {"command": "status"}, _ANSWER_SECONDS)
    except AgentNotRunningError as error:
        text, _, what_to_do = str(error).partition("; ")
        yield Finding(subject="agent", state="problem", text=text, advice=what_to_do)
        yield from _try_link(config)
        return
    except ControlError as error:
        yield Finding(subject="agent", state="problem", text=str(error), advice="journalctl -u thalovant-agent")
        return
    try:
        link, outbox = answer["link"], answer["outbox"]
        up = link["state"] in {"up", "degraded"}
        text = f"{link['state']}" + (f" over {link['protocol']}" if up else "")
        yield Finding(subject="agent", state="ok", text=f"running, version {answer['version']}")
        if not answer["identity"]["trouble"]:  # which has been told, and explains all the rest
            yield Finding(subject="link", state="ok" if up else "problem", text=text, advice=link["advice"])
        if outbox["trouble"]:
            yield Finding(subject="outbox", state="problem", text=outbox["trouble"])
        elif outbox["dead"]:
            text = f"{outbox['dead']} messages ended badly"
            yield Finding(subject="outbox", state="warning", text=text, advice="thalovant-agent outbox")
        else:
            yield Finding(subject="outbox", state="ok", text=f"{outbox['waiting']} waiting")
        for part in (*answer["inputs"], *answer["outputs"]):
            if part["trouble"]:
                subject = f'{part["kind"]} "{part["name"]}"'
                yield Finding(subject=subject, state="problem", text=f"the agent says: {part['trouble']}")
    except (KeyError, TypeError):
        text = "the running agent is of another version than this command"
        yield Finding(subject="agent", state="warning", text=text, advice="systemctl restart thalovant-agent")


def _try_link(config: Config) -> Iterator[Finding]:
    """Dial the hub in the place of an agent that does not run, as it would: with the device's keys, by each protocol.

    With a copy of them, so that a doctor who is root leaves no files in the agent's folder that the agent cannot write.
    Without any this is not done: a hub keeps the first key a device shows, and it must be the one that stays.
    """
    try:
        identity = find_identity(config.identity.file, environ=os.environ)
    except ThalovantIdentityError:
        return  # which has been told, and explains this
    usable = [name for name in config.hub.protocols if identity.can_dial(name)]
    keys = config.identity.state / KEYS
    if not usable:
        return
    if not (keys.is_dir() and os.access(keys, os.R_OK | os.X_OK) and any(keys.iterdir())):
        text = "not tried: the device has no key yet, or this user may not read it"
        yield Finding(subject="link", state="warning", text=text, advice="start the agent, or run the doctor with sudo")
        return

    from agent.hub.client import ThalovantClient

    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(keys, os.path.join(folder, KEYS))
        for protocol in usable:
            client = ThalovantClient(
                identity, protocol=protocol, auto_reconnect=False, reconnect_attempts=0, noise_state_dir=copy
            )
            try:
                report = client.doctor()
            finally:
                client.close()
            failed = next((check for check in report.checks if not check.ok), None)
            subject = f"link over {protocol}"
            if failed is None:
                yield Finding(subject=subject, state="ok", text=report.checks[-1].detail)
            else:
                advice = failed.cause.sentence if failed.cause is not None else ""
                yield Finding(subject=subject, state="problem", text=failed.detail, advice=advice)


@contextlib.contextmanager
def _somewhere_writable() -> Iterator[None]:
    """lgpio leaves a pipe in the working directory when it is imported, and fails where it cannot."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
