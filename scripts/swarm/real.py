"""Many real links at one real hub, which is killed and started again: how they come back, and that nobody does twice.

The production link with its sockets, each on a thread of its own, in a few processes.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from tests.peers.hub import Hub
from tests.peers.linked import LinkedDevice

_READY_SECONDS = 300.0
_BACK_SECONDS = 240.0
_STARTS_A_SECOND = 2.0
"""Of one process. A fleet does not come up at one moment: its boards boot, and the hub derives a key for each first
contact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What came of one outage."""

    back_after: Sequence[float]
    """For each link that was up at the end, seconds from the hub's return; sorted."""
    attempts_per_second: int
    """Links that came up in the busiest second."""
    missing: int
    twice: int
    """Access keys with more than one session at the hub."""


def run(*, devices: int, processes: int, protocol: str, away: float) -> Return:
    """Bring the links up, take the hub away for so many seconds, and follow them back."""
    folder = Path(tempfile.mkdtemp(prefix="thalovant-fleet-"))
    try:
        with Hub(folder / "hub", devices=devices) as hub:
            os.environ.update(hub.environment())
            context = multiprocessing.get_context("spawn")
            parts = [range(first + 1, devices + 1, processes) for first in range(processes)]
            pipes: list[Connection] = []
            for part in parts:
                near, far = context.Pipe()
                identities = [str(hub.identity(number)) for number in part]
                context.Process(target=_keep, args=(far, identities, str(folder), protocol), daemon=True).start()
                pipes.append(near)
            for pipe in pipes:
                assert pipe.poll(_READY_SECONDS)
                pipe.recv()
            print(f"{devices} links up over {protocol}", flush=True)
            time.sleep(25)  # until every link counts as one that held
            hub.core.kill()
            time.sleep(away)
            hub.core.start()
            returned = time.time()
            for pipe in pipes:
                pipe.send(returned + _BACK_SECONDS)
            moments: list[float] = []
            for pipe in pipes:
                assert pipe.poll(_BACK_SECONDS + 60)
                moments += pipe.recv()
            sessions = Counter(client["key"] for client in hub.clients() if client["noise"])
            for pipe in pipes:
                pipe.send(None)
            back = sorted(moment - returned for moment in moments)
            seconds = Counter(int(moment) for moment in back)
            return Return(
                back_after=back,
                attempts_per_second=max(seconds.values(), default=0),
                missing=devices - len(back),
                twice=sum(count > 1 for count in sessions.values()),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _keep(pipe: Connection, identities: Sequence[str], folder: str, protocol: str) -> None:
    """Keep these links; say when they are up, and when they were up again."""
    logging.getLogger().addHandler(logging.NullHandler())  # two hundred times "no hub link" is what is meant here
    with ExitStack() as stack:
        links: list[LinkedDevice] = []
        for number, path in enumerate(identities):
            keys = Path(folder) / f"keys-{os.getpid()}-{number}"
            links.append(stack.enter_context(LinkedDevice(Path(path), keys, protocols=[protocol])))
            time.sleep(1 / _STARTS_A_SECOND)
        for link in links:
            link.wait_up(timeout=_READY_SECONDS)
        pipe.send("up")
        ends = pipe.recv()
        while time.time() < ends and not all(link.back_at for link in links):
            time.sleep(0.1)
        pipe.send([link.back_at for link in links if link.back_at])
        pipe.recv()
