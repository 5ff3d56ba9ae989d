from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from agent.page.branding import Branding
from agent.page.connections import PageError
from agent.page.items import Choice, Choices, Text
from agent.page.server import PageServer, Watch
from agent.page.state import Answer, LinkLine, PageState
from agent.page.taps import Touched, Typed, Verdict
from tests.agent.page.conftest import DEADLINE, EventStream
from tests.peers.waiting import eventually

TAP = "11111111-2222-3333-4444-555555555555"
OFFER = PageState(answer=Answer(number=1, items=(Text("Tea?"), Choices((Choice("Yes", "/yes"), Choice("No", "/no"))))))


def offered(served) -> None:
    """A page has seen the choices of OFFER."""
    served.server.show(OFFER)
    with served.stream() as stream:
        stream.next("state")


def press(served, *, tap: str = TAP, payload: str = "/yes", **headers: str):
    return served.post("/action", {"tap": tap, "payload": payload, "title": "Yes", "language": "en-us"}, **headers)


def test_the_page_its_style_and_its_script_come_with_a_policy_that_names_nobody_else(serve):
    served = serve()
    for path in ("/", "/page.css", "/page.js", "/answer.js", "/brand.css"):
        answered = served.ask("GET", path)
        assert answered.status == 200
        policy = answered.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert not re.search(r"unsafe|http|\*|data:", policy)
        assert answered.headers["X-Content-Type-Options"] == "nosniff"
        assert answered.headers["Cache-Control"] == "no-store"
        assert not any(name.lower().startswith("access-control") for name in answered.headers)


def test_the_page_needs_nothing_from_elsewhere(serve):
    served = serve()
    for path in ("/", "/page.css", "/page.js", "/answer.js", "/brand.css"):
        body = served.ask("GET", path).body.decode()
        assert re.findall(r"https?://[^\s\"')]+", body) in ([], ["http://www.w3.org/2000/svg"] * 2)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/", "/events", "/alive"])
def test_a_foreign_host_is_refused(serve, host, path):
    served = serve()
    answered = served.ask("GET", path, Host=host.format(port=served.server.port))
    assert answered.status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused_even_with_the_token(serve, origin):
    served = serve()
    offered(served)
    answered = press(served, Origin=origin.format(port=served.server.port))
    assert answered.status == 403
    assert served.ask("GET", "/events", Origin=origin.format(port=served.server.port)).status == 403
    assert not served.taps


def test_what_a_browser_knows_to_come_from_another_site_is_refused(serve):
    served = serve()
    assert served.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 403
    assert served.ask("GET", "/", Sec_Fetch_Site="none").status == 200


def test_a_press_without_origin_token_or_json_is_refused(serve):
    served = serve()
    offered(served)
    origin = served.url.rstrip("/")
    token = served.hello()["token"]
    right = {"Origin": origin, "Content_Type": "application/json", "X_Page_Token": token}
    body = {"tap": TAP, "payload": "/yes", "title": "Yes"}
    for missing, status in (("Origin", 403), ("Content_Type", 415), ("X_Page_Token", 403)):
        headers = {name: value for name, value in right.items() if name != missing}
        assert served.ask("POST", "/action", body=body, **headers).status == status
    assert served.ask("POST", "/action", body=body, **{**right, "X_Page_Token": token[:-1] + "é"}).status == 403
    assert served.ask("PUT", "/action", body=body, **right).status == 405
    assert not served.taps
    assert served.ask("POST", "/action", body=body, **right).json == {"accepted": True, "reason": ""}


def test_a_tap_reaches_the_core_once_however_often_it_is_sent(serve):
    served = serve()
    offered(served)
    assert [press(served).json["accepted"] for _ in range(3)] == [True, True, True]
    assert served.taps == [Touched(TAP, "/yes", "Yes", "en-us")]


def test_a_tap_sent_again_before_its_answer_waits_for_the_same_one(serve):
    served = serve()
    offered(served)
    served.verdict = None
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(press(served).json)) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: served.replies, what="the tap")
    with served.stream() as stream:  # whoever waits holds up nobody
        assert stream.next("hello")
    served.replies[0](Verdict(False, "The store is full"))
    served.replies[0](Verdict(True))
    for thread in threads:
        thread.join(DEADLINE)
    answers.append(press(served).json)
    assert answers == [{"accepted": False, "reason": "The store is full"}] * 3
    assert len(served.taps) == 1


def test_a_core_that_does_not_answer_is_told_as_not_known(serve):
    served = serve(answer_seconds=0.2)
    offered(served)
    served.verdict = None
    assert press(served).status == 504
    assert len(served.taps) == 1


def test_only_what_the_hub_offered_can_be_pressed(serve):
    served = serve()
    assert press(served).status == 409
    offered(served)
    assert press(served, payload="/open-the-door").status == 409
    assert press(served, payload="/no").json["accepted"]
    served.server.show(PageState())  # the screen has just changed, and the finger was on its way
    assert press(served, payload="/yes", tap="another-tap").json["accepted"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        "tap",
        {},
        {"tap": TAP},
        {"tap": TAP, "payload": 1, "title": "x"},
        {"tap": "x", "payload": "/yes", "title": "x"},
        {"tap": TAP, "payload": "/yes", "title": "x" * 200},
        {"tap": TAP, "payload": "/yes", "title": "x", "language": "../"},
    ],
)
def test_a_tap_that_no_page_would_send_is_refused(serve, body):
    served = serve()
    offered(served)
    assert served.post("/action", body).status == 400
    assert not served.taps


def test_a_typed_code_arrives_as_it_was_typed(serve):
    served = serve(Branding(code_entry=True))
    answered = served.post("/code", {"tap": TAP, "value": " A-1\x1d ", "language": "de-de"})
    assert answered.json["accepted"]
    assert served.taps == [Typed(TAP, " A-1\x1d ", "de-de")]


def test_codes_cannot_be_typed_where_that_is_not_wanted(serve):
    served = serve()
    assert served.post("/code", {"tap": TAP, "value": "A-1"}).status == 404
    assert not served.taps


def test_a_stream_begins_with_the_state_and_gets_every_later_one(serve):
    served = serve()
    served.server.show(PageState(link=LinkLine(state="down", cause="dns", waiting=3)))
    with served.stream() as stream:
        assert stream.next("state")["link"] == {"state": "down", "cause": "dns", "waiting": 3}
        served.server.show(PageState(link=LinkLine(state="up")))
        assert stream.next("state")["link"]["state"] == "up"
        assert stream.next("beat") == 0


def test_a_stream_that_does_not_read_gets_the_newest_state_and_no_queue(serve):
    served = serve()
    large = PageState(answer=Answer(number=0, items=tuple(Text("x" * 8000) for _ in range(24))))
    with served.stream() as stream:
        stream.next("state")
        for number in range(500):
            assert large.answer
            served.server.show(PageState(answer=Answer(number=number, items=large.answer.items)))
        numbers: list[int] = []
        while not numbers or numbers[-1] != 499:
            numbers.append(stream.next("state")["answer"]["number"])
        assert len(numbers) < 100


def test_too_many_pages_are_refused_and_a_closed_one_makes_room(serve):
    served = serve(most_streams=2)
    first, second = served.stream(), served.stream()
    assert served.ask("GET", "/events").status == 503
    first.__exit__()
    third = eventually(lambda: stream if (stream := served.stream()).response.status == 200 else None)
    for stream in (second, third):
        stream.__exit__()


def test_too_many_connections_are_closed_and_nobody_else_notices(serve):
    served = serve(most_clients=4, request_seconds=1.0)
    with served.stream() as stream:
        idle = [socket.create_connection(("127.0.0.1", served.server.port), DEADLINE) for _ in range(12)]
        served.server.show(PageState(link=LinkLine(state="up")))
        assert stream.next("state")
        # Those that ask nothing are dismissed after their second, and there is room again.
        assert eventually(lambda: _asked(served), what="room")
        for connection in idle:
            connection.close()


def _asked(served) -> bool:
    try:
        return bool(served.ask("GET", "/").status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET http://evil.example/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"POST /action HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", 413),
        (b"POST /action HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /action HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_of_a_page_is_refused(serve, data, status):
    served = serve()
    with socket.create_connection(("127.0.0.1", served.server.port), DEADLINE) as connection:
        connection.sendall(data)
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_only_loopback_is_served(serve):
    served = serve()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", served.server.port), 2.0)


def test_a_port_that_is_taken_is_an_error_in_words(serve):
    served = serve()
    other = PageServer(served.server.port, Branding(), lambda tap, reply: None)
    with pytest.raises(PageError, match=f"127.0.0.1:{served.server.port}: Address already in use"):
        other.run(threading.Event(), lambda: None)


def test_a_server_started_again_shows_what_was_last_shown_and_refuses_old_tokens(serve):
    served = serve()
    offered(served)
    token = served.hello()["token"]
    port = served.server.port
    served.end()
    again = serve(port=port)
    assert again.hello()["token"] != token
    assert press(again, X_Page_Token=token).status == 403


def test_no_thread_and_no_descriptor_is_left_behind(serve):
    threads = threading.active_count()
    served = serve()
    streams = [EventStream(served.server.port) for _ in range(3)]
    assert threading.active_count() == threads + 1
    served.end()
    assert threading.active_count() == threads
    for stream in streams:
        assert b"event: hello" in stream.response.read()  # and then the end
        stream.__exit__()


def test_a_page_that_falls_silent_is_told_and_one_that_comes_back_too(serve):
    told: list[str] = []
    watch = Watch(limit_seconds=0.3, alive=lambda: told.append("alive"), silent=lambda seconds: told.append("silent"))
    served = serve(watch=watch)
    assert served.post("/alive", {}).status == 204
    began = time.monotonic()
    eventually(lambda: "silent" in told, what="silence to be told")
    assert time.monotonic() - began >= 0.3
    served.post("/alive", {})
    assert told == ["alive", "silent", "alive"]


def test_a_logo_is_served_and_a_bad_one_left_out(serve, tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    served = serve(Branding(logo=logo))
    answered = served.ask("GET", "/logo")
    assert (answered.status, answered.headers["Content-Type"]) == (200, "image/svg+xml")
    assert served.hello()["logo"] is True
    assert serve(Branding(logo=tmp_path / "missing.png")).hello()["logo"] is False
