"""The outbox's file: made, opened, brought up to date, and replaced by what is good in it when it is damaged.

Replacing survives the plug at every step. The new store is written whole beside the damaged one and gets its name
`outbox.salvaged.db` when it is on the disk; from then on it is the store, and whoever opens next finishes the exchange.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent import salvage
from agent.hub.files import flush_directory

log = logging.getLogger(__name__)

VERSION = 2
_TABLE = """
CREATE TABLE parcels (
    sequence   INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
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
    bytes      INTEGER NOT NULL,
    checksum   INTEGER NOT NULL
) STRICT
"""
_INDEX = "CREATE INDEX dead ON parcels (sequence) WHERE outcome IS NOT NULL"
_INSERT = f"INSERT INTO parcels ({', '.join(salvage.COLUMNS)}) VALUES ({', '.join('?' * len(salvage.COLUMNS))})"
_MOST_ROWS = 1 << 40
"""More rows than a card can take in its life; a number beyond is damage."""
_LOG = "-wal"
_FILES = ("", _LOG, "-shm")


def open_store(path: Path) -> sqlite3.Connection:
    """The store at `path`, ready to be written. Raises OSError and sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    salvaged = _beside(path, "salvaged")
    if salvaged.exists():
        _exchange(path, salvaged)
    return _connect(path) or _connect_anew(path)


class _DamagedError(sqlite3.DatabaseError):
    """SQLite reads the file, and would lose something of it."""


def _connect(path: Path) -> sqlite3.Connection | None:
    """The store, or None when it was damaged and another has taken its place."""
    # Made here first, so that what people scanned is never readable by others, not even for a moment.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db: sqlite3.Connection | None = None
    try:
        if os.stat(path).st_size == 0 and Path(f"{path}{_LOG}").exists():
            raise _DamagedError("its file is empty, and SQLite would throw the log away")
        db = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
        _prepare(db, path)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            if db is not None:
                db.close()
            raise
        # Read before the connection is closed: with it SQLite throws the log away, whatever is in it.
        _salvage(path, error, db)
        return None
    return db


def _connect_anew(path: Path) -> sqlite3.Connection:
    db = _connect(path)
    if db is None:
        raise sqlite3.DatabaseError("what was salvaged was damaged at once")
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.text_factory = _text
    db.execute("PRAGMA page_size=4096")
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA temp_store=MEMORY")
    db.execute("PRAGMA secure_delete=FAST")  # a settled row leaves nothing on its page that could come back
    if db.execute("PRAGMA synchronous").fetchone()[0] != 2:
        raise sqlite3.NotSupportedError("SQLite does not flush on commit here")
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise _DamagedError("the integrity check found damage")
    _check_log(db, path)
    _bring_up_to_date(db)
    db.execute(f"SELECT {', '.join(salvage.COLUMNS)} FROM parcels LIMIT 1").fetchone()


def _text(value: bytes) -> str:
    """A text as it was stored; where a flipped bit made it none, something its checksum will not agree with."""
    return value.decode("utf-8", "replace")


def _salvage(path: Path, error: sqlite3.Error, db: sqlite3.Connection | None) -> None:
    """Let a new store with all that is good in the damaged one take its place."""
    salvaged = _beside(path, "salvaged")
    try:
        rows = _rows_of(path)
        _rebuild(path, salvaged, rows)
    finally:
        if db is not None:
            db.close()
    aside = _exchange(path, salvaged)
    log.error(
        "the store was damaged and has been set aside; what was good in it goes on",
        extra={"store": str(path), "aside": str(aside), "reason": str(error), "rows": len(rows)},
    )


def _check_log(db: sqlite3.Connection, path: Path) -> None:
    """Look for commits behind a damaged frame, which SQLite would write over without a word."""
    read = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    with contextlib.suppress(FileNotFoundError):
        size = os.stat(f"{path}{_LOG}").st_size
        if size > 32 + max(read, 0) * (24 + 4096):
            lost = salvage.commits_behind(Path(f"{path}{_LOG}").read_bytes(), max(read, 0))
            if lost:
                raise _DamagedError(f"{lost} commits stand behind a damaged place in the log")


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        return
    if version > VERSION:
        raise _DamagedError(f"it was written by a newer version of this program (format {version})")
    db.execute("BEGIN IMMEDIATE")
    if version == 1:
        # Version 1 had an index of the request ids, which doubled what each scan wrote, and no checksums.
        names = salvage.COLUMNS[:-1]
        old = db.execute(f"SELECT {', '.join(names)} FROM parcels ORDER BY sequence").fetchall()
        db.execute("DROP TABLE parcels")
        _fill(db, [_with_checksum(dict(zip(names, row, strict=True))) for row in old])
    else:
        _fill(db, [])
    db.execute("COMMIT")


def _with_checksum(row: dict[str, Any]) -> dict[str, Any]:
    own = salvage.checksum(row["request_id"], row["kind"], row["message"], row["origin"])
    return {**row, "checksum": own}


def _fill(db: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> None:
    db.execute(_TABLE)
    db.execute(_INDEX)
    db.executemany(_INSERT, ([row[name] for name in salvage.COLUMNS] for row in rows))
    db.execute(f"PRAGMA user_version={VERSION}")


def _rows_of(path: Path) -> list[dict[str, Any]]:
    log_file = Path(f"{path}{_LOG}")
    return salvage.rows_in(path.read_bytes(), log_file.read_bytes() if log_file.exists() else b"")


def _rebuild(path: Path, salvaged: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Put the rows into a store of their own; it has its name once it is whole and on the disk."""
    new = _beside(path, "new")
    for suffix in (*_FILES, "-journal"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(new, isolation_level=None)
    try:
        db.execute("PRAGMA page_size=4096")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        _fill(db, _in_their_places(rows))
        db.execute("COMMIT")
    finally:
        db.close()
    os.rename(new, salvaged)
    flush_directory(path.parent)


def _in_their_places(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows under their old numbers, since a running agent remembers how far it has read; a number that was damaged
    is replaced by one behind all others."""
    placed: dict[int, dict[str, Any]] = {}
    lost: list[dict[str, Any]] = []
    for row in rows:
        if 0 < row["sequence"] < _MOST_ROWS and row["sequence"] not in placed:
            placed[row["sequence"]] = row
        else:
            lost.append(row)
    end = max(placed, default=0)
    return [*placed.values(), *({**row, "sequence": end + number} for number, row in enumerate(lost, 1))]


def _exchange(path: Path, salvaged: Path) -> Path:
    """Put the damaged files aside and the new store in their place."""
    aside = _beside(path, f"damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
    for suffix in _FILES:
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")
    flush_directory(path.parent)
    os.rename(salvaged, path)
    flush_directory(path.parent)
    return aside


def _beside(path: Path, word: str) -> Path:
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # A row of an older store that is no row of a new one is damage as well, and so is a schema that makes no sense.
    damaged = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_ERROR)
    return isinstance(error, _DamagedError) or code in damaged
