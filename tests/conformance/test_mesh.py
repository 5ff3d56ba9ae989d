"""Which frames between hubs can be listened to and sent: every case of mesh-vectors.json."""

from __future__ import annotations

import pytest

from agent.hub.events import HIVE_KINDS, hive_kind
from tests.conformance.conftest import vectors

VECTORS = vectors("mesh-vectors")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_subscribing(case):
    if case["expected"]["accepted"]:
        assert hive_kind(case["kind"]) == case["kind"]
    else:
        with pytest.raises(ValueError, match="cannot be listened to"):
            hive_kind(case["kind"])


def test_the_kinds_are_the_contracts():
    assert sorted(HIVE_KINDS) == sorted(VECTORS["kinds"])
    for kind in VECTORS["refused_kinds"]:
        with pytest.raises(ValueError, match="cannot be listened to"):
            hive_kind(kind)
