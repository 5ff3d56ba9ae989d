"""Whoever reads the store in pieces remembers a place; what is stored later is always behind it."""

from __future__ import annotations

import pytest

from agent.effects import Settle, Store
from agent.outbox import Outbox
from agent.parcel import Outcome
from tests.agent.stores import parcel


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", max_messages=1000, max_bytes=1 << 20)
    yield outbox
    outbox.close()


def names(parcels):
    return [one.request_id for one in parcels]


def test_a_store_that_was_emptied_and_opened_again_goes_on_counting(outbox):
    outbox.commit([Store(parcel(name)) for name in "abc"])
    place = outbox.oldest(0, 10)[-1].sequence
    outbox.commit([Settle(name, Outcome.DONE) for name in "abc"])
    outbox.close()  # as after a write that failed
    outbox.commit([Store(parcel("d"))])
    assert names(outbox.oldest(place, 10)) == ["d"]


def test_what_is_salvaged_while_the_agent_runs_keeps_its_place(outbox, tmp_path):
    outbox.commit([Store(parcel(name, text=name * 1000)) for name in "abcdefghij"])
    outbox.commit([Settle(name, Outcome.DONE) for name in "abc"])
    place = outbox.oldest(0, 2)[-1].sequence
    outbox.close()
    path = tmp_path / "outbox.db"
    path.write_bytes(path.read_bytes()[:-100])
    kept = outbox.oldest(place, 10)
    assert kept
    assert set(names(kept)) <= set("fghij")
    outbox.commit([Store(parcel("new"))])
    assert names(outbox.oldest(place, 20))[-1] == "new"
