from __future__ import annotations

import base64
import contextlib
import logging
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.page.images import Images, origin
from agent.page.items import Image
from agent.page.pictures import NotShownError, data_url, picture
from agent.page.state import Answer, PageState
from tests.agent.page.conftest import shown
from tests.peers.waiting import eventually


def png(width: int = 3, height: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xc0\x20\x40" * width for _ in range(height)) if width < 1000 else b""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc2\x00\x0b\x08\x00\x05\x00\x07\x01\x01\x11\x00\xff\xd9"
GIF = b"GIF89a\x07\x00\x05\x00" + b"\0" * 8
WEBP_X = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x06\0\0\x04\0\0"
WEBP_L = b"RIFF\x20\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + struct.pack("<I", 6 | 4 << 14) + b"\0" * 4
WEBP = b"RIFF\x20\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x07\0\x05\0"


@pytest.mark.parametrize(
    ("data", "kind"),
    [(png(7, 5), "png"), (JPEG, "jpeg"), (GIF, "gif"), (WEBP_X, "webp"), (WEBP_L, "webp"), (WEBP, "webp")],
)
def test_a_pictures_type_and_size_are_read_from_its_beginning(data, kind):
    found = picture(data)
    assert (found.content_type, found.width, found.height) == (f"image/{kind}", 7, 5)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG"),
        (b"", "no PNG"),
        (png()[:20], "cut short"),
        (png(50_000, 50_000), "50000 by 50000"),
        (png(0, 5), "empty"),
    ],
)
def test_what_a_small_board_should_not_show_is_refused(data, why):
    with pytest.raises(NotShownError, match=why):
        picture(data)


@given(
    data=st.binary(max_size=60),
    head=st.sampled_from([b"", b"\xff\xd8\xff", WEBP[:12], b"\x89PNG\r\n\x1a\n", b"GIF89a"]),
)
def test_no_bytes_break_the_reading(data, head):
    with contextlib.suppress(NotShownError):
        picture(head + data)


def test_a_picture_in_its_address_is_shown_without_fetching():
    encoded = base64.b64encode(png()).decode()
    assert data_url(f"data:image/png;base64,{encoded}") == png()
    images = Images((), user_agent="test")
    look = images.look(Image(f"data:image/png;base64,{encoded}"))
    assert (look["state"], look["width"]) == ("ready", 3)
    found = images.get(look["source"].removeprefix("/image/"))
    assert found is not None
    assert found.data == png()
    for bad in ("data:text/html,<b>", "data:image/png;base64,!!!", "data:image/svg+xml,<svg/>", "data:"):
        assert images.look(Image(bad))["state"] == "missing"


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "//x/y", "https://", "https://user:word@x/", "javascript:alert(1)", "file:///etc"]
)
def test_what_is_no_web_address_has_no_origin(url):
    with pytest.raises(ValueError, match="expected an origin"):
        origin(url)


@contextlib.contextmanager
def picture_server(pages: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            page = pages[self.path]
            if callable(page):
                page(self)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html")  # a lie, which is not listened to
            self.send_header("Set-Cookie", "a=b")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def fetching(*origins: str) -> Iterator[Images]:
    images = Images(origins, user_agent="ThalovantAgent/test")
    stop = threading.Event()
    thread = threading.Thread(target=lambda: images.run(stop, lambda: None))
    thread.start()
    try:
        yield images
    finally:
        stop.set()
        images.wake()
        thread.join(10)
    assert not thread.is_alive()


def settled(images: Images, url: str) -> str:
    def look() -> str | None:
        state = images.look(Image(url))["state"]
        return None if state == "loading" else str(state)

    return eventually(look, what="the picture")


def test_a_picture_from_an_allowed_origin_is_fetched_once_and_tells_nothing_of_the_device():
    with picture_server({"/a.png": png()}) as (base, asked), fetching(base) as images:
        assert settled(images, f"{base}/a.png") == "ready"
        assert settled(images, f"{base}/a.png") == "ready"
        [(_, headers)] = asked
        assert headers["User-Agent"] == "ThalovantAgent/test"
        assert not {"Cookie", "Referer", "Authorization"} & headers.keys()


def test_nothing_is_fetched_from_an_origin_that_is_not_allowed(caplog):
    with picture_server({"/a.png": png()}) as (base, asked), fetching("https://pictures.example") as images:
        with caplog.at_level(logging.INFO):
            assert settled(images, f"{base}/a.png?visitor=secret") == "missing"
            assert settled(images, f"{base}/b.png") == "missing"
        assert not asked
        assert len(caplog.records) == 1
        assert "secret" not in str(caplog.records[0].__dict__)


def test_a_redirect_is_followed_to_allowed_origins_alone():
    def to(where: str):
        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", where)
            handler.end_headers()

        return answer

    with picture_server({"/a.png": png()}) as (other, asked_other):
        pages = {"/ok": to("/a.png"), "/a.png": png(), "/out": to(f"{other}/a.png"), "/round": to("/round")}
        with picture_server(pages) as (base, _), fetching(base) as images:
            assert settled(images, f"{base}/ok") == "ready"
            assert settled(images, f"{base}/out") == "missing"
            assert settled(images, f"{base}/round") == "missing"
        assert not asked_other


def test_a_picture_that_is_too_large_or_none_or_gone_is_missing():
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                handler.wfile.write(png() + b"\0" * 65_536)

    def gone(handler: BaseHTTPRequestHandler) -> None:
        handler.send_error(404)

    with picture_server({"/endless": endless, "/gone": gone, "/text": b"hello"}) as (base, _), fetching(base) as images:
        for path in ("endless", "gone", "text"):
            assert settled(images, f"{base}/{path}") == "missing"


def test_a_server_that_drips_does_not_hold_up_the_end():
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(300):
                handler.wfile.write(b"x")
                time.sleep(0.05)

    with picture_server({"/drip": drip}) as (base, asked), fetching(base) as images:
        images.look(Image(f"{base}/drip"))
        eventually(lambda: asked, what="the request")
        began = time.monotonic()
    assert time.monotonic() - began < 3


def test_pictures_take_a_bounded_memory():
    images = Images((), user_agent="test")
    heavy = png() + b"\0" * 900_000
    names = []
    for number in range(40):
        address = "data:image/png;base64," + base64.b64encode(heavy + bytes([number])).decode()
        look = images.look(Image(address))
        names.append(look["source"].removeprefix("/image/"))
    kept = [name for name in names if images.get(name)]
    assert kept == names[-13:]


def test_the_page_shows_a_picture_when_it_has_come(serve, browser):
    with picture_server({"/map.png": png(60, 40)}) as (base, _), fetching(base) as images:
        served = serve(images=images)
        items = (Image(f"{base}/map.png", "The way"), Image("https://elsewhere.example/x.png"))
        served.server.show(PageState(answer=Answer(number=1, items=items)))
        browser.open(served.url)
        shown(browser, "document.querySelector('figure img')?.naturalWidth ?? 0", 60)
        assert browser.evaluate("document.querySelector('figure img').alt") == "The way"
        assert browser.evaluate("document.querySelectorAll('.missing').length") == 1
        served.end()
