"""The kiosk page among the agent's workers: shown what the core decides, its taps put into the core's inbox.

A tap is a request like one at the command line, and is answered as soon as it is stored: the finger has its answer
within milliseconds, and what the hub says to it comes as the page's next state. A page that shows no sign of life is a
lost device like any other, and its browser is asked to be restarted.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.events import Event, Requested
from agent.page.connections import PageError
from agent.page.images import Images
from agent.page.kiosk import ask_for_restart
from agent.page.server import PageServer, Reply, Watch
from agent.page.state import PageState
from agent.page.taps import Tap, Touched, Verdict
from agent.page_config import PageConfig
from agent.record import replace
from agent.words import Word, Words
from agent.workers import Workers
from hardware.facts import DeviceFound, DeviceLost

RESTART_REQUEST = "kiosk-restart"
"""The file, beside the control socket, that systemd watches for the wish for another browser."""

_NAME = "page"
_NO_BROWSER = "no browser shows it; another one is asked for"
_LIMIT_SECONDS = 60.0
_MOST_TICKETS = 128


class KioskPage:
    """The page of one device. `show`, `refresh` and `answer` are the core's thread's; taps come on the server's."""

    def __init__(
        self, config: PageConfig, language: str, put: Callable[[Event], bool], *, user_agent: str, restart_request: Path
    ) -> None:
        """`put` takes an event for the core and says whether there was room; it must not wait."""
        self._put = put
        self._words = Words(language)
        self._restart_request = restart_request
        self._tickets = itertools.count(1)
        self._guard = threading.Lock()
        self._waiting: OrderedDict[str, Reply] = OrderedDict()
        self._state = PageState()
        self._shown: PageState | None = None
        self._end = threading.Event()
        self._unserved = False
        self._images = Images(config.image_origins, user_agent=user_agent)
        self._server = PageServer(
            config.port,
            config.branding(language),
            self._tapped,
            images=self._images,
            watch=Watch(limit_seconds=config.silent_seconds, alive=self._alive, silent=self._silent),
        )

    def start(self, workers: Workers) -> None:
        """Serve it, and fetch its pictures."""
        workers.start("page", self._serve, limit_seconds=_LIMIT_SECONDS)
        workers.start("page images", self._fetch, limit_seconds=_LIMIT_SECONDS)

    def end(self) -> None:
        """Come to an end, now that the last state was shown."""
        self._end.set()
        self._server.wake()
        self._images.wake()

    def show(self, state: PageState) -> None:
        """Show this, with the next `refresh`."""
        self._state = state

    def refresh(self, *, waiting: int, clock: bool) -> None:
        """Show the newest state where anything of it is new. `clock`: whether the device knows the time."""
        state = replace(self._state, link=replace(self._state.link, waiting=waiting), clock=clock)
        if state != self._shown:
            self._shown = state
            self._server.show(state)

    def answer(self, ticket: str, answer: Mapping[str, Any]) -> bool:
        """Tell the page what became of a tap; False when the ticket is none of its."""
        with self._guard:
            reply = self._waiting.pop(ticket, None)
        if reply is not None:
            accepted = bool(answer.get("ok"))
            reply(Verdict(accepted, "" if accepted else str(answer.get("error") or answer.get("reason") or "")))
        return ticket.startswith(_NAME)

    # -- on the server's thread

    def _tapped(self, tap: Tap, reply: Reply) -> None:
        ticket = f"{_NAME}-{next(self._tickets)}"
        touched = isinstance(tap, Touched)
        wish = Requested(
            ticket=ticket,
            origin="page",
            kind="action" if touched else "code",
            text=tap.payload if isinstance(tap, Touched) else tap.value,
            label=tap.title if isinstance(tap, Touched) else None,
            language=tap.language.lower() or None,
            wait_seconds=0.0,
        )
        with self._guard:
            self._waiting[ticket] = reply
            while len(self._waiting) > _MOST_TICKETS:
                self._waiting.popitem(last=False)
        if not self._put(wish):
            self.answer(ticket, {"ok": False, "error": self._words.say(Word.BUSY)})

    def _alive(self) -> None:
        self._put(DeviceFound("page", _NAME, ""))

    def _silent(self, seconds: float) -> None:
        self._put(DeviceLost("page", _NAME, _NO_BROWSER))
        ask_for_restart(seconds, self._restart_request)

    def _serve(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        try:
            self._server.run(self._end, lambda: self._serving(beat))
        except PageError as error:
            self._unserved = True
            self._put(DeviceLost("page", _NAME, str(error)))
            raise
        stop.wait(_LIMIT_SECONDS)

    def _serving(self, beat: Callable[[], None]) -> None:
        beat()
        if self._unserved:
            self._unserved = False
            self._put(DeviceFound("page", _NAME, ""))

    def _fetch(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        self._images.run(self._end, beat)
        stop.wait(_LIMIT_SECONDS)
