"""`scan`, `record` and `replay`: what the inputs of the device tell, without a hub and without the agent.

The agent must not run: a scanner's port is held by one program.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import queue
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.commands.options import Commands, add_command, load
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.gs1 import written

if TYPE_CHECKING:
    from agent.config import Config
    from hardware.recording import Record
    from hardware.routing import Routes

_END_SECONDS = 2.0
_FOREVER = 10 * 365 * 86_400.0


def add(commands: Commands) -> None:
    """Tell argparse of these commands."""
    scanning = add_command(commands, "scan", scan, "Show what a scanner sends, raw and parsed, without sending it.")
    scanning.add_argument("--watch", action="store_true", help="go on until Ctrl-C instead of ending with one code")
    recording = add_command(commands, "record", record, "Write down all that comes in, until Ctrl-C.")
    recording.add_argument("file", type=Path, metavar="FILE", help="a new file; it will hold what people scanned")
    for parser in (scanning, recording):
        parser.add_argument("--seconds", type=float, default=_FOREVER, metavar="SECONDS", help="end after so long")
    replaying = add_command(commands, "replay", replay, "Show what a recording tells, without sending it.")
    replaying.add_argument("file", type=Path, metavar="FILE", help="what `record` has written")


def scan(options: argparse.Namespace) -> int:
    """Exit code 1 when time ran out without a code."""
    from hardware.routing import Routes

    settings = dataclasses.replace(load(options), buttons=(), chords=(), knobs=())
    if not settings.scanners:
        raise DeviceError("agent.toml names no scanner; `thalovant-agent learn scanner` finds the lines for one")
    routes, codes = Routes(settings.rules), 0
    for fact in _coming_in(settings, options.seconds):
        _show(fact, options, routes)
        codes += isinstance(fact, CodeScanned)
        if codes and not options.watch:
            break
    return 0 if codes else 1


def record(options: argparse.Namespace) -> int:
    """Each line is in the file as soon as it happened. Raises DeviceError where the file cannot be made."""
    from hardware.recording import HEADER, Record

    settings, count = load(options), 0
    try:
        # Made by us, and for nobody else to read.
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DeviceError(f"{options.file} cannot be made: {(error.strerror or str(error)).lower()}") from None
    with open(descriptor, "w", encoding="utf-8", buffering=1) as file:
        print(HEADER, file=file)
        print("Recording. Ctrl-C ends it.", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            for fact in _coming_in(settings, options.seconds):
                if isinstance(fact, Record):
                    print(fact.line, file=file)
                    count += 1
                elif isinstance(fact, DeviceFound | DeviceLost):
                    print(_words(fact), file=sys.stderr)
    told = {"ok": True, "file": str(options.file), "records": count}
    print(json.dumps(told) if options.json else f"{count} records in {options.file}")
    return 0


def replay(options: argparse.Namespace) -> int:
    """At once, however long the recording took. Raises DeviceError where it cannot be read."""
    from agent.input_devices import machines
    from hardware.recording import replay as replayed
    from hardware.routing import Routes

    settings = load(options)
    routes = Routes(settings.rules)
    for _, facts in replayed(records(options.file), *machines(settings)):
        for fact in facts:
            if isinstance(fact, CodeScanned | ScanRefused | ButtonPressed | DeviceFound | DeviceLost):
                _show(fact, options, routes)
    return 0


def records(path: Path) -> list[Record]:
    """All of a recording. Raises DeviceError where it cannot be read."""
    from hardware.recording import read

    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return list(read(file))
    except OSError as error:
        raise DeviceError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise DeviceError(f"{path} is no recording") from None
    except DeviceError as error:
        raise DeviceError(f"{path}: {error}") from None


def _coming_in(settings: Config, seconds: float) -> Iterator[Any]:
    """The facts of the inputs and the records of what they are made of, for so long."""
    from agent.input_devices import InputDevices
    from agent.workers import Workers

    happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
    workers = Workers(expected=(DeviceError,))
    inputs = InputDevices(settings, happened.put, workers, record=happened.put)
    inputs.start()
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0:
            try:
                yield happened.get(timeout=left)
            except queue.Empty:
                return
    finally:
        inputs.end(_END_SECONDS)
        workers.stop(_END_SECONDS)


def _show(fact: Any, options: argparse.Namespace, routes: Routes) -> None:
    known = _as_dict(fact, routes)
    if options.json:
        print(json.dumps(known, ensure_ascii=False), flush=True)
    else:
        print(_words(fact, routes), flush=True)


def _as_dict(fact: Any, routes: Routes) -> dict[str, Any]:
    """A fact or a record for a program: everything in it, bytes in hex."""
    known = {"is": type(fact).__name__, **dataclasses.asdict(fact)}
    if isinstance(fact, CodeScanned):
        route = routes.route(fact)
        known["rule"] = None if route is None else dataclasses.asdict(route)
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in known.items()}


def _words(fact: Any, routes: Routes | None = None) -> str:
    """A fact or a record for a person."""
    match fact:
        case CodeScanned():
            value = json.dumps(fact.value, ensure_ascii=False)
            return "\n".join([f"{fact.scanner}: code {value}", *_about(fact, routes)])
        case ScanRefused(scanner, reason, raw, _, remark):
            lines = [f"{scanner}: refused, {reason}{f' ({remark})' if remark else ''}", f"  raw        {_raw(raw)}"]
            return "\n".join([*lines, *(_in_others(raw) if reason == "undecodable" else ())])
        case ButtonPressed(button, at, gesture):
            return f"{button}: {gesture} at {at:.3f}"
        case DeviceFound(_, name, detail):
            return f"{name}: found{f' at {detail}' if detail else ''}"
        case DeviceLost(_, name, detail):
            return f"{name}: lost, {detail}"
        case _:
            data = _raw(bytes.fromhex(fact.data)) if fact.kind == "bytes" else fact.data
            return f"{fact.name}: {fact.kind} {data}".rstrip()


def _about(code: CodeScanned, routes: Routes | None) -> Iterator[str]:
    yield f"  raw        {_raw(code.raw)}"
    yield f"  symbology  {code.symbology} ({code.aim})" if code.symbology else "  symbology  the scanner does not say"
    if code.elements:
        yield f"  GS1        {written(code.elements)}"
    if code.remark:
        yield f"  but        {code.remark}"
    route = routes.route(code) if routes is not None else None
    if route is not None:
        said = [f"{key} {value}" for key, value in dataclasses.asdict(route).items() if value]
        yield f"  rule       {', '.join(said)}"


def _in_others(raw: bytes) -> Iterator[str]:
    """The same in other character sets, for whoever knows what is printed on the code: one is the scanner's."""
    from hardware.learning import ENCODINGS

    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if text.isprintable():
                yield f"  {encoding:<10} {json.dumps(text, ensure_ascii=False)}"


def _raw(data: bytes) -> str:
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
    return f"{data.hex(' ')}  |{text}|"
