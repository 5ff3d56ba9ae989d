"""What the installed unit opens to the agent: a doctor runs outside of the sandbox, and sees more."""

from __future__ import annotations

import subprocess
from pathlib import Path

_UNIT = "thalovant-agent.service"
_SECONDS = 5.0
_SHARES = (Path("/opt/thalovant-agent/share/thalovant-agent"), Path("/usr/share/thalovant-agent"))


def is_open(devices: str) -> bool:
    """Whether the unit lets the agent use a class of devices, "char-i2c"; where there is no unit, nothing is shut."""
    command = ["systemctl", "show", _UNIT, "--property=LoadState,DeviceAllow", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "LoadState=loaded" not in done.stdout or devices in done.stdout


def switch_on(name: str) -> str:
    """How a person opens it, with the drop-in of that name."""
    share = next((path for path in _SHARES if path.is_dir()), Path())
    drop_in = share / "systemd" / "optional" / f"{name}.conf"
    return (
        f"sudo install -D -m 644 {drop_in} -t /etc/systemd/system/{_UNIT}.d; "
        "sudo systemctl daemon-reload; sudo systemctl restart thalovant-agent"
    )
