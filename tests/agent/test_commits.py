from __future__ import annotations

from dataclasses import replace

import pytest

from agent.commits import Commits
from agent.effects import Drop, Fetch, Mark, Settle, Store
from agent.events import Fetched, StoreFailed, StoreWorks
from agent.parcel import Outcome
from tests.agent.stores import STAMP, Disk, parcel


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.outbox.close()


@pytest.fixture
def commits(disk):
    return Commits(disk.outbox, lambda: STAMP)


def stores(*names):
    return [[Store(parcel(name))] for name in names]


def test_a_round_is_kept_in_its_order(disk, commits):
    assert commits.commit([*stores("a", "b"), [], [Store(parcel("c")), Settle("a", Outcome.DONE)]], 0.0) == [None] * 4
    assert disk.waiting() == ["b", "c"]


def test_a_round_without_changes_does_not_touch_the_disk(disk, commits):
    disk.fail()
    assert commits.commit([[], []], 0.0) == [None, None]
    assert commits.trouble == ""


def test_one_event_that_cannot_be_kept_does_not_take_the_others_along(tmp_path):
    disk = Disk(tmp_path, max_messages=2)
    commits = Commits(disk.outbox, lambda: STAMP)
    failures = commits.commit([*stores("a", "b", "c"), [Settle("a", Outcome.DONE)], *stores("d")], 0.0)
    failed = failures[2]
    assert failures == [None, None, failed, None, None]
    assert failed is not None
    assert failed.changes == (Store(parcel("c")),)
    assert "the store is full" in failed.reason
    assert disk.waiting() == ["b", "d"]


def test_what_ends_a_parcel_is_kept_even_where_what_came_with_it_is_not(tmp_path):
    disk = Disk(tmp_path, max_messages=1)
    commits = Commits(disk.outbox, lambda: STAMP)
    commits.commit(stores("a"), 0.0)
    (failure,) = commits.commit([[Store(parcel("b")), Mark("a"), Store(parcel("c")), Settle("a", Outcome.DONE)]], 0.0)
    assert failure is not None
    assert failure.changes == (Store(parcel("b")), Mark("a"), Store(parcel("c")))
    assert disk.waiting() == []


def test_a_dead_disk_is_not_tried_for_every_event_of_a_round(disk):
    tries = []
    commits = Commits(disk.outbox, lambda: STAMP, beat=lambda: tries.append(1))
    disk.fail()
    failures = commits.commit(stores(*map(str, range(50))), 0.0)
    assert all(failures)
    assert len(tries) == 3


def test_a_settled_parcel_that_could_not_be_deleted_is_when_the_disk_works_again(disk, commits):
    commits.commit(stores("a", "b"), 0.0)
    disk.fail()
    (failure,) = commits.commit([[Settle("a", Outcome.DONE)]], 10.0, settle=True)
    assert failure.binding == ()
    assert commits.trouble
    disk.mend()
    assert commits.tick(commits.deadline()) == [StoreWorks()]
    assert disk.waiting() == ["b"]


def test_the_disk_is_tried_every_two_seconds_and_its_recovery_told_once(disk, commits):
    disk.fail()
    commits.commit(stores("a"), 10.0)
    assert commits.deadline() == 12.0
    assert commits.tick(11.9) == []
    assert commits.tick(12.0) == []
    assert commits.deadline() == 14.0
    disk.mend()
    assert commits.tick(14.0) == [StoreWorks()]
    assert (commits.deadline(), commits.trouble) == (None, "")
    assert commits.tick(20.0) == []
    assert disk.waiting() == []
    assert disk.outbox.counts().dead == 0


def test_a_scan_that_is_kept_while_the_disk_counted_as_failing_ends_that_at_once(disk, commits):
    disk.fail()
    commits.commit(stores("a"), 10.0)
    disk.mend()
    assert commits.commit(stores("b"), 10.5) == [None]
    assert commits.tick(10.5) == [StoreWorks()]


def test_a_full_store_recovers_when_there_is_room(tmp_path):
    disk = Disk(tmp_path, max_messages=1)
    commits = Commits(disk.outbox, lambda: STAMP)
    commits.commit(stores("a", "b"), 0.0)
    assert commits.tick(2.0) == []
    commits.commit([[Settle("a", Outcome.DONE)]], 3.0)
    assert commits.tick(4.0) == [StoreWorks()]


def test_what_was_answered_goes_with_the_next_scan(disk, commits):
    commits.commit(stores("a"), 0.0)
    flushes = disk.outbox.counts().flushes
    assert commits.commit([[Settle("a", Outcome.DONE)]], 1.0) == [None]
    assert disk.outbox.counts().flushes == flushes
    assert commits.counts().waiting == 0
    commits.commit(stores("b"), 2.0)
    assert disk.waiting() == ["b"]
    assert disk.outbox.counts().flushes == flushes + 1


def test_what_was_answered_goes_at_the_latest_after_some_seconds(disk, commits):
    commits.commit(stores("a"), 0.0)
    commits.commit([[Settle("a", Outcome.DONE)]], 1.0)
    due = commits.deadline()
    assert due == 6.0
    assert commits.tick(5.9) == []
    assert disk.waiting() == ["a"]
    assert commits.tick(due) == []
    assert disk.waiting() == []
    assert commits.deadline() is None


@pytest.mark.parametrize("end", [Settle("a", Outcome.REFUSED, "no"), Settle("a", Outcome.EXPIRED), Drop("a")])
def test_what_a_person_must_know_and_what_must_not_come_back_goes_at_once(disk, commits, end):
    commits.commit(stores("a"), 0.0)
    commits.commit([[end]], 1.0)
    assert disk.waiting() == []
    assert disk.outbox.counts().dead == (0 if isinstance(end, Drop) else 1)


def test_what_was_answered_is_gone_before_the_next_message_leaves_and_at_the_end(disk, commits):
    commits.commit(stores("a", "b"), 0.0)
    commits.commit([[Settle("a", Outcome.DONE)]], 1.0, settle=True)
    assert disk.waiting() == ["b"]
    commits.commit([[Settle("b", Outcome.DONE)]], 2.0)
    commits.flush()
    assert disk.waiting() == []


def test_a_row_that_cannot_be_taken_out_is_told_and_is_taken_out_later(disk, commits):
    commits.commit(stores("a"), 0.0)
    commits.commit([[Settle("a", Outcome.DONE)]], 1.0)
    disk.fail()
    (told,) = commits.tick(6.0)
    assert isinstance(told, StoreFailed)
    disk.mend()
    assert commits.tick(commits.deadline()) == [StoreWorks()]
    assert disk.waiting() == []


def test_a_reason_that_changes_is_told(tmp_path):
    disk = Disk(tmp_path, max_messages=1)
    commits = Commits(disk.outbox, lambda: STAMP)
    commits.commit(stores("a", "b"), 0.0)
    disk.fail()
    (told,) = commits.tick(2.0)
    assert isinstance(told, StoreFailed)
    assert "cannot be opened" in told.reason
    assert commits.tick(4.0) == []


def test_a_store_that_cannot_be_opened_at_the_start_is_told_and_tried_again(disk, commits):
    disk.fail()
    told = commits.open(0.0)
    assert told is not None
    assert told.changes == ()
    disk.mend()
    assert commits.tick(2.0) == [StoreWorks()]


def test_what_waits_is_fetched_in_pieces(disk, commits):
    commits.commit(stores("a", "b", "c"), 0.0)
    first = commits.fetch(Fetch(0, 2), 0.0)
    assert isinstance(first, Fetched)
    assert ([one.request_id for one in first.parcels], first.last) == (["a", "b"], False)
    rest = commits.fetch(Fetch(first.parcels[-1].sequence, 2), 0.0)
    assert isinstance(rest, Fetched)
    assert ([one.request_id for one in rest.parcels], rest.last) == (["c"], True)


def test_a_fetch_that_failed_is_made_good_when_the_disk_works_again(disk, commits):
    commits.commit(stores("a"), 0.0)
    disk.fail()
    assert isinstance(commits.fetch(Fetch(0, 10), 1.0), StoreFailed)
    assert commits.fetch(Fetch(0, 10), 1.5) is None, "told twice"
    disk.mend()
    works, fetched = commits.tick(commits.deadline())
    assert works == StoreWorks()
    assert [one.request_id for one in fetched.parcels] == ["a"]
    assert commits.tick(100.0) == []


def test_what_has_waited_longest_is_known_and_what_was_answered_does_not_count(disk):
    now = [STAMP]
    commits = Commits(disk.outbox, lambda: now[0])
    assert commits.oldest_age() is None
    late = replace(parcel("b"), made=replace(STAMP, since_boot=STAMP.since_boot + 20))
    commits.commit([*stores("a"), [Store(late)]], 0.0)
    now[0] = replace(STAMP, since_boot=STAMP.since_boot + 60)
    assert commits.oldest_age() == 60.0
    commits.commit([[Settle("a", Outcome.DONE)]], 1.0)  # owed to the disk, which still has it
    assert disk.waiting() == ["a", "b"]
    assert commits.oldest_age() == 40.0
    disk.fail()
    assert commits.oldest_age() is None
    disk.mend()
    commits.commit([[Settle("b", Outcome.DONE)]], 2.0, settle=True)
    assert commits.oldest_age() is None
