"""The page's server: what its one page gets, and what it may say.

A stream gets the newest state; what it had no time to read is replaced, not queued. So a browser that is slow for a
moment shows the present afterwards, and a thousand changes a minute take as much memory as one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from agent.page import http1
from agent.page.assets import Asset, page_assets, version
from agent.page.branding import Branding, read_logo
from agent.page.connections import Client, Connections, listen
from agent.page.guard import HEADERS, Guard
from agent.page.http1 import Request, RequestRefusedError
from agent.page.images import Images
from agent.page.liveness import Liveness
from agent.page.state import PageState
from agent.page.taps import Tap, TapError, Taps, Touched, Verdict, read_tap
from agent.page.words import page_causes, page_words
from agent.record import record

log = logging.getLogger(__name__)

Reply = Callable[[Verdict], None]
Handler = Callable[[Tap, Reply], None]
"""Gets a tap and a function for what became of it: callable once, from any thread. Must not wait."""

_BEAT_SECONDS = 3.0
"""The page hears from here at least this often; when it does not, it says that the device is gone."""


@record(kw_only=True)
class Watch:
    """What the server tells of the browser in front of it. Called on the server's thread; must not wait."""

    limit_seconds: float = 60.0
    """Without a sign of life for this time there is no page."""
    alive: Callable[[], None] = lambda: None
    """A page is there, for the first time or again."""
    silent: Callable[[float], None] = lambda _: None
    """None has been for so many seconds. Called again at growing distances while that lasts: restart the browser."""


class PageServer:
    """Serves the page at `port` of loopback; `run` is the body of a worker, `show` and a `Reply` are for any thread."""

    def __init__(
        self,
        port: int,
        branding: Branding,
        handler: Handler,
        *,
        images: Images | None = None,
        watch: Watch | None = None,
        most_clients: int = 24,
        most_streams: int = 4,
        request_seconds: float = 10.0,
        answer_seconds: float = 6.0,
        left_seconds: float = 60.0,
        renew_states: int = 2000,
    ) -> None:
        """`port` 0 takes a free one.

        `answer_seconds` is the time for `handler` to come up with a verdict, `left_seconds` the one after which nobody
        is taken to stand before an untouched screen; then a page that was shown `renew_states` states is loaded anew.
        """
        self._wanted_port = port
        self._branding = branding
        self._handler = handler
        self._images = images or Images((), user_agent="")
        self._images.changed = self._images_changed
        self._watch = watch or Watch()
        self._most_streams = most_streams
        self._answer_seconds = answer_seconds
        self._left_seconds = left_seconds
        self._renew_states = renew_states
        self._token = secrets.token_urlsafe(32)
        self._state = PageState()
        self._number = 0
        self._guard_state = threading.Lock()
        self._verdicts: queue.SimpleQueue[tuple[str, Verdict]] = queue.SimpleQueue()
        self._taps = Taps()
        self._connections = Connections(
            self._answer, headers=HEADERS, most=most_clients, request_seconds=request_seconds
        )
        self._beaten = 0.0
        self._guard: Guard
        self._assets: Mapping[str, Asset]
        self._version: str
        self._liveness: Liveness
        self.port = port
        """The port in use; known once `run` has beaten."""

    def show(self, state: PageState) -> None:
        """Show this from now on. From any thread; returns at once."""
        with self._guard_state:
            self._state = state
            self._number += 1
        self.wake()

    def wake(self) -> None:
        """Let `run` see a new state, or that `stop` was set."""
        self._connections.wake()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until `stop` is set. Raises PageError when the port cannot be had; a restart tries again."""
        self._assets = page_assets(self._branding, self._logo())
        self._version = version(self._assets)
        with listen(self._wanted_port) as listener:
            self.port = listener.getsockname()[1]
            self._guard = Guard(self.port, self._token)
            self._liveness = Liveness(self._watch.limit_seconds)
            self._liveness.start(time.monotonic())
            beat()
            self._connections.run(listener, stop, lambda now: self._each_round(now, beat))

    def _each_round(self, now: float, beat: Callable[[], None]) -> None:
        beat()
        self._take_verdicts()
        if now - self._beaten >= _BEAT_SECONDS:
            self._beaten = now
            for client in self._connections.streaming():
                if not client.out:
                    self._connections.push(client, http1.event("beat", "0"))
        self._update(now)
        silence = self._liveness.silent(now)
        if silence is not None:
            self._watch.silent(silence)

    # -- what is asked

    def _answer(self, client: Client, request: Request) -> None:
        self._guard.check(request)
        if request.method == "POST":
            self._post(client, request)
        elif request.path == "/events":
            self._begin_stream(client)
        elif request.path.startswith("/image/"):
            found = self._images.get(request.path.removeprefix("/image/"))
            self._serve(client, Asset(found.data, found.content_type) if found else None, request.method)
        else:
            self._serve(client, self._assets.get(request.path), request.method)

    def _serve(self, client: Client, asset: Asset | None, method: str) -> None:
        if asset is None:
            raise RequestRefusedError(404, "there is no such thing here")
        self._connections.respond(client, 200, asset.data if method == "GET" else b"", asset.content_type)

    def _begin_stream(self, client: Client) -> None:
        if len(self._connections.streaming()) >= self._most_streams:
            raise RequestRefusedError(503, "too many pages are open")
        self._connections.begin_stream(client)
        self._connections.push(client, http1.event("hello", json.dumps(self._hello(), ensure_ascii=False)))

    def _post(self, client: Client, request: Request) -> None:
        if request.path == "/alive":
            if self._liveness.heard(time.monotonic()):
                self._watch.alive()
            self._connections.respond(client, 204)
        elif request.path == "/action" or (request.path == "/code" and self._branding.code_entry):
            try:
                self._tapped(client, read_tap(request.path, request.body))
            except TapError as error:
                raise RequestRefusedError(400, str(error)) from None
        else:
            raise RequestRefusedError(404, "there is no such thing here")

    def _tapped(self, client: Client, tap: Tap) -> None:
        if isinstance(tap, Touched) and not self._taps.offered(tap.payload):
            raise RequestRefusedError(409, "this choice was not offered")
        name = tap.tap
        verdict = self._taps.verdict(name)
        if verdict is not None:  # it came twice: one wish, one answer
            self._tell(client, verdict)
            return
        self._connections.let_wait(client, name, self._answer_seconds)
        if self._taps.begin(name):
            self._handler(tap, lambda verdict: self._reply(name, verdict))

    def _reply(self, tap: str, verdict: Verdict) -> None:
        self._verdicts.put((tap, verdict))
        self.wake()

    def _take_verdicts(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                tap, verdict = self._verdicts.get_nowait()
                if self._taps.settle(tap, verdict):
                    for client in self._connections.waiting(tap):
                        self._tell(client, verdict)

    def _tell(self, client: Client, verdict: Verdict) -> None:
        body = json.dumps(verdict.as_json(), ensure_ascii=False).encode("utf-8", "replace")
        self._connections.respond(client, 200, body, "application/json")

    # -- what is shown

    def _hello(self) -> Mapping[str, Any]:
        """What a page needs once. After a restart of the agent that is the new token and, maybe, new files."""
        branding = self._branding
        return {
            "token": self._token,
            "version": self._version,
            "name": branding.name,
            "logo": "/logo" in self._assets,
            "code_entry": branding.code_entry,
            "left_seconds": self._left_seconds,
            "renew_states": self._renew_states,
            "silent_seconds": _BEAT_SECONDS * 2.5,
            "languages": [
                {"tag": tag, "words": page_words(tag), "causes": page_causes(tag), "idle": branding.idle.get(tag, "")}
                for tag in branding.languages
            ],
        }

    def _update(self, now: float) -> None:
        """Give each stream that has read everything the newest state."""
        with self._guard_state:
            state, number = self._state, self._number
        behind = [each for each in self._connections.streaming() if not each.out and each.seen != number]
        if not behind:
            return
        self._taps.offer(state.payloads())
        data = http1.event("state", json.dumps(state.as_json(now, self._images.look), ensure_ascii=False))
        for client in behind:
            client.seen = number
            self._connections.push(client, data)

    def _images_changed(self) -> None:
        with self._guard_state:
            self._number += 1
        self.wake()

    def _logo(self) -> Asset | None:
        if self._branding.logo is None:
            return None
        try:
            return Asset(*read_logo(self._branding.logo))
        except (OSError, ValueError) as error:
            log.warning("the logo cannot be shown", extra={"reason": str(error)})
            return None
