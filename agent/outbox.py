"""The store between a person's input and the hub's answer: SQLite, one owner thread, on disk before anyone is told so.

WAL with `synchronous=FULL` is the setting whose acknowledged rows survive a power cut; with NORMAL the last seconds
vanish while the file stays consistent. The connection stays open for the process's life, so that the WAL keeps its size
and a commit is one write and one flush. `locking_mode=EXCLUSIVE` keeps a second agent out and needs no shared memory.

A parcel is a row until the hub answered. A row with an outcome is a dead letter: kept for a person, capped, the oldest
out.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.effects import Durable, Mark, Settle, Store
from agent.hub.messages import BusMessage
from agent.parcel import Outcome, Parcel
from agent.stamps import Stamp

log = logging.getLogger(__name__)

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE parcels (
    sequence   INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    message    TEXT NOT NULL,
    origin     TEXT NOT NULL,
    replay     INTEGER NOT NULL,
    lifetime   REAL NOT NULL,
    boot       TEXT NOT NULL,
    since_boot REAL NOT NULL,
    wall       REAL NOT NULL,
    sure       INTEGER NOT NULL,
    attempted  INTEGER NOT NULL DEFAULT 0,
    outcome    TEXT,
    reason     TEXT,
    bytes      INTEGER NOT NULL
) STRICT;
CREATE INDEX dead ON parcels (sequence) WHERE outcome IS NOT NULL;
"""
_COLUMNS = "sequence, request_id, kind, message, origin, replay, lifetime, boot, since_boot, wall, sure, attempted"
_DEAD_LETTERS = 1000
"""Dead letters kept: enough for a person to see what went wrong, too few to fill a card."""


class OutboxError(Exception):
    """The store cannot keep the change; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How full the store is."""

    waiting: int
    bytes: int
    """Bytes of the messages waiting; the files are a little larger."""
    dead: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parcel that ended badly and waits for a person."""

    parcel: Parcel
    outcome: Outcome
    reason: str


class Outbox:
    """The store. Every method belongs to the one thread that owns it; all raise OutboxError."""

    def __init__(self, path: Path, *, max_messages: int, max_bytes: int) -> None:
        self._path = path
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._next = 1
        self._waiting: dict[str, int] = {}
        """Bytes by request id, of what waits."""
        self._bytes = 0
        self._dead = 0

    # -- opening and closing

    def open(self) -> None:
        """Open the store, making it where there is none. Idempotent.

        A store that cannot be read is set aside under another name, never deleted, and a new one begun.
        """
        if self._db is not None:
            return
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                raise OutboxError(_why(error, self._path)) from error
            self._set_aside(error)
            try:
                self._connect()
            except sqlite3.Error as again:
                raise OutboxError(_why(again, self._path)) from again

    def _connect(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Made here first, so that what people scanned is never readable by others, not even for a moment.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise OutboxError(f"the store {self._path} cannot be opened: {error.strerror}") from error
        db = sqlite3.connect(self._path, isolation_level=None, timeout=1.0, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA temp_store=MEMORY")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the integrity check found damage")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_SCHEMA_VERSION}; COMMIT")
            rows = db.execute("SELECT request_id, bytes FROM parcels WHERE outcome IS NULL").fetchall()
            self._next = (db.execute("SELECT max(sequence) FROM parcels").fetchone()[0] or 0) + 1
            self._dead = db.execute("SELECT count(*) FROM parcels WHERE outcome IS NOT NULL").fetchone()[0]
        except BaseException:
            db.close()
            raise
        self._waiting = dict(rows)
        self._bytes = sum(self._waiting.values())
        self._db = db

    def _set_aside(self, error: sqlite3.Error) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S")
        aside = self._path.with_name(f"{self._path.stem}.damaged-{stamp}-{os.getpid()}{self._path.suffix}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", f"{aside}{suffix}")
        log.error(
            "the store was damaged and has been set aside; a new one was begun",
            extra={"store": str(self._path), "aside": str(aside), "reason": str(error)},
        )

    def close(self) -> None:
        """Close the store. Idempotent, raises nothing."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    # -- changing

    def commit(self, changes: Iterable[Durable]) -> None:
        """Make all changes or none, and return when they are on the disk."""
        changes = list(changes)
        if not changes:
            return
        self.open()
        db = self._connection()
        named = [change.parcel.request_id if isinstance(change, Store) else change.request_id for change in changes]
        before = {name: self._waiting.get(name) for name in named}
        dead, following = self._dead, self._next
        try:
            db.execute("BEGIN IMMEDIATE")
            for change in changes:
                match change:
                    case Store(parcel):
                        self._store(db, parcel)
                    case Mark(request_id):
                        db.execute("UPDATE parcels SET attempted = 1 WHERE request_id = ?", (request_id,))
                    case Settle(request_id, outcome, reason):
                        self._settle(db, request_id, outcome, reason)
            db.execute("COMMIT")
        except (sqlite3.Error, OutboxError) as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            for name, size in before.items():
                self._forget(name)
                if size is not None:
                    self._remember(name, size)
            self._dead, self._next = dead, following
            if isinstance(error, OutboxError):
                raise
            if not isinstance(error, sqlite3.IntegrityError):
                # What SQLite believes of the file after a failed write is not worth keeping; the next change opens
                # anew.
                self.close()
            raise OutboxError(_why(error, self._path)) from error

    def _store(self, db: sqlite3.Connection, parcel: Parcel) -> None:
        message = parcel.message
        text = json.dumps([message.type, message.data, message.context], ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
        if len(self._waiting) >= self._max_messages or self._bytes + size > self._max_bytes:
            raise OutboxError(f"the store is full ({len(self._waiting)} messages wait for the hub)")
        made = parcel.made
        db.execute(
            f"INSERT INTO parcels ({_COLUMNS}, bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(self._next, parcel.request_id, parcel.kind, text, parcel.origin, parcel.replay, parcel.lifetime),
                *(made.boot, made.since_boot, made.wall, made.sure, parcel.attempted, size),
            ),
        )
        self._next += 1
        self._remember(parcel.request_id, size)

    def _settle(self, db: sqlite3.Connection, request_id: str, outcome: Outcome, reason: str) -> None:
        known = self._forget(request_id)
        if known and outcome.kept:
            db.execute("UPDATE parcels SET outcome = ?, reason = ? WHERE request_id = ?", (outcome, reason, request_id))
            self._dead += 1
            while self._dead > _DEAD_LETTERS:
                db.execute(
                    "DELETE FROM parcels WHERE sequence = (SELECT min(sequence) FROM parcels WHERE outcome IS NOT NULL)"
                )
                self._dead -= 1
        elif known or not outcome.kept:
            gone = db.execute("DELETE FROM parcels WHERE request_id = ?", (request_id,)).rowcount
            if not known:
                self._dead -= gone

    def _remember(self, request_id: str, size: int) -> None:
        self._waiting[request_id] = size
        self._bytes += size

    def _forget(self, request_id: str) -> bool:
        size = self._waiting.pop(request_id, None)
        self._bytes -= size or 0
        return size is not None

    # -- reading

    def oldest(self, after: int, limit: int) -> list[Parcel]:
        """Up to `limit` waiting parcels behind sequence number `after`, oldest first."""
        parcels: list[Parcel] = []
        while len(parcels) < limit:
            missing = limit - len(parcels)
            rows = self._read(
                f"SELECT {_COLUMNS} FROM parcels WHERE outcome IS NULL AND sequence > ? ORDER BY sequence LIMIT ?",
                (after, missing),
            )
            parcels += [parcel for row in rows if (parcel := _parcel(row)) is not None]
            if len(rows) < missing:
                break
            after = rows[-1][0]
        return parcels

    def dead_letters(self, limit: int = _DEAD_LETTERS) -> list[DeadLetter]:
        """What ended badly, newest first."""
        rows = self._read(
            f"SELECT {_COLUMNS}, outcome, reason FROM parcels WHERE outcome IS NOT NULL ORDER BY sequence DESC LIMIT ?",
            (limit,),
        )
        return [DeadLetter(parcel, Outcome(row[-2]), row[-1]) for row in rows if (parcel := _parcel(row)) is not None]

    def counts(self) -> OutboxCounts:
        """How full the store is; reads nothing."""
        return OutboxCounts(len(self._waiting), self._bytes, self._dead)

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        self.open()
        try:
            return self._connection().execute(query, values).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise OutboxError(_why(error, self._path)) from error

    def _connection(self) -> sqlite3.Connection:
        assert self._db is not None
        return self._db


def _parcel(row: Sequence[Any]) -> Parcel | None:
    """The parcel in a row; None for a row nobody can read, which stays where it is for a person to look at."""
    sequence, request_id, kind, text, origin, replay, lifetime, boot, since_boot, wall, sure, attempted = row[:12]
    try:
        name, data, context = json.loads(text)
    except ValueError:
        log.error("a row of the store cannot be read", extra={"request_id": request_id})
        return None
    return Parcel(
        request_id=request_id,
        kind=kind,
        message=BusMessage(type=name, data=data, context=context),
        origin=origin,
        replay=bool(replay),
        lifetime=lifetime,
        made=Stamp(boot=boot, since_boot=since_boot, wall=wall, sure=bool(sure)),
        sequence=sequence,
        attempted=bool(attempted),
    )


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _why(error: sqlite3.Error, path: Path) -> str:
    """The store's failure in a person's words; the code decides, not SQLite's wording."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"the disk is full; free space on {path.parent}"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{path.parent} cannot be written; check its owner and that it is not mounted read-only"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another program holds {path}; is a second agent running?"
        case sqlite3.SQLITE_IOERR:
            return f"the disk under {path.parent} does not write; replace the card"
        case _:
            return f"the store {path} failed: {error}"
