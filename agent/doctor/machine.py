"""The machine under the agent: its disk, its clock, its power."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from agent.board import read_board
from agent.config import Config
from agent.doctor.finding import Finding
from agent.stamps import SystemStamps
from agent.state_folder import in_memory

_SPARE_BYTES = 64 << 20
"""Free space beside the outbox at its largest: logs and everything else share the disk."""
_ROOM_BYTES = 96 << 20
"""What a first contact takes for a moment, argon2's 64 MiB, and the agent itself."""


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


def check_clock(_: Config) -> Iterator[Finding]:
    """Whether the device knows what time it is."""
    subject = "clock"
    now = SystemStamps()()
    shown = time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(now.wall))
    if now.sure:
        yield Finding(subject=subject, state="ok", text=shown)
        return
    yield Finding(
        subject=subject,
        state="warning",
        text=f"{shown}, which no time server has confirmed: scans say that their time is not sure, and TLS may fail",
        advice="let it reach a time server (timedatectl timesync-status), or fit a clock with a battery",
    )


def check_power(config: Config, root: Path = Path("/")) -> Iterator[Finding]:
    """What holds the board back: a weak supply, heat, too little memory, a card near its end."""
    board = read_board(config.identity.state, time.time(), root)
    throttling, memory, card = board["throttling"], board["memory"], board["card"]
    if throttling is None:
        yield Finding(subject="power", state="ok", text="this board does not tell of its supply")
    elif held := throttling["now"] or throttling["since_boot"]:
        fed = "under-voltage" in held
        yield Finding(
            subject="power",
            state="problem" if throttling["now"] else "warning",
            text=f"{', '.join(held)} {'now' if throttling['now'] else 'since it was started'}",
            advice="take the board maker's supply and a short, thick cable" if fed else "let it cool: air, a heat sink",
        )
    else:
        yield Finding(subject="power", state="ok", text="enough, since it was started")
    if memory is not None and memory["available_bytes"] < _ROOM_BYTES:
        free = memory["available_bytes"] >> 20
        text = f"{free} MiB are free, and a first contact with the hub takes {_ROOM_BYTES >> 20} MiB"
        advice = "end other programs, or take a board with more"
        yield Finding(subject="memory", state="warning", text=text, advice=advice)
    if card is not None and card["reserve"] in {"warning", "urgent"}:
        text = f"the card says that it is near its end ({card['reserve']})"
        yield Finding(subject="card", state="problem", text=text, advice="replace it, with what waits sent before")
