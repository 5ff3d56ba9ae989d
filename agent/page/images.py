"""Pictures the hub names, fetched by the agent and kept in memory for the page.

The agent fetches them, and not the browser, so that the browser can do without any network: its content security policy
names no origin but its own, and its unit lets it reach loopback alone. Here each fetch has an end in bytes, seconds and
pixels, a redirect leads nowhere that was not allowed, and nothing of the device (cookies, a referrer, an address with
the visitor's data in it, which a hub could make up) reaches an origin the installer did not name. Without
`image_origins` nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from agent.page.items import Image
from agent.page.pictures import NotShownError, Picture, data_url, picture
from agent.record import record, replace

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

_MOST_BYTES = 3_000_000
"""Of one picture."""
_KEPT_BYTES = 12_000_000
"""Of all of them."""
_KNOWN = 64
_WAITING = 16
_SECONDS = 15.0
_SILENCE_SECONDS = 5.0
_REDIRECTS = 3
_AGAIN_SECONDS = 60.0
"""A fetch that failed is tried again when the picture is still shown after this time."""
_BEAT_SECONDS = 10.0
_DEFAULT_PORTS = {"http": 80, "https": 443}


@record
class _Known:
    url: str
    state: Literal["loading", "ready", "missing"]
    picture: Picture | None = None
    tried: float = 0.0


def origin(url: str) -> str:
    """The origin of an address, as `https://host:port`. Raises ValueError for what is no web address."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username or parts.password:
        raise ValueError("expected an origin such as https://pictures.example.org")
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"


class Images:
    """The pictures of late. `look` and `get` are for any thread, `run` is the body of a worker.

    `origins` are those that may be fetched from. `changed` is called, on the worker's thread, when a picture has come
    or failed.
    """

    def __init__(self, origins: Sequence[str], *, user_agent: str, changed: Callable[[], None] = lambda: None) -> None:
        self._origins = frozenset(origin(each) for each in origins)
        self._user_agent = user_agent
        self.changed = changed
        self._guard = threading.Condition()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._wanted: deque[str] = deque()
        self._told: set[str] = set()

    def look(self, image: Image) -> dict[str, Any]:
        """What the page may know of an image: its state and where to load it from. Starts a fetch where none was."""
        name = hashlib.sha256(image.url.encode("utf-8", "replace")).hexdigest()[:32]
        now = time.monotonic()
        with self._guard:
            known = self._known.get(name)
            if known is None or (known.state == "missing" and known.tried and now - known.tried > _AGAIN_SECONDS):
                known = self._begin(name, image.url)
            self._known.move_to_end(name)
            self._forget()
        found = known.picture
        size = {"width": found.width, "height": found.height} if found else {}
        return {"state": known.state, "source": f"/image/{name}" if known.state == "ready" else "", **size}

    def get(self, name: str) -> Picture | None:
        """The picture of that name, when it is there."""
        with self._guard:
            known = self._known.get(name)
            return known.picture if known else None

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Fetch what is looked at until `stop` is set."""
        while not stop.is_set():
            beat()
            with self._guard:
                if not self._wanted:
                    self._guard.wait(_BEAT_SECONDS)
                name = self._wanted.popleft() if self._wanted else None
                known = self._known.get(name) if name else None
            if name is None or known is None or stop.is_set():
                continue
            try:
                found = picture(self._fetch(known.url, stop))
                result = replace(known, state="ready", picture=found)
            except NotShownError as error:
                log.info("a picture is not shown", extra={"origin": _shown_origin(known.url), "reason": str(error)})
                result = replace(known, state="missing", tried=time.monotonic())
            with self._guard:
                if name in self._known:
                    self._known[name] = result
                self._forget()
            self.changed()

    def wake(self) -> None:
        """Let `run` see that `stop` was set."""
        with self._guard:
            self._guard.notify_all()

    def _begin(self, name: str, url: str) -> _Known:
        """What is known of a new address. The caller holds the guard."""
        if url[:5].lower() == "data:":
            # Nothing to fetch, and quickly looked at; `tried` stays 0, since it never gets better.
            try:
                data = data_url(url)
                known = _Known("", "ready", picture(data)) if len(data) <= _MOST_BYTES else _Known("", "missing")
            except NotShownError:
                known = _Known("", "missing")
        elif self._allowed(url):
            known = _Known(url, "loading")
            self._wanted.append(name)
            while len(self._wanted) > _WAITING:
                self._known.pop(self._wanted.popleft(), None)
            self._guard.notify_all()
        else:
            known = _Known("", "missing")
            self._tell_refused(url)
        self._known[name] = known
        return known

    def _forget(self) -> None:
        """Keep within the bounds, the latest longest. The caller holds the guard."""
        total = sum(len(known.picture.data) for known in self._known.values() if known.picture)
        while len(self._known) > _KNOWN or (total > _KEPT_BYTES and len(self._known) > 1):
            _, gone = self._known.popitem(last=False)
            total -= len(gone.picture.data) if gone.picture else 0

    def _allowed(self, url: str) -> bool:
        try:
            return origin(url) in self._origins
        except ValueError:
            return False

    def _tell_refused(self, url: str) -> None:
        """Once for each origin, so that an installer learns what to allow and a hub cannot fill the journal."""
        refused = _shown_origin(url)
        if refused not in self._told and len(self._told) < _KNOWN:
            self._told.add(refused)
            log.info("pictures from an origin that is not in image_origins are not fetched", extra={"origin": refused})

    def _fetch(self, url: str, stop: threading.Event) -> bytes:
        import requests

        deadline = time.monotonic() + _SECONDS
        with requests.Session() as session:
            for _ in range(_REDIRECTS + 1):
                try:
                    with session.get(
                        url,
                        headers={"User-Agent": self._user_agent, "Accept": "image/*", "Accept-Encoding": "identity"},
                        auth=_no_auth,
                        stream=True,
                        allow_redirects=False,
                        timeout=_SILENCE_SECONDS,
                    ) as answer:
                        if answer.is_redirect:
                            url = urljoin(url, answer.headers["location"])
                            if not self._allowed(url):
                                raise NotShownError(f"it leads on to {_shown_origin(url)}, which is not allowed")
                            session.cookies.clear()
                            continue
                        if answer.status_code != 200:
                            raise NotShownError(f"its server answers {answer.status_code}")
                        return _body(answer, deadline, stop)
                # Its text has the address, and an address may have a visitor's data in it.
                except (requests.RequestException, ValueError, OSError) as error:
                    raise NotShownError(f"it cannot be fetched ({type(error).__name__})") from None
        raise NotShownError("it leads from one address to the next")


def _body(answer: requests.Response, deadline: float, stop: threading.Event) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NotShownError("its server packs it, unasked")
    # What has come, at once: a read that waits for more would let a server that drips hold it for hours. urllib3 1.26,
    # Debian's, has no read1 of its own.
    raw: Any = answer.raw
    read = getattr(raw, "read1", None) or raw._fp.read1
    received = bytearray()
    while part := read(16_384):
        received += part
        if len(received) > _MOST_BYTES:
            raise NotShownError(f"it is larger than {_MOST_BYTES // 1_000_000} MB")
        if time.monotonic() > deadline or stop.is_set():
            raise NotShownError("it takes too long")
    return bytes(received)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without this, requests looks for a password in ~/.netrc.
    return request


def _shown_origin(url: str) -> str:
    try:
        return origin(url)
    except ValueError:
        return urlsplit(url[:20]).scheme + ":" if ":" in url[:20] else "no address"
