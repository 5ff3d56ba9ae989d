"""The page in a real browser."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.hub.items import display_items
from agent.page.branding import Branding
from agent.page.items import Choice, Choices, Table, Text, page_items
from agent.page.state import Answer, Input, LinkLine, PageState, Trouble
from agent.page.taps import Touched, Typed, Verdict
from tests.agent.page.conftest import DEADLINE, shown
from tests.peers.waiting import eventually

UP = LinkLine(state="up")
VIEW = "document.documentElement.dataset.view"
BOTH = Branding(name="Hall", languages=("en-us", "de-de"), code_entry=True)


def asked(number: int = 1, *titles: str) -> PageState:
    choices = Choices(tuple(Choice(title, f"/{title.lower()}") for title in titles or ("Yes", "No")))
    scan = Input(id="1", title="INV-2026-001", state="done")
    answer = Answer(number=number, items=(Text("Your order is ready. Take it now?"), choices), to="1")
    return PageState(answer=answer, current="1", inputs=(scan,), link=UP)


def said(browser, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))


def test_an_answer_with_choices_appears_and_a_touch_reaches_the_core_once(serve, browser):
    served = serve()
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    served.server.show(asked())
    shown(browser, VIEW, "answer")
    assert said(browser, ".words") == "Your order is ready. Take it now?"
    assert "INV-2026-001" in said(browser, ".to")
    browser.touch(".choice")
    browser.touch(".choice")  # a finger bounces
    eventually(lambda: served.taps, what="the tap")
    shown(browser, "document.querySelector('.choice.chosen use').getAttribute('href')", "#i-done")
    assert [(tap.payload, tap.title, tap.language) for tap in served.taps] == [("/yes", "Yes", "en-us")]
    served.server.show(PageState(answer=Answer(number=2, items=(Text("Locker A 12 is open"),)), link=UP))
    shown(browser, "document.querySelector('.words').innerText", "Locker A 12 is open")
    assert browser.evaluate("document.getElementById('dock').hidden")


def test_a_touch_that_was_not_accepted_says_why_and_can_be_tried_again(serve, browser):
    served = serve()
    served.server.show(asked())
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    served.verdict = Verdict(False, "The store is full")
    browser.touch(".choice")
    shown(browser, "document.getElementById('said').innerText", "The store is full")
    served.verdict = Verdict(True)
    browser.touch(".choice")
    browser.wait("document.querySelector('.chosen use')?.getAttribute('href') === '#i-done'")
    assert browser.evaluate("document.getElementById('said').hidden")
    first, second = served.taps
    assert isinstance(first, Touched)
    assert first.tap != second.tap


def test_what_the_hub_says_is_text_never_markup(serve, browser):
    served = serve()
    evil = '<img src=x onerror="window.hurt=1"><script>window.hurt=2</script><b>bold</b>'
    table = {"columns": [evil, "x"], "rows": [[evil, evil]]}
    data = {"display": {"table": table, "quick_replies": [{"title": evil, "payload": evil}]}}
    items = (Text(evil), *page_items(display_items(data)))
    scan = Input(id="1", title=evil, state="refused", reason=evil)
    served.server.show(
        PageState(
            answer=Answer(number=1, items=items, language=evil, to="1"),
            current="1",
            inputs=(scan,),
            troubles=(Trouble(kind="device", text=evil),),
        )
    )
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    assert said(browser, ".words") == evil
    assert evil in said(browser, "tbody td")
    assert said(browser, ".choice") == evil
    assert evil in said(browser, "#trouble")
    assert (
        browser.evaluate("document.querySelectorAll('main img, main script, main b, aside img, footer img').length")
        == 0
    )
    assert browser.evaluate("typeof window.hurt") == "undefined"


def test_the_browser_itself_refuses_markup_made_of_strings(serve, browser):
    served = serve()
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    for script in ("document.body.innerHTML = '<b>x</b>'", "document.write('x')", "eval('1')"):
        assert (
            browser.evaluate(f"(() => {{ try {{ {script}; return 'done' }} catch (e) {{ return e.name }} }})()")
            != "done"
        )
    assert browser.evaluate("fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'refused')") == "refused"


def test_a_foreign_page_can_neither_read_nor_press(serve, browser):
    served = serve()
    served.server.show(asked())
    with served.stream() as stream:
        stream.next("state")
    token = served.hello()["token"]
    with foreign_page() as address:
        browser.open(address)
        press = {"tap": "11111111-2222", "payload": "/yes", "title": "Yes"}
        for headers in ({"Content-Type": "application/json", "X-Page-Token": token}, {"Content-Type": "text/plain"}):
            for mode in ("cors", "no-cors"):
                options = {"method": "POST", "body": json.dumps(press), "headers": headers, "mode": mode}
                script = (
                    f"fetch('{served.url}action', {json.dumps(options)}).then(r => r.type + r.status, () => 'refused')"
                )
                assert browser.evaluate(script) in {"refused", "opaque0"}
        assert browser.evaluate(f"fetch('{served.url}events').then(() => 'read', () => 'refused')") == "refused"
        framed = (
            "new Promise(done => { const f = document.createElement('iframe'); f.onload = () => {"
            "try { done(f.contentDocument ? 'empty' : 'foreign') } catch (e) { done('foreign') } };"
            f"f.src = '{served.url}'; document.body.append(f); }})"
        )
        browser.evaluate(framed)
    assert not served.taps
    assert [
        each for each in browser.console if "frame-ancestors" in each or "refused to connect" in each or "403" in each
    ]


def foreign_page():
    """A page of another origin on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>foreign</title><body>")

        def log_message(self, *_: object) -> None:
            pass

    class Foreign:
        def __enter__(self) -> str:
            self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
            self.thread.start()
            return f"http://127.0.0.1:{self.server.server_port}/"

        def __exit__(self, *_: object) -> None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()

    return Foreign()


def test_a_lost_link_and_its_cause_are_said_in_the_language_of_the_person(serve, browser):
    served = serve(BOTH)
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    served.server.show(PageState(link=LinkLine(state="down", cause="no_carrier", waiting=2)))
    browser.wait("!document.getElementById('trouble').hidden", timeout=5)
    assert "No connection" in said(browser, "#trouble")
    assert "plug in the cable" in said(browser, "#trouble")
    assert "2 waiting to be sent" in said(browser, "#link")
    assert "go on scanning" in said(browser, "#hero")
    browser.touch("#languages button:last-child")
    browser.wait("document.getElementById('trouble').innerText.includes('Kabel einstecken')")
    assert browser.evaluate("document.documentElement.lang") == "de-de"
    served.server.show(PageState(link=UP))
    browser.wait("document.getElementById('trouble').hidden")


def test_who_comes_next_reads_the_houses_language(serve, browser):
    served = serve(BOTH)
    served.server.show(asked())
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    browser.touch("#languages button:last-child")
    shown(browser, "document.documentElement.lang", "de-de")
    browser.touch(".choice")
    eventually(lambda: served.taps, what="the tap")
    assert served.taps[0].language == "de-de"
    served.server.show(PageState(link=UP))
    shown(browser, "document.documentElement.lang", "en-us")


def test_a_device_that_is_gone_is_said_and_comes_back_by_itself(serve, browser):
    served = serve(BOTH)
    port = served.server.port
    served.server.show(asked())
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    served.end()
    shown(browser, VIEW, "silent", timeout=8)
    assert "lost its device" in said(browser, "#hero")
    assert browser.evaluate("document.getElementById('dock').hidden && document.getElementById('type').hidden")
    again = serve(BOTH, port=port)
    again.server.show(asked(7))
    shown(browser, VIEW, "answer")
    browser.touch(".choice")  # with the new token
    eventually(lambda: again.taps, what="the tap")


def test_a_page_of_another_version_loads_itself_anew(serve, browser):
    served = serve()
    browser.open(served.url)
    shown(browser, "document.getElementById('house').innerText", "Hall")
    browser.evaluate("window.before = true")
    port = served.server.port
    served.end()
    serve(Branding(name="Hall", colour="#aa0033"), port=port)
    shown(browser, "typeof window.before", "undefined")
    shown(browser, "getComputedStyle(document.documentElement).getPropertyValue('--brand').trim()", "#aa0033")


def test_a_page_that_was_shown_much_loads_itself_anew_when_nobody_is_there(serve, browser):
    served = serve(left_seconds=1.0, renew_states=3)
    browser.open(served.url)
    browser.evaluate("window.before = true")
    for word in ("one", "two", "three"):  # each is waited for: what has no time to be read is replaced by the newer
        served.server.show(asked(1, word))
        shown(browser, "document.querySelector('.choice')?.innerText.trim()", word)
    shown(browser, "typeof window.before", "undefined")
    shown(browser, VIEW, "answer")


def test_each_state_of_an_input_has_words_and_a_tone_of_its_own(serve, browser):
    served = serve()
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    seen = set()
    for state in ("kept", "sent", "done", "unanswered", "refused", "expired", "unknown", "not saved", "again"):
        scan = Input(id=state, title="INV-1", state=state, reason="No returns here" if state == "refused" else "")
        served.server.show(PageState(current=state, inputs=(scan,), link=UP))
        shown(browser, "document.querySelector('.progress')?.dataset.state ?? ''", state)
        seen.add(said(browser, ".headline"))
        if state == "refused":
            assert said(browser, ".progress .advice") == "No returns here"
    assert len(seen) == 9


def test_a_code_is_typed_on_the_screen_and_with_a_keyboard(serve, browser):
    served = serve(BOTH)
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    browser.touch("#type")
    browser.wait("document.getElementById('pad').open")
    for position in (2, 1):  # Q, W on the second row
        browser.touch(f"#pad-keys .keys:nth-child(2) .key:nth-child({position})")
    browser.touch("#pad-keys .keys:last-child .key:last-child")  # delete
    browser.touch("#pad-value")
    browser.press_key("7")
    served.verdict = Verdict(False, "The store is full")
    browser.touch("#pad-send")
    shown(browser, "document.getElementById('pad-said').innerText", "The store is full")
    served.verdict = Verdict(True)
    browser.touch("#pad-value")
    browser.press_key("Enter")
    browser.wait("!document.getElementById('pad').open")
    assert [(type(tap), tap.value) for tap in served.taps] == [(Typed, "W7"), (Typed, "W7")]


def test_who_walks_away_leaves_neither_a_code_nor_a_language(serve, browser):
    served = serve(BOTH, left_seconds=1.5)
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    browser.touch("#languages button:last-child")
    shown(browser, "document.documentElement.lang", "de-de")
    browser.touch("#type")
    browser.wait("document.getElementById('pad').open")
    browser.wait("!document.getElementById('pad').open")
    shown(browser, "document.documentElement.lang", "en-us")


def test_everything_can_be_done_with_a_keyboard(serve, browser):
    served = serve(BOTH)
    served.server.show(asked())
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    reached = []
    for _ in range(12):
        browser.press_key("Tab")
        reached.append(browser.evaluate("document.activeElement.id || document.activeElement.className"))
        if reached[-1] == "choice":
            break
    assert "hero" in reached
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press_key("Enter")
    eventually(lambda: served.taps, what="the tap")
    browser.touch("#type")
    browser.wait("document.getElementById('pad').open")
    browser.press_key("Escape")
    browser.wait("!document.getElementById('pad').open")


def test_motion_stops_for_who_prefers_that(serve, browser):
    served = serve()
    browser.prefer(prefers_reduced_motion="no-preference")
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    running = "document.getAnimations().filter(a => a.playState === 'running').length"
    browser.wait(f"{running} > 0")
    browser.prefer(prefers_reduced_motion="reduce")
    shown(browser, running, 0)


def test_the_clock_is_shown_only_when_the_device_knows_the_time(serve, browser):
    served = serve()
    served.server.show(PageState(link=UP))
    browser.open(served.url)
    browser.wait("/^\\d{1,2}:\\d{2}/.test(document.getElementById('clock').innerText)")
    served.server.show(PageState(link=UP, clock=False))
    browser.wait("document.getElementById('clock').hidden")


def test_a_large_table_can_be_scrolled_and_says_what_it_left_out(serve, browser):
    served = serve()
    rows = tuple((f"Article {number}", str(number), "1.50 €") for number in range(200))
    table = Table(("Article", "Count", "Price"), rows, left_out=40)
    served.server.show(PageState(answer=Answer(number=1, items=(table,)), link=UP))
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    assert browser.evaluate("document.querySelectorAll('tbody tr').length") == 200
    assert "40 more rows" in said(browser, ".left-out")
    assert browser.evaluate("document.getElementById('hero').classList.contains('more')")
    assert browser.evaluate("document.querySelector('tbody td:nth-child(2)').className") == "number"
    browser.evaluate("document.getElementById('hero').scrollTo(0, 1e6)")
    browser.wait("!document.getElementById('hero').classList.contains('more')")


@pytest.mark.parametrize("size", [(800, 480), (1280, 800), (720, 1280), (1024, 600), (480, 800), (1920, 1080)])
def test_nothing_leaves_the_screen_and_every_button_fits_a_finger(serve, browser, size):
    served = serve(BOTH)
    browser.resize(*size)
    state = asked(1, "Take them now", "Deliver to my home", "Keep for a week", "Back to the sender")
    troubles = (Trouble(kind="store", text="The store is full until the hub answers"),)
    served.server.show(
        PageState(
            answer=state.answer, current="1", inputs=state.inputs * 6, troubles=troubles, link=LinkLine(state="down")
        )
    )
    browser.open(served.url)
    shown(browser, VIEW, "answer")
    outside = browser.evaluate(
        "[...document.querySelectorAll('#top > *, .choice, #type, #trouble, #link, #clock')].filter(e => !e.hidden)"
        ".map(e => [e.id || e.className, e.getBoundingClientRect()])"
        f".filter(([, r]) => r.width && (r.left < -1 || r.right > {size[0]} + 1 || r.bottom > {size[1]} + 1))"
        ".map(([name]) => name)"
    )
    assert outside == []
    small = browser.evaluate(
        "[...document.querySelectorAll('button')].filter(e => e.offsetParent).map(e => e.getBoundingClientRect())"
        ".filter(r => r.height < 33 || r.width < 44).length"
    )
    assert small == 0
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_complains_of_nothing(serve, browser):
    served = serve(BOTH)
    browser.open(served.url)
    shown(browser, VIEW, "idle")
    served.server.show(asked())
    shown(browser, VIEW, "answer")
    assert [each for each in browser.console if not re.search(r"/logo", each)] == []


def test_the_page_proves_itself_alive(serve, browser):
    alive = threading.Event()
    from agent.page.server import Watch

    served = serve(watch=Watch(alive=alive.set))
    browser.open(served.url)
    assert alive.wait(DEADLINE)
