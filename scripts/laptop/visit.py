"""One visit without a person: everything the demo shows, done by a script and checked at both ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from scripts.laptop import shop
from scripts.laptop.device import BUTTONS, Device
from scripts.laptop.transcript import Transcript
from tests.peers.hub import utterance
from tests.peers.rig.records import Row
from tests.peers.waiting import eventually

Found = TypeVar("Found")

_PEN, _BOOK, _COLA = shop.GOODS


class Visit:
    """The steps, in their order. A step that did not happen raises AssertionError."""

    def __init__(self, device: Device, transcript: Transcript) -> None:
        self._device = device
        self._hub = device.hub
        self._transcript = transcript
        self._mark = 0

    def play(self) -> bool:
        """Whether every step happened. Tells of each one as it goes."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("the device finds its hub", self._connects),
            ("a press is answered", self._press),
            ("a scan is answered", self._scan),
            ("the answer is spoken", self._spoken),
            ("a second scan is answered", self._second_scan),
            ("the hub is killed", self._kill),
            ("a scan meanwhile is accepted", self._scan_meanwhile),
            ("the hub comes back", self._back),
            ("the scan from meanwhile is answered", self._answered_late),
            ("nothing is left on the device", self._settled),
            ("the device ends when it is told to", self._ends),
        )
        for number, (title, step) in enumerate(steps, start=1):
            try:
                step()
            except (AssertionError, OSError) as error:
                self._transcript.look()
                self._transcript.tell("FAILED", f"{number} of {len(steps)}, {title}: {error}")
                return False
            self._transcript.tell("ok", f"{number} of {len(steps)}, {title}")
        return True

    def _connects(self) -> None:
        carrier = "mqtt" if self._hub.broker else "wss"
        if not self._hub.broker:
            self._transcript.tell("demo", "there is no mosquitto here, so the device falls back to WSS")
        client = self._hub.wait_connected(carrier=carrier, timeout=30)
        self._transcript.tell("hub", f"a device is connected over {client['carrier']}")

    def _press(self) -> None:
        button = BUTTONS[0]
        self._do("button", f"{button.title} is pressed", lambda: self._device.press(button))
        row = self._arrives(button.payload)
        wanted = {"kind": "action", "title": button.title, "payload": button.payload}
        assert row["context"]["input"] == wanted, f"the hub got {row['context']['input']}"
        self._shows("Somebody is on the way to you.")

    def _scan(self) -> None:
        self._do("scanner", _PEN, lambda: self._device.scan(_PEN))
        given = self._arrives(_PEN)["data"]["input"]
        assert (given["kind"], given["value"]) == ("barcode", _PEN), f"the hub got {given}"
        self._shows(shop.GOODS[_PEN])

    def _spoken(self) -> None:
        self._wait(lambda: shop.GOODS[_PEN] in self._transcript.since(self._mark, "speech"), 15, "speech")

    def _second_scan(self) -> None:
        self._do("scanner", _BOOK, lambda: self._device.scan(_BOOK))
        self._arrives(_BOOK)
        self._shows(shop.GOODS[_BOOK])

    def _kill(self) -> None:
        self._do("hub", "is killed", self._hub.core.kill)
        assert not self._hub.core.alive

    def _scan_meanwhile(self) -> None:
        self._do("scanner", _COLA, lambda: self._device.scan(_COLA))
        # "sent" where the broker took it and nobody knows yet that there is no hub behind, "kept" otherwise.
        self._shows(_COLA)
        assert self._waiting() == 1

    def _back(self) -> None:
        self._do("hub", "is started again", self._hub.core.start)

    def _answered_late(self) -> None:
        self._shows(shop.GOODS[_COLA], timeout=60)
        rows = self._hub.received(utterance(_COLA))
        assert len({row["context"]["request_id"] for row in rows}) == 1, "the scan arrived as two"

    def _settled(self) -> None:
        self._wait(lambda: self._waiting() == 0, 10, "an empty outbox")
        for once in (BUTTONS[0].payload, _PEN, _BOOK):
            times = len(self._hub.received(utterance(once)))
            assert times == 1, f"{once} arrived {times} times"

    def _ends(self) -> None:
        code = self._device.agent.terminate(timeout=5)
        assert code == 0, "it was still there after 5 s" if code is None else f"it ended with {code}"

    def _do(self, source: str, text: str, act: Callable[[], None]) -> None:
        self._transcript.look()
        self._mark = self._transcript.mark()
        self._transcript.tell(source, text)
        act()

    def _arrives(self, text: str) -> Row:
        row = self._hub.wait_for(utterance(text), timeout=10)
        self._transcript.tell("hub", f"receives {json.dumps(row['data'], ensure_ascii=False)}")
        return row

    def _shows(self, text: str, *, timeout: float = 10) -> None:
        self._wait(lambda: text in self._transcript.since(self._mark, "display"), timeout, f'"{text}" on the display')

    def _waiting(self) -> int:
        waiting: int = self._device.agent.ask("status")["outbox"]["waiting"]
        return waiting

    def _wait(self, look: Callable[[], Found | None], timeout: float, what: str) -> Found:
        return eventually(look, timeout=timeout, what=what)
