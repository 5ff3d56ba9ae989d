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
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from agent import store_file
from agent.effects import Drop, Durable, Mark, Settle, Store
from agent.hub.messages import BusMessage
from agent.parcel import Outcome, Parcel
from agent.record import record
from agent.salvage import checksum
from agent.stamps import Stamp

log = logging.getLogger(__name__)

_COLUMNS = (
    "sequence, request_id, kind, message, origin, replay, lifetime, boot, since_boot, wall, sure, attempted, checksum"
)
_DEAD_LETTERS = 1000
"""Dead letters kept: enough for a person to see what went wrong, too few to fill a card."""


class OutboxError(Exception):
    """The store cannot keep the change; the text says why, for a person."""


@record
class OutboxCounts:
    """How full the store is."""

    waiting: int
    bytes: int
    """Bytes of the messages waiting; the files are a little larger."""
    dead: int
    flushes: int = 0
    """Commits since the start, each of which is a write and a flush of the card."""


@record
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
        """The places of what waits, by request id."""
        self._bytes = 0
        self._dead = 0
        self._flushes = 0

    # -- opening and closing

    def open(self) -> None:
        """Open the store, making it where there is none. Idempotent.

        A damaged one is set aside under another name, never deleted, and what is good in it goes on in a new one.
        """
        if self._db is not None:
            return
        try:
            db = store_file.open_store(self._path)
            rows = db.execute("SELECT request_id, sequence, bytes FROM parcels WHERE outcome IS NULL").fetchall()
            # Never back while the process lives: whoever reads on remembers a place.
            self._next = max(self._next, (db.execute("SELECT max(sequence) FROM parcels").fetchone()[0] or 0) + 1)
            self._dead = db.execute("SELECT count(*) FROM parcels WHERE outcome IS NOT NULL").fetchone()[0]
        except sqlite3.Error as error:
            raise OutboxError(_why(error, self._path)) from error
        except OSError as error:
            raise OutboxError(f"the store {self._path} cannot be opened: {error.strerror}") from error
        self._waiting = {request_id: sequence for request_id, sequence, _ in rows}
        self._bytes = sum(size for _, _, size in rows)
        self._db = db

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
        before = self._bytes, self._dead, self._next
        undo: list[tuple[str, int | None]] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for change in changes:
                request_id = change.parcel.request_id if isinstance(change, Store) else change.request_id
                undo.append((request_id, self._waiting.get(request_id)))
                match change:
                    case Store(parcel):
                        self._store(db, parcel)
                    case Mark():
                        self._mark(db, request_id)
                    case Settle(_, outcome, reason) if outcome.kept:
                        self._put_aside(db, request_id, outcome, reason)
                    case Settle() | Drop():
                        self._delete(db, request_id)
            db.execute("COMMIT")
        except (sqlite3.Error, OutboxError) as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            for name, sequence in reversed(undo):
                self._waiting.pop(name, None)
                if sequence is not None:
                    self._waiting[name] = sequence
            self._bytes, self._dead, self._next = before
            if isinstance(error, OutboxError):
                raise
            if not isinstance(error, sqlite3.IntegrityError):
                # What SQLite believes of the file after a failed write is not worth keeping; the next change opens
                # anew.
                self.close()
            raise OutboxError(_why(error, self._path)) from error
        self._flushes += 1

    def _store(self, db: sqlite3.Connection, parcel: Parcel) -> None:
        message = parcel.message
        text = json.dumps([message.type, message.data, message.context], ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
        if len(self._waiting) >= self._max_messages or self._bytes + size > self._max_bytes:
            raise OutboxError(f"the store is full ({len(self._waiting)} messages wait for the hub)")
        if parcel.request_id in self._waiting:
            raise OutboxError(f"the message {parcel.request_id} is kept already")
        made = parcel.made
        db.execute(
            f"INSERT INTO parcels ({_COLUMNS}, bytes) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(self._next, parcel.request_id, parcel.kind, text, parcel.origin, parcel.replay, parcel.lifetime),
                *(made.boot, made.since_boot, made.wall, made.sure, parcel.attempted),
                *(checksum(parcel.request_id, parcel.kind, text, parcel.origin), size),
            ),
        )
        self._waiting[parcel.request_id] = self._next
        self._bytes += size
        self._next += 1

    def _mark(self, db: sqlite3.Connection, request_id: str) -> None:
        if (sequence := self._waiting.get(request_id)) is not None:
            db.execute("UPDATE parcels SET attempted = 1 WHERE sequence = ?", (sequence,))

    def _put_aside(self, db: sqlite3.Connection, request_id: str, outcome: Outcome, reason: str) -> None:
        sequence = self._waiting.pop(request_id, None)
        if sequence is None:
            return  # it ended before
        (size,) = db.execute(
            "UPDATE parcels SET outcome = ?, reason = ? WHERE sequence = ? RETURNING bytes", (outcome, reason, sequence)
        ).fetchone()
        self._bytes -= size
        self._dead += 1
        while self._dead > _DEAD_LETTERS:
            db.execute(
                "DELETE FROM parcels WHERE sequence = (SELECT min(sequence) FROM parcels WHERE outcome IS NOT NULL)"
            )
            self._dead -= 1

    def _delete(self, db: sqlite3.Connection, request_id: str) -> None:
        sequence = self._waiting.pop(request_id, None)
        if sequence is not None:
            (size,) = db.execute("DELETE FROM parcels WHERE sequence = ? RETURNING bytes", (sequence,)).fetchone()
            self._bytes -= size
        elif self._dead:
            query = "DELETE FROM parcels WHERE outcome IS NOT NULL AND request_id = ?"
            self._dead -= db.execute(query, (request_id,)).rowcount

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

    def oldest_made(self, limit: int) -> list[tuple[str, Stamp]]:
        """When the oldest waiting parcels were made, with their request ids; whole rows or not."""
        rows = self._read(
            "SELECT request_id, boot, since_boot, wall, sure FROM parcels "
            "WHERE outcome IS NULL ORDER BY sequence LIMIT ?",
            (limit,),
        )
        return [
            (request_id, Stamp(boot=boot, since_boot=since_boot, wall=wall, sure=bool(sure)))
            for request_id, boot, since_boot, wall, sure in rows
        ]

    def dead_letters(self, limit: int = _DEAD_LETTERS) -> list[DeadLetter]:
        """What ended badly, newest first."""
        rows = self._read(
            f"SELECT {_COLUMNS}, outcome, reason FROM parcels WHERE outcome IS NOT NULL ORDER BY sequence DESC LIMIT ?",
            (limit,),
        )
        return [DeadLetter(parcel, Outcome(row[-2]), row[-1]) for row in rows if (parcel := _parcel(row)) is not None]

    def counts(self) -> OutboxCounts:
        """How full the store is; reads nothing."""
        return OutboxCounts(len(self._waiting), self._bytes, self._dead, self._flushes)

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
    sequence, request_id, kind, text, origin, replay, lifetime, boot, since_boot, wall, sure, attempted, own = row[:13]
    if checksum(request_id, kind, text, origin) != own:
        log.error("a row of the store is damaged; it stays there and is not sent", extra={"request_id": request_id})
        return None
    name, data, context = json.loads(text)
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
