from __future__ import annotations

import json
import logging
import random
import sqlite3
import struct
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers, lists, sampled_from, tuples

from agent import salvage
from agent.effects import Drop, Mark, Settle, Store
from agent.outbox import Outbox, OutboxError
from agent.parcel import Outcome
from agent.status import written_bytes
from tests.agent.stores import STAMP, Disk, parcel

REFUSED = Settle("a", Outcome.REFUSED, "no")


def size_of(name):
    message = parcel(name).message
    return len(json.dumps([message.type, message.data, message.context], separators=(",", ":")))


SIZE = size_of("0")


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.outbox.close()


@contextmanager
def opened(path, **caps):
    outbox = Outbox(path, **{"max_messages": 100_000, "max_bytes": 1 << 26, **caps})
    try:
        outbox.open()
        yield outbox
    finally:
        outbox.close()


def names(outbox):
    return [one.request_id for one in outbox.oldest(0, 100_000)]


def read_again(disk):
    """The same store, as the next start finds it."""
    disk.outbox.close()
    disk.outbox.open()
    return disk.outbox


# -- keeping


def test_what_is_kept_is_there_at_the_next_start_as_it_was(disk):
    kept = replace(parcel("a", text="Grüße \N{SNOWMAN} \x1d"), attempted=True, lifetime=7.5)
    disk.outbox.commit([Store(kept), Store(parcel("b", kind="action", replay=False))])
    first, second = read_again(disk).oldest(0, 10)
    assert first == replace(kept, sequence=1)
    assert (second.sequence, second.replay) == (2, False)


def test_only_the_device_can_read_what_people_scanned(disk):
    disk.outbox.commit([Store(parcel("a"))])
    files = list((disk.outbox._path.parent).iterdir())
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_commit_is_all_or_nothing(disk):
    disk.outbox.commit([Store(parcel("a"))])
    before = disk.outbox.counts()
    with pytest.raises(OutboxError, match="kept already"):
        disk.outbox.commit([Settle("a", Outcome.DONE), Store(parcel("b")), Store(parcel("b"))])
    assert disk.waiting() == ["a"]
    assert disk.outbox.counts() == before
    disk.outbox.commit([Settle("a", Outcome.DONE)])
    assert (disk.outbox.counts().waiting, disk.outbox.counts().bytes) == (0, 0)


def test_a_mark_stays_over_a_restart(disk):
    disk.outbox.commit([Store(parcel("a")), Store(parcel("b")), Mark("b"), Mark("nobody")])
    assert [one.attempted for one in read_again(disk).oldest(0, 10)] == [False, True]


def test_a_bad_end_is_kept_with_its_reason_until_a_late_answer_or_a_person_takes_it(disk):
    disk.outbox.commit([Store(parcel("a")), Store(parcel("b"))])
    disk.outbox.commit([REFUSED, Settle("b", Outcome.UNKNOWN)])
    outbox = read_again(disk)
    assert [(one.parcel.request_id, one.outcome, one.reason) for one in outbox.dead_letters()] == [
        ("b", Outcome.UNKNOWN, ""),
        ("a", Outcome.REFUSED, "no"),
    ]
    assert (outbox.counts().waiting, outbox.counts().bytes, outbox.counts().dead) == (0, 0, 2)
    outbox.commit([Settle("b", Outcome.DONE), Drop("a")])
    assert outbox.dead_letters() == []
    assert outbox.counts().dead == 0


def test_one_that_ended_does_not_end_again(disk):
    disk.outbox.commit([Store(parcel("a")), REFUSED])
    disk.outbox.commit([Settle("a", Outcome.UNKNOWN)])
    assert [one.outcome for one in disk.outbox.dead_letters()] == [Outcome.REFUSED]


def test_of_too_many_dead_letters_the_oldest_go(disk):
    everyone = [str(number) for number in range(1005)]
    for name in everyone:
        disk.outbox.commit([Store(parcel(name)), Settle(name, Outcome.UNKNOWN)])
    letters = [one.parcel.request_id for one in disk.outbox.dead_letters(2000)]
    assert letters == everyone[:4:-1]
    assert disk.outbox.counts().dead == 1000


@pytest.mark.parametrize("caps", [{"max_messages": 3}, {"max_bytes": 4 * SIZE - 1}])
def test_a_full_store_refuses_the_newest_and_has_room_when_one_ends(tmp_path, caps):
    with opened(tmp_path / "outbox.db", **caps) as outbox:
        kept = ["0", "1", "2"]
        outbox.commit([Store(parcel(name)) for name in kept])
        with pytest.raises(OutboxError, match="the store is full"):
            outbox.commit([Store(parcel("3"))])
        assert names(outbox) == kept
        outbox.commit([Settle("0", Outcome.DONE), Store(parcel("new"))])
        assert names(outbox) == [*kept[1:], "new"]


def test_it_is_read_in_pieces_oldest_first(disk):
    disk.outbox.commit([Store(parcel(str(number))) for number in range(10)])
    disk.outbox.commit([Settle("3", Outcome.DONE), Settle("4", Outcome.REFUSED)])
    first = disk.outbox.oldest(0, 4)
    assert [one.request_id for one in first] == ["0", "1", "2", "5"]
    assert [one.request_id for one in disk.outbox.oldest(first[-1].sequence, 100)] == ["6", "7", "8", "9"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=lists(
        tuples(
            sampled_from(["store", "mark", "done", "unknown", "drop", "fail", "reopen"]),
            integers(0, 9),
        ),
        max_size=40,
    )
)
def test_it_counts_what_it_holds(tmp_path_factory, steps):
    waiting: dict[str, None] = {}
    dead: dict[str, None] = {}
    with opened(tmp_path_factory.mktemp("store") / "outbox.db") as outbox:
        for step, number in steps:
            name = str(number)
            match step:
                case "store" if name not in waiting and name not in dead:
                    outbox.commit([Store(parcel(name))])
                    waiting[name] = None
                case "mark":
                    outbox.commit([Mark(name)])
                case "done" | "drop":
                    outbox.commit([Drop(name) if step == "drop" else Settle(name, Outcome.DONE)])
                    waiting.pop(name, None)
                    dead.pop(name, None)
                case "unknown":
                    outbox.commit([Settle(name, Outcome.UNKNOWN)])
                    if name in waiting:
                        dead[name] = waiting.pop(name)
                case "fail":
                    with pytest.raises(OutboxError):
                        outbox.commit([Drop(name), Store(parcel("x")), Store(parcel("x"))])
                case "reopen":
                    outbox.close()
                    outbox.open()
            size = sum(map(size_of, waiting))
            counts = outbox.counts()
            assert (counts.waiting, counts.bytes, counts.dead) == (len(waiting), size, len(dead))
            assert names(outbox) == list(waiting)


def _as_row(one):
    return [one.message.type, one.message.data, one.message.context]


def test_a_scan_costs_one_flush_and_little_more_than_its_page(tmp_path):
    def written():
        return written_bytes() or 0

    with opened(tmp_path / "outbox.db") as outbox:
        outbox.commit([Store(parcel("first"))])
        before, flushes = written(), outbox.counts().flushes
        last = "first"
        for number in range(200):
            outbox.commit([Settle(last, Outcome.DONE), Store(parcel(last := str(number)))])
        assert outbox.counts().flushes == flushes + 200
        if written() == before:
            pytest.skip("this file system is not a disk's")
        assert (written() - before) / 200 < 16_384


# -- another program's, an older and a newer version's


def version_1(path, rows):
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """
            CREATE TABLE parcels (sequence INTEGER PRIMARY KEY, request_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
                message TEXT NOT NULL, origin TEXT NOT NULL, replay INTEGER NOT NULL, lifetime REAL NOT NULL,
                boot TEXT NOT NULL, since_boot REAL NOT NULL, wall REAL NOT NULL, sure INTEGER NOT NULL,
                attempted INTEGER NOT NULL DEFAULT 0, outcome TEXT, reason TEXT, bytes INTEGER NOT NULL) STRICT;
            CREATE INDEX dead ON parcels (sequence) WHERE outcome IS NOT NULL;
            PRAGMA user_version=1;
            """
        )
        for sequence, (name, outcome) in enumerate(rows, 7):
            text = json.dumps(_as_row(parcel(name)))
            db.execute(
                "INSERT INTO parcels VALUES (?,?,'code',?,'counter',1,3600.0,'boot',100.0,1.8e9,1,0,?,?,?)",
                (sequence, name, text, outcome, outcome and "no", len(text)),
            )
        db.commit()


def test_a_store_of_an_older_version_goes_on(tmp_path, caplog):
    path = tmp_path / "outbox.db"
    version_1(path, [("a", None), ("b", "refused"), ("c", None)])
    with opened(path) as outbox:
        assert outbox.oldest(0, 1) == [replace(parcel("a"), sequence=7)]
        assert names(outbox) == ["a", "c"]
        assert [one.parcel.request_id for one in outbox.dead_letters()] == ["b"]
    assert caplog.records == []
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.db"]


def test_a_store_of_a_newer_version_is_set_aside_and_its_rows_go_on(tmp_path, caplog):
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        outbox.commit([Store(parcel("a"))])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with opened(path) as outbox:
        assert names(outbox) == ["a"]
    assert "newer version" in caplog.records[0].reason


def test_two_agents_do_not_share_a_store(disk):
    disk.outbox.commit([Store(parcel("a"))])
    with pytest.raises(OutboxError, match="is a second agent running"), opened(disk.outbox._path):
        pass


# -- damage


@pytest.fixture
def good(tmp_path):
    """The bytes of a store of several pages, some rows longer than one, and who is in it."""
    path = tmp_path / "good" / "outbox.db"
    with opened(path) as outbox:
        everyone = [str(number) for number in range(60)]
        for number, name in enumerate(everyone):
            outbox.commit([Store(parcel(name, text=name + "x" * (4000 if number % 20 == 7 else 100)))])
        for name in everyone[::9]:
            outbox.commit([Settle(name, Outcome.DONE)])
        outbox.commit([Settle("5", Outcome.REFUSED, "no")])
        log = path.with_name("outbox.db-wal").read_bytes()
        behind = path.read_bytes()
    return path.read_bytes(), behind, log, [name for name in everyone if name not in {*everyone[::9], "5"}]


def start(folder, data, log=b""):
    """Who waits in the store with these bytes, and how many files were set aside."""
    path = folder / "outbox.db"
    for old in folder.glob("outbox*"):
        old.unlink()
    path.write_bytes(data)
    if log:
        path.with_name("outbox.db-wal").write_bytes(log)
    with opened(path) as outbox:
        found = names(outbox)
        outbox.commit([Store(parcel("new"))])
        assert names(outbox) == [*found, "new"]
    return found, len(list(folder.glob("outbox.damaged-*.db")))


def intact(data, everyone):
    """Who is whole in these bytes."""
    return [row["request_id"] for row in salvage.rows_in(data) if row["request_id"] in everyone]


def cuts(length, step):
    edges = {cut + by for cut in range(0, length, 4096) for by in (1, 100)}
    return sorted({*range(0, length, step), *edges, length - 1})


def check_cuts(folder, data, everyone, chosen):
    pages = {}
    for name in everyone:
        pages[name] = (
            max(position for position in (data.rfind(f'"request_id":"{name}"'.encode()),) if position >= 0) // 4096
        )
    for cut in chosen:
        found, aside = start(folder, data[:cut])
        assert found == intact(data[:cut], everyone) or found == everyone, f"cut at {cut}"
        small = [name for name in everyone if (pages[name] + 1) * 4096 <= cut and int(name) % 20 != 7]
        assert set(small) <= set(found), f"cut at {cut}: rows on whole pages were lost"
        assert aside or cut < 512 or found == everyone, "without a header there is nothing to set aside"


def test_a_store_cut_short_starts_with_every_row_that_is_whole(tmp_path, good):
    data, _, _, everyone = good
    assert len(data) > 8 * 4096
    assert start(tmp_path, data) == (everyone, 0)
    check_cuts(tmp_path, data, everyone, cuts(len(data), 4096))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
def test_a_store_cut_short_at_any_byte_starts_with_every_row_that_is_whole(tmp_path, good, part):
    data, _, _, everyone = good
    check_cuts(tmp_path, data, everyone, cuts(len(data), 1)[part::4])


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_cost_the_rows_they_hit_and_never_change_one(tmp_path, good, seed, caplog):
    data, _, _, everyone = good
    chance = random.Random(seed)
    broken = bytearray(data)
    hit = [chance.randrange(len(broken)) for _ in range(1 + seed % 3)]
    for at in hit:
        broken[at] ^= 1 << chance.randrange(8)
    path = tmp_path / "outbox.db"
    path.write_bytes(broken)
    with opened(path) as outbox:
        for one in outbox.oldest(0, 1000):
            expected = parcel(one.request_id).message.type
            assert one.message.type == expected
            (text,) = one.message.data["utterances"]
            assert text.rstrip("x") == one.request_id, "a code was changed"
        found = names(outbox)
        outbox.commit([Store(parcel("new"))])
        assert "new" in names(outbox)
    lost = set(everyone) - set(found)
    pages = {at // 4096 for at in hit}
    assert len(lost) <= 25 * len(pages), "more than its pages' rows were lost"


def test_a_damaged_store_is_one_line_in_the_journal_and_stays_as_a_file(tmp_path, good, caplog):
    data, _, _, _ = good
    with caplog.at_level(logging.INFO):
        start(tmp_path, data[: -3 * 4096])
    (record,) = [record for record in caplog.records if record.name == "agent.store_file"]
    assert (record.levelname, record.rows) == ("ERROR", len(salvage.rows_in(data[: -3 * 4096])))
    (aside,) = tmp_path.glob("outbox.damaged-*.db")
    assert aside.read_bytes() == data[: -3 * 4096]


def test_dead_letters_survive_damage(tmp_path, good):
    data, _, _, _ = good
    path = tmp_path / "outbox.db"
    path.write_bytes(b"\xff" * 100 + data[100:])
    with opened(path) as outbox:
        assert [one.parcel.request_id for one in outbox.dead_letters()] == ["5"]


def test_a_log_cut_short_anywhere_loses_only_what_was_cut_off(tmp_path, good):
    _, behind, log, everyone = good
    assert start(tmp_path, behind, log)[0] == everyone
    before: list[str] = []
    for cut in range(0, len(log), 3 * 4120):
        found, aside = start(tmp_path, behind, log[:cut])
        assert aside == 0, "a log without an end is no damage"
        gone = {*[str(number) for number in range(60)][::9], "5"}
        stored = [name for name in found if name not in gone]
        assert set(before) - {"5"} <= set(stored)
        before = stored


def test_a_flipped_bit_in_the_log_does_not_cost_the_scans_behind_it(tmp_path, good, caplog):
    _, behind, log, everyone = good
    frames = (len(log) - 32) // 4120
    for frame in range(2, frames - 3, 11):
        broken = bytearray(log)
        broken[32 + frame * 4120 + 24 + 3000] ^= 1
        found, aside = start(tmp_path, behind, bytes(broken))
        assert aside == 1 or found == everyone
        assert len(set(everyone) - set(found)) <= 3, f"frame {frame}"


@pytest.mark.parametrize("size", [0, 1, 50, 4096, 9000])
def test_what_is_no_store_at_all_does_not_stop_the_start(tmp_path, size):
    found, aside = start(tmp_path, random.Random(size).randbytes(size))
    assert found == []
    assert aside == (1 if size > 1 else 0)


def test_an_empty_file_with_a_full_log_is_not_believed(tmp_path, good):
    _, _, log, everyone = good
    found, aside = start(tmp_path, b"", log)
    assert aside == 1
    assert len(found) >= len(everyone) - 3


@pytest.mark.parametrize("left", ["new", "salvaged", "salvaged without the damaged one"])
def test_the_plug_pulled_in_the_middle_of_salvaging_loses_nothing(tmp_path, good, left):
    data, _, _, everyone = good
    path = tmp_path / "outbox.db"
    path.write_bytes(data[: -3 * 4096])
    with opened(path):
        pass
    whole = path.read_bytes()
    damaged = data[: -3 * 4096]
    if left == "new":
        path.write_bytes(damaged)
        (tmp_path / "outbox.new.db").write_bytes(whole[:5000])
    else:
        (tmp_path / "outbox.salvaged.db").write_bytes(whole)
        path.unlink()
        if left == "salvaged":
            path.write_bytes(damaged)
    with opened(path) as outbox:
        assert names(outbox) == intact(damaged, everyone)
    assert not (tmp_path / "outbox.salvaged.db").exists()
    assert not (tmp_path / "outbox.new.db").exists()


def test_a_row_whose_code_was_changed_on_the_disk_is_not_sent(tmp_path, caplog):
    path = tmp_path / "outbox.db"
    with opened(path) as outbox:
        outbox.commit([Store(parcel(name, text=f"CODE-{name}")) for name in "abc"])
    path.write_bytes(path.read_bytes().replace(b"CODE-b", b"CODE-X"))
    with opened(path) as outbox:
        assert names(outbox) == ["a", "c"]
    assert "a row of the store is damaged" in caplog.text


@given(data=integers(0, 1 << 62))
@settings(max_examples=50, deadline=None)
def test_salvaging_ends_whatever_the_bytes_are(data):
    chance = random.Random(data)
    pages = bytearray(chance.randbytes(3 * 4096))
    struct.pack_into(">H", pages, 16, 4096)
    pages[100] = pages[4096] = pages[8192] = 13
    assert salvage.rows_in(bytes(pages), chance.randbytes(5000)) == []


def test_the_disk_says_what_is_wrong_with_it(disk):
    disk.fail()
    with pytest.raises(OutboxError, match="cannot be opened"):
        disk.outbox.commit([Store(parcel("a"))])
    disk.mend()
    disk.outbox.commit([Store(parcel("a"))])
    assert disk.waiting() == ["a"]
    assert disk.outbox.oldest(0, 1)[0].made == STAMP
