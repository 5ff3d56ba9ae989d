"""Whether a skill took a request as its own: every case of reply-claim-vectors.json."""

from __future__ import annotations

import pytest

from agent.hub.events import ThalovantEvent
from agent.hub.reply import ThalovantReply
from tests.conformance.conftest import vectors


def events(case):
    names = case.get("names") or [None] * len(case["contexts"])
    for context, meta, name in zip(case["contexts"], case["metas"], names, strict=True):
        yield ThalovantEvent(name=name or "speak", data={} if meta is None else {"meta": meta}, context=context)


@pytest.mark.parametrize("case", vectors("reply-claim-vectors")["cases"], ids=lambda case: case["name"])
def test_claim(case):
    reply = ThalovantReply(
        text="x",
        handled=case["handled"],
        events=tuple(events(case)),
        failure_event=ThalovantEvent(name="hive.query.timeout") if case["failed"] else None,
    )
    assert list(reply.pipeline_ids) == case["expected"]["pipeline_ids"]
    assert list(reply.skill_ids) == case["expected"]["skill_ids"]
    assert reply.claimed is case["expected"]["claimed"]
