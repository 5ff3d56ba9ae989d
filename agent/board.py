"""The machine under the agent: which board it is, how warm, how well fed, how full, and whether it knows the time.

Everything is read from /proc and /sys, which the sandbox leaves readable, in a millisecond or two. What a machine does
not have is null: a PC throttles in no way the Pi's firmware would tell.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
"""Raspberry Pi's firmware: a hexadecimal number (the bits of `vcgencmd get_throttled`)."""
_NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_BOOT = 16  # the same bits, shifted: has happened
_SYNCHRONISED = "run/systemd/timesync/synchronized"
_BUILT = 1_735_689_600  # 2025-01-01: a clock before that was never set
_END_OF_LIFE = {"0x01": "normal", "0x02": "warning", "0x03": "urgent"}  # JEDEC eMMC 5.0, PRE_EOL_INFO


def read_board(state: Path, now_wall: float, root: Path = Path("/")) -> dict[str, Any]:
    """The board as JSON data. `state` is the folder whose disk counts, `now_wall` what the clock says (Unix time)."""
    throttling = _throttling(root)
    return {
        "model": _model(root),
        "temperature_celsius": _temperature(root),
        "throttling": throttling,
        "memory": _memory(root),
        "disk": _disk(state),
        "card": _card(root),
        "clock": _clock(root, now_wall),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _model(root: Path) -> str | None:
    return _text(root / "proc/device-tree/model") or _text(root / "sys/class/dmi/id/product_name")


def _temperature(root: Path) -> float | None:
    text = _text(root / "sys/class/thermal/thermal_zone0/temp")
    try:
        return None if text is None else round(int(text) / 1000, 1)
    except ValueError:
        return None


def _throttling(root: Path) -> dict[str, list[str]] | None:
    """What holds the board back now, and what has since it was started."""
    text = _text(root / _THROTTLED)
    try:
        bits = None if text is None else int(text, 16)
    except ValueError:
        bits = None
    if bits is None:
        return None
    return {
        "now": [name for bit, name in _NOW.items() if bits >> bit & 1],
        "since_boot": [name for bit, name in _NOW.items() if bits >> bit + _SINCE_BOOT & 1],
    }


def _memory(root: Path) -> dict[str, int] | None:
    rows = dict(line.split(":", 1) for line in (_text(root / "proc/meminfo") or "").splitlines() if ":" in line)
    try:
        total, available = (int(rows[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (KeyError, ValueError, IndexError):
        return None
    return {"total_bytes": total, "available_bytes": available}


def _disk(state: Path) -> dict[str, int] | None:
    try:
        found = os.statvfs(state)
    except OSError:
        return None
    return {"total_bytes": found.f_blocks * found.f_frsize, "free_bytes": found.f_bavail * found.f_frsize}


def _card(root: Path) -> dict[str, Any] | None:
    """What an eMMC or a good card says of its wear: tenths of its life used, and how urgent that is."""
    device = root / "sys/block/mmcblk0/device"
    used, end = _text(device / "life_time"), _text(device / "pre_eol_info")
    if used is None and end is None:
        return None
    try:
        tenths = None if used is None else max(int(part, 16) for part in used.split()) or None
    except ValueError:
        tenths = None
    return {
        "life_used_percent": None if tenths is None else min(tenths * 10, 110),
        "reserve": _END_OF_LIFE.get((end or "").lower()),
    }


def _clock(root: Path, now_wall: float) -> str:
    if now_wall < _BUILT:
        return "unset"
    return "synchronised" if (root / _SYNCHRONISED).exists() else "unconfirmed"
