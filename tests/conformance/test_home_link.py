"""Routing an answer, and speech without its mark-up: the cases of home-link-vectors.json that concern a device.

The other kinds are about answering a hub's requests on behalf of a smart home, which a device agent does not do.
"""

from __future__ import annotations

import re

import pytest

from agent.hub.context import reply_context
from agent.hub.items import strip_ssml
from tests.conformance.conftest import vectors

NOT_OURS = {
    "answer": "a device does not answer thalovant.home.request: no handler, no error codes",
    "deadline": "the time a home request is answered in is the home link's",
    "queued": "withdrawing a late home answer is the home link's",
}
ENTITIES = "a display shows character references as they are: only the tag rules of `speech` are ours"
WHITE_SPACE = re.compile("[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+")
"""Folded by the contract, and kept by a display: folded here, so that the tag rules can be compared."""

CASES = vectors("home-link-vectors")["cases"]


def named(kind):
    return pytest.mark.parametrize(
        "case", [case for case in CASES if case["kind"] == kind], ids=lambda case: case["name"]
    )


@named("reply_context")
def test_reply_context(case):
    assert reply_context(case["context"]) == case["expect"]


@named("speech")
def test_speech_without_mark_up(case):
    if "&" in case["text"]:
        pytest.skip(ENTITIES)
    assert WHITE_SPACE.sub(" ", strip_ssml(case["text"])).strip(" ") == case["expect"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["kind"] in NOT_OURS], ids=lambda case: f"{case['kind']}: {case['name']}"
)
def test_kinds_that_are_not_ours(case):
    pytest.skip(NOT_OURS[case["kind"]])


def test_no_kind_is_overlooked():
    assert {case["kind"] for case in CASES} <= {"reply_context", "speech", *NOT_OURS}
