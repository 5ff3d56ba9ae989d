"""A served page, and one browser for all tests of this folder."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import pytest

from agent.page.branding import Branding
from agent.page.server import PageServer, Reply
from agent.page.taps import Tap, Verdict
from tests.peers.browser import Browser, find_chromium
from tests.peers.waiting import eventually

DEADLINE = 20.0


@dataclass
class Answered:
    """What is asked and answered over one connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """A page that is being served on a thread of its own, and what was tapped on it."""

    def __init__(self, branding: Branding, port: int, **options: Any) -> None:
        self.server = PageServer(port, branding, self._handle, **options)
        self.taps: list[Tap] = []
        self.replies: list[Reply] = []
        self.verdict: Verdict | None = Verdict(True)
        """What every tap is answered at once; None leaves it to the test."""
        self._stop, serving = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: self.server.run(self._stop, serving.set), name="page")
        self._thread.start()
        assert serving.wait(DEADLINE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/"

    def end(self) -> None:
        """Stop serving."""
        self._stop.set()
        self.server.wake()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def ask(self, method: str, path: str, *, body: Any = None, **headers: str) -> Answered:
        """Ask as no browser would, with the headers given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=DEADLINE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        answered = Answered(response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answered

    def post(self, path: str, body: Any, **headers: str) -> Answered:
        """Post as the page does, with its token."""
        origin = self.url.rstrip("/")
        sent = {"Origin": origin, "Content_Type": "application/json", "X_Page_Token": self.hello()["token"], **headers}
        return self.ask("POST", path, body=body, **sent)

    def hello(self) -> Any:
        with self.stream() as stream:
            return stream.next("hello")

    def stream(self) -> EventStream:
        return EventStream(self.server.port)

    def _handle(self, tap: Tap, reply: Reply) -> None:
        self.taps.append(tap)
        self.replies.append(reply)
        if self.verdict is not None:
            reply(self.verdict)


class EventStream:
    """Server-sent events, read one by one."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        self._connection.request("GET", "/events")
        self.response = self._connection.getresponse()

    def next(self, name: str) -> Any:
        """The data of the next event of that name."""
        while True:
            kind = self.response.readline().decode().strip()
            if not kind:
                raise AssertionError("the stream has ended")
            data = self.response.readline().decode().strip()
            self.response.readline()
            if kind == f"event: {name}":
                return json.loads(data.removeprefix("data: "))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a page with the options of `PageServer`; `branding` and `port` may be left out."""
    with ExitStack() as stack:

        def start(branding: Branding | None = None, *, port: int = 0, **options: Any) -> Served:
            served = Served(branding or Branding(name="Hall"), port, **options)
            stack.callback(served.end)
            return served

        yield start


@pytest.fixture(scope="session")
def _browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(_browser: Browser) -> Iterator[Browser]:
    """The browser with nothing open, the size of a usual kiosk."""
    _browser.resize(1280, 800)
    _browser.prefer(prefers_reduced_motion="reduce")
    yield _browser
    _browser.tell("Page.navigate", url="about:blank")


def shown(browser: Browser, script: str, value: Any, timeout: float = DEADLINE) -> None:
    """Wait until the page shows what it should."""
    eventually(lambda: browser.evaluate(script) == value, timeout=timeout, what=f"{script} to be {value!r}")
