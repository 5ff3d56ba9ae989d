from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.protocol.replies import (
    MAX_MEDIA_HEX,
    REPLY_EVENTS,
    Ending,
    InFlight,
    Outcome,
    ReplyCollector,
    takes_denial,
)

UTTERANCE = "recognizer_loop:utterance"


def message(name: str, text: str | None = None, request_id: str | None = "r", **data: Any) -> dict[str, Any]:
    context = {} if request_id is None else {"session": {"request_id": request_id}}
    return {"type": name, "data": data if text is None else {"utterance": text, **data}, "context": context}


def collected(*steps: tuple[float, dict[str, Any]], deadline: float = 12.0) -> tuple[float, Outcome]:
    collector = ReplyCollector("r", deadline=deadline)
    for now, each in steps:
        collector.take(each, now)
    end = collector.ends_at()
    outcome = collector.outcome(end)
    assert outcome is not None
    assert collector.outcome(end - 0.001) is None
    return end, outcome


@pytest.mark.parametrize(
    ("steps", "end", "ending", "fragments"),
    [
        ([], 12.0, Ending.SILENT, ()),
        ([(1.0, message("speak", "hi"))], 1.25, Ending.ANSWERED, ("hi",)),
        ([(1.0, message("speak", "a")), (1.2, message("speak", "b"))], 1.25, Ending.ANSWERED, ("a", "b")),
        ([(1.0, message("speak", "a")), (1.25, message("speak", "late"))], 1.25, Ending.ANSWERED, ("a",)),
        ([(1.0, message("ovos.utterance.handled"))], 6.0, Ending.SILENT, ()),
        (
            [(1.0, message("ovos.utterance.handled")), (5.9, message("ovos.utterance.speak", " a \n b "))],
            6.15,
            Ending.ANSWERED,
            ("a b",),
        ),
        ([(1.0, message("speak", " "))], 12.0, Ending.SILENT, ()),
        ([(1.0, message("ovos.intent.unmatched"))], 6.0, Ending.UNANSWERED, ()),
        ([(1.0, message("complete_intent_failure", "what"))], 6.0, Ending.UNANSWERED, ()),
        (
            [(1.0, message("ovos.utterance.handled")), (3.0, message("ovos.intent.unmatched"))],
            6.0,
            Ending.UNANSWERED,
            (),
        ),
        ([(1.0, message("ovos.intent.unmatched")), (2.0, message("speak", "hi"))], 2.25, Ending.ANSWERED, ("hi",)),
        ([(1.0, message("hive.query.timeout"))], 1.0, Ending.GAVE_UP, ()),
        ([(1.0, message("hive.policy.denied"))], 1.0, Ending.REFUSED, ()),
        ([(11.9, message("speak", "hi"))], 12.0, Ending.ANSWERED, ("hi",)),
        ([(9.0, message("ovos.utterance.handled"))], 12.0, Ending.SILENT, ()),
        ([(1.0, message("speak", "a", request_id="other"))], 12.0, Ending.SILENT, ()),
        ([(1.0, message("speak", "a", request_id=None))], 12.0, Ending.SILENT, ()),
        ([(1.0, message("mycroft.audio.queue", binary_data="00"))], 12.0, Ending.SILENT, ()),
        ([(1.0, message("something.else", "a"))], 12.0, Ending.SILENT, ()),
    ],
)
def test_an_answer_ends_by_its_windows(
    steps: list[tuple[float, dict[str, Any]]], end: float, ending: Ending, fragments: tuple[str, ...]
) -> None:
    assert collected(*steps)[0] == pytest.approx(end)
    assert collected(*steps)[1].ending is ending
    assert collected(*steps)[1].fragments == fragments


def test_the_same_speech_under_its_old_name_and_its_new_is_said_once() -> None:
    _, outcome = collected(
        (1.0, message("speak", "hi")), (1.0, message("ovos.utterance.speak", "hi")), (1.1, message("speak", "there"))
    )
    assert outcome.fragments == ("hi", "there")
    assert len(outcome.messages) == 3


def test_a_hub_that_breaks_off_after_speech_leaves_a_reply_that_is_not_handled() -> None:
    _, outcome = collected((1.0, message("speak", "hi")), (1.1, message("hive.query.timeout")))
    assert outcome.ending is Ending.ANSWERED
    assert not outcome.handled
    assert outcome.failure is not None


def test_an_unmatched_after_speech_changes_nothing() -> None:
    _, outcome = collected((1.0, message("speak", "hi")), (1.1, message("ovos.intent.unmatched")))
    assert outcome.handled


def test_that_the_hub_had_the_request_is_known_without_speech() -> None:
    assert collected((1.0, message("ovos.utterance.handled")))[1].acknowledged
    assert not collected((1.0, message("ovos.intent.unmatched")))[1].acknowledged


def test_a_sound_too_large_is_dropped_and_counted() -> None:
    half = "0" * MAX_MEDIA_HEX
    sounds = [message("mycroft.audio.queue", binary_data=half) for _ in range(5)]
    odd = [message("mycroft.audio.queue", binary_data=value) for value in (half + "0", None, 5)]
    _, outcome = collected(*((1.0, each) for each in [*sounds, *odd]), (2.0, message("speak", "hi")))
    assert len(outcome.messages) == 5
    assert outcome.dropped_media == 4


def test_one_message_delivered_twice_counts_once() -> None:
    sound = message("mycroft.audio.queue", binary_data="00")
    assert len(collected((1.0, sound), (1.1, sound), (1.2, dict(sound)))[1].messages) == 2


def test_a_denial_without_a_request_id_is_taken_when_it_is_owned() -> None:
    denial = message("hive.policy.denied", request_id=None, denied_type=UTTERANCE)
    collector = ReplyCollector("r", deadline=12.0)
    assert not collector.take(denial, 1.0)
    assert collector.take(denial, 1.0, owned_denial=True)
    outcome = collector.outcome(1.0)
    assert outcome is not None
    assert outcome.ending is Ending.REFUSED


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 15), st.sampled_from(REPLY_EVENTS), st.sampled_from(["a", "b", "", None])), max_size=9
    )
)
def test_whatever_comes_the_end_never_moves_past_the_deadline_and_an_ended_answer_never_changes(steps: Any) -> None:
    collector = ReplyCollector("r", deadline=12.0)
    ended: Outcome | None = None
    for now, name, text in sorted(steps, key=lambda step: step[0]):
        ended = ended or collector.outcome(now)
        collector.take(message(name, text), now)
        assert collector.ends_at() <= 12.0
        if ended is not None:
            assert collector.outcome(now) == ended


# ----------------------------------------------------------------------------- whose denial it is


@pytest.mark.parametrize(("asks", "queries", "sends"), list(itertools.product([1, 2], [0, 1], [0, 1])))
@pytest.mark.parametrize("denied_type", [UTTERANCE, "ovos.skills.list", None])
def test_a_denial_without_an_id_is_taken_only_when_nothing_else_can_have_caused_it(
    asks: int, queries: int, sends: int, denied_type: str | None
) -> None:
    taken = takes_denial(
        request_id="r",
        denied_request_id=None,
        denied_type=denied_type,
        asks_in_flight=asks,
        queries_in_flight=queries,
        sends_in_flight=sends,
    )
    assert taken == ((asks, queries, sends, denied_type) == (1, 0, 0, UTTERANCE))


def test_a_denial_with_an_id_belongs_to_that_request_whatever_else_is_out() -> None:
    in_flight = InFlight()
    for request_id in ("r", "q"):
        in_flight.begin_ask(request_id)
    in_flight.sent(0.0)
    assert in_flight.owner_of(message("hive.policy.denied", request_id="q"), 1.0) == "q"
    assert in_flight.owner_of(message("hive.policy.denied", request_id="gone"), 1.0) is None


def test_whose_a_denial_is_follows_what_is_in_flight() -> None:
    denial = message("hive.policy.denied", request_id=None, denied_type=UTTERANCE)
    in_flight = InFlight()
    assert in_flight.owner_of(denial, 0.0) is None
    in_flight.begin_ask("r")
    assert in_flight.owner_of(denial, 0.0) == "r"
    in_flight.begin_query("q")
    assert in_flight.owner_of(denial, 0.0) is None
    in_flight.end_query("q")
    in_flight.sent(100.0)
    assert in_flight.owner_of(denial, 109.9) is None
    assert in_flight.owner_of(denial, 110.0) == "r"
    in_flight.begin_ask("second")
    assert in_flight.owner_of(denial, 200.0) is None
    in_flight.end_ask("r")
    assert in_flight.owner_of(denial, 200.0) == "second"


def test_one_id_cannot_be_in_flight_twice() -> None:
    in_flight = InFlight()
    for begin in (in_flight.begin_ask, in_flight.begin_query):
        begin("r")
        with pytest.raises(ValueError, match="in flight already"):
            begin("r")
    in_flight.end_ask("r")
    in_flight.begin_ask("r")
