"""Denials as typed errors, and whose denial one is: every case of refusal-vectors.json."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from agent.hub.errors import ThalovantPolicyDeniedError, ThalovantUnansweredError
from agent.hub.events import from_payload
from agent.hub.protocol.replies import UNTRACKED_GRACE_SECONDS, InFlight, takes_denial
from agent.hub.reply import failure_error
from tests.conformance.conftest import vectors

VECTORS = vectors("refusal-vectors")


@pytest.mark.parametrize("case", VECTORS["classification"], ids=lambda case: case["name"])
def test_classification(case):
    event = from_payload(case["event"])
    assert event is not None
    error, expect = failure_error(event), case["expect"]
    if expect["kind"] == "unanswered":
        assert isinstance(error, ThalovantUnansweredError)
        assert error.said == expect["said"]
        return
    assert expect["kind"] == "refused"
    assert isinstance(error, ThalovantPolicyDeniedError)
    assert (error.denied_type, error.code, error.reason) == (expect["denied_type"], expect["code"], expect["reason"])
    assert list(error.allowed) == expect["allowed"]
    assert (None if error.quota is None else asdict(error.quota)) == expect["quota"]


@pytest.mark.parametrize("case", VECTORS["correlation"], ids=lambda case: case["name"])
def test_correlation_as_a_rule(case):
    request_id = case["request_id"]
    taken = takes_denial(
        request_id="own",
        denied_request_id=request_id,
        denied_type=case["denied_type"],
        asks_in_flight=case["asks_in_flight"],
        queries_in_flight=case["queries_in_flight"],
        sends_in_flight=case["sends_in_flight"],
    )
    assert taken is case["taken"]


@pytest.mark.parametrize("case", VECTORS["correlation"], ids=lambda case: case["name"])
def test_correlation_of_what_is_really_in_flight(case):
    in_flight = InFlight()
    for number in range(case["asks_in_flight"]):
        in_flight.begin_ask("own" if number == 0 else f"ask-{number}")
    for number in range(case["queries_in_flight"]):
        in_flight.begin_query(f"query-{number}")
    for _ in range(case["sends_in_flight"]):
        in_flight.sent(100.0)
    context = {"source": "hivemind-core"}
    if case["request_id"] is not None:
        context["request_id"] = case["request_id"]
    denial = {"type": "hive.policy.denied", "data": {"denied_type": case["denied_type"]}, "context": context}
    assert (in_flight.owner_of(denial, 101.0) == "own") is case["taken"]


def test_an_untracked_send_counts_for_the_grace_and_no_longer():
    seconds = VECTORS["untracked_grace_seconds"]
    assert seconds == UNTRACKED_GRACE_SECONDS
    in_flight = InFlight()
    in_flight.begin_ask("own")
    in_flight.sent(100.0)
    denial = {"type": "hive.policy.denied", "data": {"denied_type": "recognizer_loop:utterance"}, "context": {}}
    assert in_flight.owner_of(denial, 100.0 + seconds - 0.001) is None
    assert in_flight.owner_of(denial, 100.0 + seconds) == "own"
