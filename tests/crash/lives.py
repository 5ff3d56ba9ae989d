"""One device, killed again and again at chosen steps of its scans' way, and the account of what became of each scan."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.control_socket import ControlError, ask_agent
from tests.crash.victim import STEPS
from tests.peers.agent import CONTROL_SOCKET, ROOT
from tests.peers.hub import Hub
from tests.peers.scanner import PtyScanner
from tests.peers.tail import Tail
from tests.peers.waiting import eventually

NONE = "no fault"
FAULTS = (*(f"{when} {step}" for step in STEPS for when in ("before", "after")), "at any moment")
_LIFE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the scans of one fault's lives."""

    fault: str
    runs: int
    accepted: int
    arrived: int
    lost: int
    repeats: int
    other_ids: int


class Device:
    """An agent at a hub that is started, scanned with and killed."""

    def __init__(self, folder: Path, hub: Hub, *, device: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._hub = hub
        self.scanner = PtyScanner(folder / "scanner")
        self._beeps = Tail(folder / "beeps.log")
        self.accepted: list[str] = []
        self.fault_of: dict[str, str] = {}
        """The fault of the life that accepted the code, by code."""
        self.runs: Counter[str] = Counter()
        self._configs = {protocol: self._configure(protocol, device) for protocol in ("mqtt", "wss")}
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "GPIOZERO_PIN_FACTORY": "mock", **hub.environment()},
        )
        self._pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        assert self._zygote.stdin is not None
        self._zygote.stdin.close()
        self._zygote.wait(10)
        self.scanner.close()

    def live(self, fault: str, codes: list[str], *, protocol: str, visits: int, chance: random.Random) -> bool:
        """One life: start, scan, die of the fault. False when the life went by without coming to it."""
        when, _, step = fault.partition(" ")
        any_moment = step not in STEPS
        self._start(step, when, visits, protocol)
        self.runs[fault] += 1
        began = time.monotonic()
        try:
            eventually(lambda: self._dead() or self._scans(), timeout=_LIFE_SECONDS, what="an open scanner")
            for code in codes:
                self.scanner.types(code.encode() + b"\r")
            if any_moment:
                time.sleep(chance.uniform(0.0, 0.4))
            else:
                while not self._dead(0.02) and time.monotonic() - began < _LIFE_SECONDS and not self._idle(codes):
                    pass
            died = self._dead()
        finally:
            self._kill()
        self._note(fault)
        return died

    def finish(self, *, timeout: float = 120.0) -> None:
        """A last life without a fault, until the hub has answered everything."""
        self._start("", "", 1, "mqtt")
        try:
            eventually(
                lambda: (self._ask() or {}).get("outbox", {}).get("waiting") == 0,
                timeout=timeout,
                what="an empty outbox",
            )
            self.dead_letters = int((self._ask() or {})["outbox"]["dead"])
        finally:
            self._kill()
            self._note(NONE)

    def accounts(self) -> list[Account]:
        """What became of every scan, by fault."""
        arrivals: defaultdict[str, list[str]] = defaultdict(list)
        for row in self._hub.received(lambda row: row["type"] == "recognizer_loop:utterance"):
            arrivals[row["data"]["utterances"][0]].append(row["context"]["request_id"])
        accounts = []
        for fault in (*FAULTS, NONE):
            codes = [code for code in self.accepted if self.fault_of[code] == fault]
            if not codes and not self.runs[fault]:
                continue
            accounts.append(
                Account(
                    fault=fault,
                    runs=self.runs[fault],
                    accepted=len(codes),
                    arrived=sum(bool(arrivals[code]) for code in codes),
                    lost=sum(not arrivals[code] for code in codes),
                    repeats=sum(max(len(arrivals[code]) - 1, 0) for code in codes),
                    other_ids=sum(len(set(arrivals[code])) > 1 for code in codes),
                )
            )
        return accounts

    # -- a life

    def _start(self, step: str, when: str, visits: int, protocol: str) -> None:
        order = {
            "folder": str(self._folder),
            "config": str(self._configs[protocol]),
            "step": step,
            "when": when,
            "visits": visits,
        }
        assert self._zygote.stdin is not None
        self._zygote.stdin.write(json.dumps(order).encode() + b"\n")
        self._zygote.stdin.flush()
        self._pid = int(self._hear(10.0)["pid"])
        self._ended = False

    def _hear(self, timeout: float) -> dict[str, Any]:
        output = self._zygote.stdout
        assert output is not None
        if not select.select([output], [], [], timeout)[0]:
            raise TimeoutError("the agents' parent does not answer")
        heard: dict[str, Any] = json.loads(output.readline())
        return heard

    def _dead(self, timeout: float = 0.0) -> bool:
        assert self._zygote.stdout is not None
        if not self._ended and select.select([self._zygote.stdout], [], [], timeout)[0]:
            self._hear(1.0)
            self._ended = True
        return self._ended

    def _kill(self) -> None:
        if not self._ended:
            os.kill(self._pid, signal.SIGKILL)
            self._hear(10.0)
            self._ended = True
        self._pid = 0
        self.scanner.reader_killed()

    def _ask(self) -> dict[str, Any] | None:
        try:
            return ask_agent(self._folder / CONTROL_SOCKET, {"command": "status"}, 2.0)
        except ControlError:
            return None

    def _scans(self) -> bool:
        status = self._ask()
        return status is not None and not status["inputs"][0]["trouble"]

    def _idle(self, codes: list[str]) -> bool:
        """Whether the life came to its end with nothing left to do: its fault lies elsewhere."""
        self._note_beeps()
        status = self._ask()
        return bool(
            status
            and status["counts"].get("scans", 0) >= len(codes)
            and status["link"]["state"] == "up"
            and status["outbox"]["waiting"] == 0
        )

    def _note_beeps(self) -> None:
        self._heard_now = getattr(self, "_heard_now", [])
        self._heard_now += self._beeps.new()

    def _note(self, fault: str) -> None:
        self._note_beeps()
        for code in self._heard_now:
            self.accepted.append(code)
            self.fault_of[code] = fault
        self._heard_now = []

    def _configure(self, protocol: str, device: int) -> Path:
        tables: Mapping[str, Mapping[str, object]] = {
            "[identity]": {"file": str(self._hub.identity(device)), "state": str(self._folder / "state")},
            "[control]": {"socket": str(self._folder / CONTROL_SOCKET)},
            "[hub]": {"protocols": [protocol]},
            "[[display]]": {"name": "screen", "target": "-"},
            "[[scanner]]": {"name": "counter", "port": self.scanner.port, "repeat_seconds": 0},
        }
        path = self._folder / f"{protocol}.toml"
        path.write_text(
            "\n".join(
                "\n".join((table, *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""))
                for table, values in tables.items()
            )
        )
        return path
