"""What the device shows and says: consoles, panels, speech."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent.config import Config
from agent.doctor import unit
from agent.doctor.finding import Finding
from hardware.speech import advice, missing_programs

_ALSA = "aplay"
"""The player that needs a sound card of the kernel's; others may play elsewhere."""


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
    if not unit.is_open("char-i2c"):
        text = f"{device} is there, and the service does not let the agent use it"
        return Finding(subject=subject, state="problem", text=text, advice=unit.switch_on("i2c"))
    if not os.access(device, os.R_OK | os.W_OK):
        return Finding(
            subject=subject,
            state="problem",
            text=f"{device} cannot be used by this user",
            advice="add the agent's user to the group i2c",
        )
    return Finding(subject=subject, state="ok", text=where)


def check_speech(config: Config, root: Path = Path("/")) -> Iterator[Finding]:
    """The programs of the speech command, and the sound card where it plays on one."""
    command = config.speech.whole_command
    if not config.speech.enabled:
        yield Finding(subject="speech", state="ok", text="switched off")
    elif missing := missing_programs(command):
        text = f"the command needs {' and '.join(missing)}"
        yield Finding(subject="speech", state="problem", text=text, advice=advice(missing))
    elif not unit.is_open("char-alsa"):
        text = "the service does not let the agent use the sound card"
        yield Finding(subject="speech", state="problem", text=text, advice=unit.switch_on("sound"))
    elif _ALSA in command and not _has_sound_card(root):
        what_to_do = "plug one in, or switch the board's own on: dtparam=audio=on in config.txt, and start it anew"
        yield Finding(subject="speech", state="problem", text="there is no sound card", advice=what_to_do)
    else:
        yield Finding(subject="speech", state="ok", text=command)


def _has_sound_card(root: Path) -> bool:
    try:
        return "no soundcards" not in (root / "proc/asound/cards").read_text()
    except OSError:
        return False
