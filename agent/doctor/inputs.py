"""What the device reads: the pin library, the scanners, and ports that no scanner is configured at."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence

from agent.config import Config
from agent.doctor import unit
from agent.doctor.finding import Finding
from hardware import keyboards
from hardware.facts import DeviceError
from hardware.pins import pin_factory
from hardware.ports import ports_present

_PLUGGED_IN = ("/dev/serial/", "/dev/ttyACM", "/dev/ttyUSB")
"""Where what is plugged in turns up; a board's own ports are there with nothing at them."""


def check_pins(config: Config) -> Iterator[Finding]:
    """The pin library, where buttons or lights need one."""
    if not (config.buttons or config.knobs or config.lights):
        yield Finding(subject="pins", state="ok", text="no buttons or lights are configured")
        return
    try:
        with _somewhere_writable(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gpiozero names each library it tries in vain; what it ends at is told
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


def check_scanners(config: Config, present: Sequence[str] | None = None) -> Iterator[Finding]:
    """The ports scanners are configured at, and those that are there, which `present` says for a test."""
    present = ports_present() if present is None else present
    found = f"there are {', '.join(present)}" if present else "no serial port is plugged in"
    if not config.scanners:
        yield Finding(subject="scanners", state="ok", text="none is configured")
    taken: set[str] = set()
    for scanner in config.scanners:
        subject, port = f'scanner "{scanner.name}"', scanner.port
        if scanner.device:
            yield _keyboard(subject, scanner.device)
            continue
        if "://" in port:
            yield Finding(subject=subject, state="ok", text=f"{port}, which only the agent can try")
            continue
        paths = [port] if os.path.lexists(port) else sorted(glob.glob(port))
        taken |= {os.path.realpath(path) for path in paths}
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
    for one in present:
        path = one.partition(" (")[0]
        if path.startswith(_PLUGGED_IN) and os.path.realpath(path) not in taken:
            yield Finding(
                subject="port",
                state="warning",
                text=f"{one} is plugged in, and no scanner is configured there",
                advice="thalovant-agent learn scanner says whether it is one, and what to configure",
            )


def _keyboard(subject: str, device: str) -> Finding:
    try:
        path = keyboards.find(device)
    except DeviceError as error:
        there = ", ".join(f"{numbers} ({name})" for _, numbers, name in keyboards.present()) or "none"
        advice = "plug it in, or correct the device, which thalovant-agent takes as lsusb shows it"
        return Finding(subject=subject, state="problem", text=f"{error}; keyboards here: {there}", advice=advice)
    if not unit.is_open("char-input"):
        text = f"{path} is there, and the service does not let the agent use it"
        return Finding(subject=subject, state="problem", text=text, advice=unit.switch_on("keyboard-scanner"))
    if not os.access(path, os.R_OK):
        advice = "add the agent's user to the group input, as systemd/optional/keyboard-scanner.conf does"
        return Finding(subject=subject, state="problem", text=f"{path} cannot be used by this user", advice=advice)
    return Finding(subject=subject, state="ok", text=path)


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
