from __future__ import annotations

from typing import Any

import pytest

from agent.hub.errors import (
    IntentQuota,
    ThalovantPolicyDeniedError,
    ThalovantRuntimeError,
    ThalovantTimeoutError,
    ThalovantUnansweredError,
)
from agent.hub.events import ThalovantEvent, from_payload
from agent.hub.protocol.replies import Ending, Outcome
from agent.hub.reply import ThalovantBinary, ThalovantReply, failure_error, reply_from


def event(name: str = "speak", data: Any = None, context: Any = None) -> ThalovantEvent:
    read = from_payload({"type": name, "data": data or {}, "context": context or {}})
    assert read is not None
    return read


def reply(*events: ThalovantEvent, **fields: Any) -> ThalovantReply:
    return ThalovantReply(text="x", events=events, **fields)


def test_an_outcome_with_speech_is_a_reply() -> None:
    said = {"type": "speak", "data": {"utterance": "<b>a</b>", "lang": "de"}, "context": {"session_id": "moved"}}
    made = reply_from(
        Outcome(ending=Ending.ANSWERED, fragments=("<b>a</b>", "b"), messages=(said,), dropped_media=2),
        session_id="asked",
        request_id="r",
    )
    assert (made.text, made.utterances, made.display_text) == ("<b>a</b> b", ("<b>a</b>", "b"), "a b")
    assert made.ok
    assert (made.session_id, made.request_id, made.lang, made.dropped_media) == ("moved", "r", "de", 2)
    assert made.raw_messages == (said,)
    assert [item.text for item in made.display_items()] == ["a"]
    assert made.as_dict()["text"] == "<b>a</b> b"


def test_a_reply_the_hub_broke_off_is_kept_and_says_so() -> None:
    failure = {"type": "hive.query.timeout", "data": {}, "context": {}}
    outcome = Outcome(ending=Ending.ANSWERED, fragments=("a",), messages=(failure,), failure=failure)
    made = reply_from(outcome, session_id="asked", request_id="r")
    assert not made.ok
    assert not made.handled
    assert made.session_id == "asked"
    assert made.failure_event is not None


@pytest.mark.parametrize(
    ("ending", "failure", "error"),
    [
        (Ending.SILENT, None, ThalovantTimeoutError),
        (Ending.REFUSED, {"type": "hive.policy.denied"}, ThalovantPolicyDeniedError),
        (Ending.UNANSWERED, {"type": "ovos.intent.unmatched"}, ThalovantUnansweredError),
        (Ending.GAVE_UP, {"type": "hive.query.timeout", "data": {"error": "late"}}, ThalovantRuntimeError),
    ],
)
def test_any_other_outcome_is_an_error_of_its_own(ending: Ending, failure: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        reply_from(Outcome(ending=ending, failure=failure), session_id=None, request_id="r")


def test_what_the_hub_heard_and_why_it_gave_up_are_told() -> None:
    unanswered = failure_error(event("complete_intent_failure", {"utterance": "fly me to the moon"}))
    assert isinstance(unanswered, ThalovantUnansweredError)
    assert unanswered.said == "fly me to the moon"
    assert str(failure_error(event("hive.query.timeout", {"code": "slow"}))) == "the hub gave up: slow"


def test_a_denial_says_what_was_refused_and_what_would_be_allowed() -> None:
    data = {
        "denied_type": "thalovant.client.status",
        "code": "acl_disallowed_type",
        "reason": "not in allowed_types",
        "data": {"allowed": [" speak ", "", 5], "limit": 3},
    }
    error = failure_error(event("hive.policy.denied", data))
    assert isinstance(error, ThalovantPolicyDeniedError)
    assert (error.denied_type, error.code, error.allowed) == (
        "thalovant.client.status",
        "acl_disallowed_type",
        ("speak",),
    )
    assert error.quota is None
    assert str(error) == "the hub refused thalovant.client.status: not in allowed_types"
    assert "no reason given" in str(failure_error(event("hive.policy.denied")))


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (2**53 - 1, 2**53 - 1),
        (2**53, 0),
        (-1, 0),
        ("-1", 0),
        ("9" * 20, 0),
        (1.5, 0),
        (1e20, 0),
        (float("inf"), 0),
        (float("nan"), 0),
        (True, 0),
        (None, 0),
        ("5_0", 0),
        ([5], 0),
    ],
)
def test_a_number_no_policy_can_have_meant_reads_as_0(value: Any, count: int) -> None:
    data = {"code": "intent_quota_exceeded", "data": {"period": "daily", "limit": value}}
    error = failure_error(event("hive.policy.denied", data))
    assert isinstance(error, ThalovantPolicyDeniedError)
    assert error.quota == IntentQuota(period="daily", limit=count)


@pytest.mark.parametrize(
    ("events", "fields", "claimed"),
    [
        ([event()], {}, True),
        ([event()], {"handled": False}, False),
        ([event(context={"pipeline_id": "a-fallback-b"})], {}, False),
        ([event(context={"pipeline_id": "a-Fallback"})], {}, True),
        ([event(context={"pipeline_id": "fallback"}), event(context={"pipeline_id": "converse"})], {}, True),
        ([event(data={"meta": {"thalovant_claimed": True}}, context={"pipeline_id": "fallback"})], {}, True),
        ([event(data={"meta": {"thalovant_claimed": 1}}, context={"pipeline_id": "fallback"})], {}, False),
        (
            [event("mycroft.audio.queue", {"meta": {"thalovant_claimed": True}}, {"pipeline_id": "fallback"})],
            {},
            False,
        ),
        ([event(data={"meta": {"thalovant_claimed": True}})], {"failure_event": event("hive.query.timeout")}, False),
    ],
)
def test_a_request_is_claimed_by_a_skill_that_knew_it(events: Any, fields: dict[str, Any], claimed: bool) -> None:
    assert reply(*events, **fields).claimed is claimed


def test_stages_and_skills_are_listed_once_in_order() -> None:
    contexts = [{"pipeline_id": "b", "skill_id": "s"}, {"pipeline_id": "a"}, {"pipeline_id": "b", "skill_id": 5}]
    made = reply(*(event(context=each) for each in contexts))
    assert (made.pipeline_ids, made.skill_ids) == (("b", "a"), ("s",))


def test_the_items_of_all_events_are_shown_and_the_same_speech_once() -> None:
    made = reply(
        event(data={"utterance": "a"}),
        event("ovos.utterance.speak", {"utterance": "a"}),
        event("mycroft.audio.queue", {"binary_data": "00"}),
        event(data={"table": [1]}),
    )
    assert [item.kind for item in made.display_items()] == ["text", "table"]
    assert made.has_audio
    assert len(made.media_events) == 4
    assert [item.text for item in ThalovantReply(text="a bb").display_items(max_text_chars=2)] == ["a", "bb"]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"utterance": "u", "lang": "fr", "file_name": "f.wav"}, ("u", "fr", "f.wav")),
        ({"utterance": "", "lang": None, "file_name": 5}, (None, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_what_a_binary_does_not_say_is_absent(metadata: dict[str, Any], expected: tuple[str | None, ...]) -> None:
    binary = ThalovantBinary(kind="file", data=b"x", metadata=metadata)
    assert (binary.utterance, binary.lang, binary.file_name) == expected
