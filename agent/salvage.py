"""Getting rows out of a store SQLite gives up on: its pages and its log read as bytes, each row judged by itself.

A damaged page costs the rows on it and no others. What a page says is believed only as far as it makes sense, and what
a row says only where its checksum agrees. File formats: sqlite.org/fileformat2.html and sqlite.org/walformat.html.

Pages on the free list are left out, since they hold rows that were settled; where the damage hides the list, such a row
may come back, and the hub then hears of it once more under its old id.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.record import record

_HEADER = 100
_PAGE_SIZE = 4096
_LEAF = 13  # the type of a page that holds rows
_WAL_HEADER = 32
_FRAME_HEADER = 24
_MOST_BYTES = 1 << 20
"""No row of ours is larger; a length that says so is damage."""

COLUMNS = (
    *("sequence", "request_id", "kind", "message", "origin", "replay", "lifetime", "boot", "since_boot", "wall"),
    *("sure", "attempted", "outcome", "reason", "bytes", "checksum"),
)
"""The columns of a row as the store's table has them; version 1 had none for the checksum."""


def checksum(request_id: str, kind: str, message: str, origin: str) -> int:
    """What a row says of itself, so that a flipped bit in it is found."""
    return zlib.crc32("\0".join((request_id, kind, message, origin)).encode())


def rows_in(database: bytes, log: bytes = b"") -> list[dict[str, Any]]:
    """The good rows in the bytes of a store and of its write-ahead log, in the order they were stored."""
    file = _File(database, log)
    found: dict[str, dict[str, Any]] = {}
    for page in file.leaves():
        for row in page:
            known = found.get(row["request_id"])
            if known is None or known["outcome"] is None:
                found[row["request_id"]] = row
    return sorted(found.values(), key=lambda row: row["sequence"])


def commits_behind(log: bytes, read: int) -> int:
    """Commits in a write-ahead log that SQLite does not see, having read `read` frames of it.

    SQLite stops at the first frame that is damaged. What stands intact behind it was flushed, hence accepted, as soon
    as it is more than the one transaction that may have been under way when the power went.
    """
    frames = _frames(log)
    header_is_good = _sum(log[:24], 0, 0, log) == _stored(log, 24) if len(log) >= _WAL_HEADER else True
    commits = sum(frame.commits for frame in frames if frame.number >= read)
    return commits if commits > 1 or not header_is_good else 0


@record
class _Frame:
    number: int
    page: int
    commits: bool
    content: bytes


def _frames(log: bytes) -> list[_Frame]:
    """The frames of the log's present round that agree with their checksum, damaged ones left out."""
    if len(log) < _WAL_HEADER + _FRAME_HEADER:
        return []
    size = struct.unpack_from(">I", log, 8)[0]
    size = size if size in _SIZES else _PAGE_SIZE
    step = _FRAME_HEADER + size
    starts = range(_WAL_HEADER, len(log) - step + 1, step)
    salts = [log[start + 8 : start + 16] for start in starts]
    # The header may be what is damaged; the frames of an older round lie behind all those of the present one.
    salt = log[16:24] if log[16:24] in salts else salts[0] if salts else b""
    frames: list[_Frame] = []
    before = _stored(log, 24)
    for number, start in enumerate(starts):
        if salts[number] == salt:
            content = log[start + _FRAME_HEADER : start + step]
            if _sum(content, *_sum(log[start : start + 8], *before, log), log) == _stored(log, start + 16):
                page, pages = struct.unpack_from(">II", log, start)
                frames.append(_Frame(number, page, pages > 0, content))
        before = _stored(log, start + 16)
    return frames


def _stored(log: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(">II", log, at) if len(log) >= at + 8 else (0, 0)
    return first, second


def _sum(data: bytes, first: int, second: int, log: bytes) -> tuple[int, int]:
    order = ">" if log[3:4] == b"\x83" else "<"  # the last byte of the magic number
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


_SIZES = frozenset(1 << power for power in range(9, 17))


class _File:
    """The pages of a store, those in its log before those in its file."""

    def __init__(self, database: bytes, log: bytes) -> None:
        self._database = database
        size = struct.unpack_from(">H", database, 16)[0] if len(database) >= _HEADER else 0
        self._size = size if size in _SIZES else _PAGE_SIZE
        self._newer: Mapping[int, bytes] = {
            frame.page: frame.content for frame in _frames(log) if len(frame.content) == self._size
        }

    def leaves(self) -> Iterator[list[dict[str, Any]]]:
        """The rows of each page that has rows."""
        free = self._free()
        pages = max([len(self._database) // self._size, *self._newer])
        for number in range(1, pages + 1):
            content = self._page(number)
            start = _HEADER if number == 1 else 0
            if number not in free and len(content) == self._size and content[start] == _LEAF:
                yield list(self._rows(content, start))

    def _page(self, number: int) -> bytes:
        return self._newer.get(number) or self._database[(number - 1) * self._size : number * self._size]

    def _free(self) -> set[int]:
        free: set[int] = set()
        first = self._page(1)
        trunk = struct.unpack_from(">I", first, 32)[0] if len(first) >= _HEADER else 0
        while trunk and trunk not in free and len(content := self._page(trunk)) == self._size:
            free.add(trunk)
            trunk, count = struct.unpack_from(">II", content)
            free.update(struct.unpack_from(f">{min(count, self._size // 4 - 2)}I", content, 8))
        return free

    def _rows(self, content: bytes, start: int) -> Iterator[dict[str, Any]]:
        count = min(struct.unpack_from(">H", content, start + 3)[0], self._size // 2 - 60)
        for pointer in struct.unpack_from(f">{count}H", content, start + 8):
            try:
                row = _row(*self._cell(content, pointer))
            except (IndexError, ValueError, struct.error, RecursionError, OverflowError):
                continue  # a cell of something else, or damaged
            if row is not None:
                yield row

    def _cell(self, content: bytes, at: int) -> tuple[int, bytes]:
        length, at = _varint(content, at)
        sequence, at = _varint(content, at)
        if length > _MOST_BYTES:
            raise ValueError("longer than any row")
        most, least = self._size - 35, (self._size - 12) * 32 // 255 - 23
        local = least + (length - least) % (self._size - 4)
        local = length if length <= most else local if local <= most else least
        payload = bytearray(content[at : at + local])
        following = struct.unpack_from(">I", content, at + local)[0] if length > local else 0
        while len(payload) < length:
            page = self._page(following)
            if following == 0 or len(page) < self._size:
                raise ValueError("its rest is missing")
            payload += page[4:]
            following = struct.unpack_from(">I", page)[0]
        return sequence, bytes(payload[:length])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        byte = data[at + count]
        if count == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    raise ValueError("endless")


def _row(sequence: int, record: bytes) -> dict[str, Any] | None:
    """The row in a record; None when it is none of ours, or is not what was written."""
    values = _values(record)
    if len(values) not in (len(COLUMNS), len(COLUMNS) - 1):
        return None
    row = dict(zip(COLUMNS, (sequence, *values[1:]), strict=False))
    texts = [row[name] for name in ("request_id", "kind", "message", "origin", "boot")]
    numbers = [row[name] for name in ("replay", "lifetime", "since_boot", "wall", "sure", "attempted")]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, int | float) for one in numbers):
        return None
    if not is_message(row["message"]) or not isinstance(row["outcome"], str | None):
        return None
    own = checksum(row["request_id"], row["kind"], row["message"], row["origin"])
    if row.setdefault("checksum", own) != own:
        return None
    row["bytes"] = len(row["message"].encode())
    return row


def is_message(text: str) -> bool:
    """Whether this is a message as the store writes it. Raises RecursionError for some that are not."""
    try:
        name, data, context = json.loads(text)
    except (ValueError, TypeError):
        return False
    return isinstance(name, str) and isinstance(data, dict) and isinstance(context, dict)


def _values(record: bytes) -> Sequence[Any]:
    length, at = _varint(record, 0)
    kinds: list[int] = []
    while at < length:
        kind, at = _varint(record, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        data = record[at : at + size]
        if len(data) < size or kind in (10, 11):
            raise ValueError("cut short")
        at += size
        if kind >= 12:
            values.append(data.decode() if kind % 2 else data)
        elif kind == 7:
            values.append(struct.unpack(">d", data)[0])
        elif kind in (8, 9):
            values.append(kind - 8)
        else:
            values.append(int.from_bytes(data, "big", signed=True) if kind else None)
    return values
