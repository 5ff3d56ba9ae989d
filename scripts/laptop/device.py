"""Everything the demo runs, in one folder: hub, broker, scanner and agent."""

from __future__ import annotations

import json
import shlex
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.laptop import shop
from tests.peers.agent import CONTROL_SOCKET, AgentProcess
from tests.peers.hub import Hub
from tests.peers.rig.broker import find_mosquitto
from tests.peers.scanner import PtyScanner


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoButton:
    """One button of the demo."""

    key: str
    """What to type for it."""
    name: str
    pin: int
    payload: str
    title: str


BUTTONS = (
    DemoButton(key="h", name="help", pin=17, payload=shop.HELP, title="Call staff"),
    DemoButton(key="d", name="delivery", pin=27, payload=shop.DELIVERY, title="Delivery"),
)


class Device:
    """The demo's device and the hub it belongs to. `with` starts both and ends both."""

    def __init__(self, folder: Path, *, with_broker: bool | None = None, aloud: bool = False) -> None:
        """`with_broker` None takes a broker if there is one; `aloud` speaks through the sound card."""
        self.folder = folder
        self.spoken = folder / "spoken.txt"
        if with_broker is None:
            with_broker = find_mosquitto() is not None
        self.hub = Hub(folder / "hub", answer=f"{shop.__name__}:answer", with_broker=with_broker)
        self.scanner = PtyScanner(folder / "scanner", plugged_in=False)
        self.agent = AgentProcess(folder, self._config(aloud=aloud), environment=self.hub.environment())
        self._stack = ExitStack()

    def scan(self, code: str) -> None:
        """Let the scanner read `code`."""
        self.scanner.types(code.encode() + b"\r")

    def press(self, button: DemoButton) -> None:
        """Press the button and let it go."""
        self.agent.press(button.pin)

    def __enter__(self) -> Self:
        try:
            self._stack.enter_context(self.hub)
            self._stack.callback(self.scanner.close)
            self.scanner.plug_in()
            self._stack.enter_context(self.agent)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _config(self, *, aloud: bool) -> str:
        tables = [
            _table("identity", file=str(self.hub.identity()), state=str(self.folder / "state")),
            _table("control", socket=str(self.folder / CONTROL_SOCKET)),
            # The demo's hub is killed before the eyes of a person who does not want to wait for the usual half minute.
            _table("hub", answer_seconds=5.0),
            _table("speech", enabled=True, command=self._speech_command(aloud=aloud)),
            _table("[display]", name="screen", target="-"),
            _table("[scanner]", name="counter", port=self.scanner.port, kind="barcode", label="Article"),
            *(
                _table("[button]", name=button.name, pin=button.pin, payload=button.payload, title=button.title)
                for button in BUTTONS
            ),
            _table("[light]", name="beeper", pin=22, kind="beeper"),
        ]
        return "\n".join(tables)

    def _speech_command(self, *, aloud: bool) -> str:
        """Writes down what is spoken, and speaks it where that can be done."""
        write_down = f"(cat; echo) | tee -a {shlex.quote(str(self.spoken))}"
        if aloud and shutil.which("espeak-ng") and shutil.which("aplay"):
            return f"{write_down} | espeak-ng --stdin --stdout -v {{voice}} | aplay -q"
        if shutil.which("espeak-ng"):
            return f"{write_down} | espeak-ng --stdin -v {{voice}} -w {shlex.quote(str(self.folder / 'spoken.wav'))}"
        return f"{write_down} >/dev/null"


def _table(name: str, /, **values: str | float | bool) -> str:
    # A JSON scalar is a TOML scalar.
    return "\n".join((f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""))
