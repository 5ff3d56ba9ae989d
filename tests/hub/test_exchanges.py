from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from agent.hub.errors import ThalovantConnectionError, ThalovantRuntimeError
from agent.hub.events import ThalovantEvent, from_payload
from agent.hub.exchanges import Exchanges, QueryCollector
from agent.hub.protocol.replies import Ending

UTTERANCE = "recognizer_loop:utterance"


def payload(name: str, text: str | None = None, *, request_id: str | None = "r", **session: Any) -> dict[str, Any]:
    context = {} if request_id is None else {"request_id": request_id}
    return {
        "type": name,
        "data": {} if text is None else {"utterance": text},
        "context": {**context, "session": session} if session else context,
    }


def event(*args: Any, **kwargs: Any) -> ThalovantEvent:
    heard = from_payload(payload(*args, **kwargs))
    assert heard is not None
    return heard


def denial(**context: Any) -> ThalovantEvent:
    heard = from_payload({"type": "hive.policy.denied", "data": {"denied_type": UTTERANCE}, "context": context})
    assert heard is not None
    return heard


def frame(query_id: str, name: str, text: str | None = None, *, key: str = "query_id") -> dict[str, Any]:
    return {
        "msg_type": "query",
        "metadata": {key: query_id},
        "payload": {"msg_type": "bus", "payload": payload(name, text)},
    }


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def test_the_one_who_asked_gets_the_answer_another_thread_heard():
    exchanges = Exchanges()
    with exchanges.asking("r", session_id=None, deadline=soon()) as exchange:
        timer = threading.Timer(0.02, lambda: exchanges.heard(event("speak", "hello")))
        timer.start()
        outcome = exchange.outcome()
    timer.join()
    assert outcome.fragments == ("hello",)


def test_answers_go_to_the_request_they_name_and_to_no_other():
    exchanges = Exchanges()
    with (
        exchanges.asking("a", session_id=None, deadline=soon()) as first,
        exchanges.asking("b", session_id=None, deadline=soon()) as second,
    ):
        exchanges.heard(event("speak", "for b", request_id="b"))
        exchanges.heard(event("speak", "for nobody", request_id=None))
        exchanges.heard(event("speak", "for a", request_id="a"))
        assert first.outcome().fragments == ("for a",)
        assert second.outcome().fragments == ("for b",)


def test_two_requests_cannot_have_one_id():
    exchanges = Exchanges()
    with (
        exchanges.asking("r", session_id=None, deadline=soon()),
        pytest.raises(ThalovantRuntimeError, match="in flight already"),
        exchanges.asking("r", session_id=None, deadline=soon()),
    ):
        pass
    with exchanges.querying("r", deadline=soon()), pytest.raises(ThalovantRuntimeError, match="in flight already"):
        exchanges.querying("r", deadline=soon()).__enter__()
    with exchanges.asking("r", session_id=None, deadline=soon(0.001)) as exchange:
        assert exchange.outcome().ending is Ending.SILENT


def test_a_denial_that_names_nobody_is_the_only_asks():
    exchanges = Exchanges()
    with exchanges.asking("r", session_id=None, deadline=soon()) as exchange:
        exchanges.heard(denial(source="hub"))
        assert exchange.outcome().ending is Ending.REFUSED


@pytest.mark.parametrize("beside", ["ask", "query", "send"])
def test_a_denial_that_may_be_anothers_is_nobodys(beside):
    exchanges = Exchanges()
    if beside == "send":
        exchanges.sent()
    other = (
        exchanges.asking("other", session_id=None, deadline=soon())
        if beside == "ask"
        else exchanges.querying("other", deadline=soon())
    )
    if beside == "send":
        with exchanges.asking("r", session_id=None, deadline=soon(0.05)) as exchange:
            exchanges.heard(denial(source="hub"))
            assert exchange.outcome().ending is Ending.SILENT
        return
    with other, exchanges.asking("r", session_id=None, deadline=soon(0.05)) as exchange:
        exchanges.heard(denial(source="hub"))
        assert exchange.outcome().ending is Ending.SILENT


def test_losing_the_link_ends_what_was_published_and_not_what_was_about_to_be():
    exchanges = Exchanges()
    with exchanges.asking("r", session_id=None, deadline=soon()) as exchange:
        exchanges.lost(ThalovantConnectionError("the last link"))
        exchange.begin()
        exchanges.heard(event("speak", "over the new one"))
        assert exchange.outcome().fragments == ("over the new one",)
    with exchanges.asking("r", session_id=None, deadline=soon()) as exchange:
        exchange.begin()
        exchanges.lost(ThalovantConnectionError("gone"))
        with pytest.raises(ThalovantConnectionError, match="gone"):
            exchange.outcome()


@pytest.mark.parametrize("late", [False, True])
def test_a_turn_hands_on_its_conversation_however_late_its_end_is_told(late):
    exchanges = Exchanges()
    ended = event("ovos.utterance.handled", active_skills=["a"], session_id="hub's")
    with exchanges.asking("r", session_id="mine", deadline=soon()) as exchange:
        exchanges.heard(event("speak", "hello"))
        if not late:
            exchanges.heard(ended)
        exchange.outcome()
        exchange.returned_session_id = "returned"
    if late:
        assert exchanges.carry("mine", {}) == {}
        exchanges.heard(ended)
    for session_id in ("mine", "hub's", "returned"):
        assert exchanges.carry(session_id, {"lang": "de"}) == {"lang": "de", "active_skills": ["a"]}


def test_what_ends_a_strangers_turn_is_not_carried():
    exchanges = Exchanges()
    with exchanges.asking("r", session_id=None, deadline=soon(0.01)) as exchange:
        exchange.outcome()
    exchanges.heard(event("ovos.utterance.handled", request_id="other", active_skills=["a"], session_id="s"))
    assert exchanges.carry("s", {}) == {}
    assert exchanges.carry(None, {}) == {}


@pytest.mark.parametrize("key", ["query_id", "queryId"])
def test_a_query_goes_on_until_the_hub_says_it_is_complete(key):
    exchanges = Exchanges()
    with exchanges.querying("q", deadline=soon()) as exchange:
        exchanges.heard_query(frame("other", "speak", "not mine", key=key))
        exchanges.heard_query(frame("q", "ovos.intent.unmatched", key=key))
        exchanges.heard_query(frame("q", "speak", "one", key=key))
        exchanges.heard_query(frame("q", "speak", "one", key=key))
        exchanges.heard_query(frame("q", "ovos.utterance.speak", "two", key=key))
        exchanges.heard_query(frame("q", "hive.query.complete", key=key))
        exchanges.heard_query(frame("q", "speak", "too late", key=key))
        outcome = exchange.outcome()
    assert outcome.ending is Ending.ANSWERED
    assert outcome.fragments == ("one", "two")
    assert outcome.failure is None


@pytest.mark.parametrize(
    ("names", "ending"),
    [
        (["hive.query.complete"], Ending.UNANSWERED),
        (["ovos.intent.unmatched", "hive.query.complete"], Ending.UNANSWERED),
        (["hive.query.timeout"], Ending.GAVE_UP),
        (["hive.policy.denied"], Ending.REFUSED),
        (["speak"], Ending.SILENT),
        ([], Ending.SILENT),
    ],
)
def test_a_query_without_a_complete_answer_has_none(names, ending):
    collector = QueryCollector(deadline=10.0)
    for number, name in enumerate(names):
        collector.take(payload(name, "said"), float(number))
    assert collector.outcome(9.0) is None or ending is not Ending.SILENT
    outcome = collector.outcome(10.0)
    assert outcome is not None
    assert outcome.ending is ending
    assert outcome.fragments == ()


@pytest.mark.parametrize(
    "envelope", [{}, {"metadata": None, "payload": 3}, {"metadata": {"query_id": "q"}, "payload": {}}]
)
def test_malformed_query_frames_harm_nobody(envelope):
    exchanges = Exchanges()
    with exchanges.querying("q", deadline=soon(0.01)) as exchange:
        exchanges.heard_query(envelope)
        assert exchange.outcome().ending is Ending.SILENT
