"""What a turn carries on from the one before: every case of conversation-vectors.json."""

from __future__ import annotations

import pytest

from agent.hub.conversation import CARRIED_FIELDS, carried, carry_into
from tests.conformance.conftest import vectors

VECTORS = vectors("conversation-vectors")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_carry(case):
    assert carry_into(case["session"], case["previous"]) == case["expected"]


def test_the_allow_list_is_the_contracts():
    assert sorted(CARRIED_FIELDS) == sorted(VECTORS["carried_fields"])
    assert carried(dict.fromkeys(VECTORS["never_carried"], "x")) == {}
