"""A person at the demo: keys are buttons, typed lines are scans, and what the device does scrolls by above them."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from agent.control_socket import ControlError
from scripts.laptop import shop
from scripts.laptop.device import BUTTONS, Device
from scripts.laptop.transcript import Transcript

_LOOK_SECONDS = 0.1
_PROMPT = "scan> "
_BACKSPACE = {"\x7f", "\b"}
_LEAVE = {"\x03", "\x04"}  # Ctrl-C, Ctrl-D


class Line:
    """The line being typed, kept below everything that is written meanwhile."""

    def __init__(self, *, drawn: bool) -> None:
        self.text = ""
        self._drawn = drawn

    def write_above(self, line: str) -> None:
        if self._drawn:
            sys.stdout.write(f"\r\x1b[K{line}\r\n{_PROMPT}{self.text}")
        else:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def draw(self) -> None:
        if self._drawn:
            sys.stdout.write(f"\r\x1b[K{_PROMPT}{self.text}")
            sys.stdout.flush()

    def clear(self) -> None:
        self.text = ""
        self.draw()


class Terminal:
    """Standard input and output as the front of the kiosk."""

    def __init__(self) -> None:
        self._interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self._line = Line(drawn=self._interactive)
        self.transcript = Transcript(self._line.write_above)

    def run(self, device: Device) -> None:
        """Until q, Ctrl-C, Ctrl-D or the end of the input."""
        self._explain(device)
        self.transcript.follow(device)
        with self._keys():
            self._line.draw()
            while True:
                self.transcript.look()
                if not device.agent.alive:
                    self.transcript.tell("demo", f"the agent ended; its journal is {device.agent.log}")
                    return
                if not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
                    continue
                typed = os.read(sys.stdin.fileno(), 4096).decode("utf-8", "replace")
                if not typed or not all(self._key(key, device) for key in typed):
                    return

    def _key(self, key: str, device: Device) -> bool:
        """Take one key; False to leave. A small letter that begins a line is a command, all else is typed."""
        if key in _LEAVE or (key == "q" and not self._line.text):
            return False
        if key in _BACKSPACE:
            self._line.text = self._line.text[:-1]
        elif key in "\r\n":
            if self._line.text:
                self._scan(self._line.text.strip(), device)
            self._line.clear()
        elif not self._line.text and key.islower():
            self._command(key, device)
        elif key.isprintable():
            self._line.text += key
        self._line.draw()
        return True

    def _scan(self, code: str, device: Device) -> None:
        self.transcript.tell("scanner", code)
        device.scan(code)

    def _command(self, key: str, device: Device) -> None:
        if key == "k":
            if device.hub.core.alive:
                device.hub.core.kill()
                self.transcript.tell("hub", "killed; k starts it again")
            else:
                device.hub.core.start()
                self.transcript.tell("hub", "started again")
        for button in BUTTONS:
            if key == button.key:
                self.transcript.tell("button", button.title)
                try:
                    device.press(button)
                except ControlError as error:
                    self.transcript.tell("demo", str(error))

    def _explain(self, device: Device) -> None:
        link = "MQTT" if device.hub.broker else "WSS (there is no mosquitto here, so MQTT cannot be tried)"
        keys = [f"{button.key} {button.title}" for button in BUTTONS]
        for line in (
            f"A device, its hub and the shop behind it are running here, in {device.folder}, over {link}.",
            f"Keys:  {'   '.join(keys)}   k kill the hub, or start it again   q leave",
            "Scans: type a code and press Enter. The shop knows these, and every invoice INV-...:",
            *(f"         {code}   {text}" for code, text in shop.GOODS.items()),
            "",
        ):
            self._line.write_above(line)

    @contextmanager
    def _keys(self) -> Iterator[None]:
        """Hear each key at once, without the terminal writing it."""
        if not self._interactive:
            yield
            return
        before = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            sys.stdout.write("\n")
