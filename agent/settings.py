"""A parsed TOML table becomes a record, or sentences that say what is wrong with it.

The record is the schema: its field names are the keys, its type hints the types, its defaults the defaults, and a
field without a default is a required key. What a type cannot say stands beside it in `Annotated`: a `Range`, or any
other object with a `problem(value)` method; `Key` gives a field another name in the file than in the code. TOML has no
word for "none": a `Path | None` that is empty in the file is None.

Nothing here knows what the settings mean. Every problem of a file is found in one reading, and each one is told in the
words of the file: `scanner[1].baud: expected an integer, got "fast"`, tables counted from 1.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_args, get_origin, get_type_hints, runtime_checkable

from agent.record import fields, is_record, record

T = TypeVar("T")

_LONGEST_SHOWN = 60  # characters of a wrong value in a message: enough to find it, short enough to read
_LARGEST = 1e300  # a TOML integer may be larger than any float
_INVALID = object()


class SettingsError(ValueError):
    """The table does not fit; `problems` holds one sentence each, in the order of the file's schema."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@runtime_checkable
class Check(Protocol):
    """What a value must satisfy beyond its type."""

    def problem(self, value: Any) -> str | None:
        """What was expected, as the end of a sentence that starts with "expected"; None when the value is fine."""


@record
class Range:
    """A number within bounds, both included."""

    low: float
    high: float

    def problem(self, value: Any) -> str | None:
        return None if self.low <= value <= self.high else f"{self.low} to {self.high}"


@record
class Filled:
    """A string, list or table that is not empty."""

    what: str

    def problem(self, value: Any) -> str | None:
        empty = not (value.strip(" ") if isinstance(value, str) else value)
        return self.what if empty else None


@record
class Key:
    """The key of a field in the file, where it differs from the field's name: `[[scanner]]` for `scanners`."""

    name: str


def read(kind: type[T], table: Mapping[str, object], *, base: Path | None = None) -> T:
    """The settings of `table`. Raises SettingsError with every problem found.

    A relative path is taken from `base`, the folder of the file, so that the working directory of a service plays no
    part.
    """
    problems: list[str] = []
    result: Any = _Reader(base or Path(), problems).table(kind, table, "")
    if problems:
        raise SettingsError(problems)
    return result  # type: ignore[no-any-return]


def keys(kind: type) -> dict[str, str]:
    """The keys a table may have, each with the name of its field, in the order of the class."""
    hints = get_type_hints(kind, include_extras=True)
    result = {}
    for item in fields(kind):
        alias = [extra.name for extra in get_args(hints[item.name])[1:] if isinstance(extra, Key)]
        result[alias[0] if alias else item.name] = item.name
    return result


def shown(value: object) -> str:
    """A value as the file writes it, cut to a readable length."""
    if isinstance(value, Mapping):
        return "a table"
    if value == []:
        return "an empty list"
    if isinstance(value, list):
        return "a list of tables" if value and isinstance(value[0], Mapping) else "a list"
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "an integer beyond all bounds"  # Python refuses to write one of more than 4300 digits
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int | float) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the known word nearest to `word`, or all of them when none is near."""
    words = sorted(known)
    import difflib  # for a mistake alone, and 0.4 MiB

    match = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.5)
    return f'did you mean "{match[0]}"?' if match else f"known here: {', '.join(words)}"


class _Reader:
    """One reading: collects the problems it meets and goes on."""

    def __init__(self, base: Path, problems: list[str]) -> None:
        self._base = base
        self._problems = problems

    def table(self, kind: type, table: Mapping[str, object], where: str) -> object:
        hints = get_type_hints(kind, include_extras=True)
        names = keys(kind)
        before = len(self._problems)
        for unknown in [key for key in table if key not in names]:
            self._problems.append(f"{_join(where, unknown)}: unknown key; {nearest(unknown, names)}")
        values: dict[str, Any] = {}
        required = {item.name for item in fields(kind) if item.required}
        for key, name in names.items():
            if key in table:
                values[name] = self.value(hints[name], table[key], _join(where, key))
            elif name in required:
                self._problems.append(f"{_join(where, key)}: this key is required")
        return _INVALID if len(self._problems) > before else kind(**values)

    def value(self, hint: Any, value: object, where: str) -> Any:
        checks: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)
            checks = tuple(extra for extra in extras if isinstance(extra, Check))
        result = self._plain(hint, value, where)
        if result is _INVALID:
            return _INVALID
        for check in checks:
            wanted = check.problem(result)
            if wanted is not None:
                return self._wrong(where, wanted, value)
        return result

    def _plain(self, hint: Any, value: object, where: str) -> Any:
        origin = get_origin(hint)
        if is_record(hint):
            if not isinstance(value, Mapping):
                return self._wrong(where, f"one table [{where}]", value)
            return self.table(hint, value, where)
        if origin is Literal:
            allowed = get_args(hint)
            # 1 == True in Python, but not in the file.
            if any(value == one and type(value) is type(one) for one in allowed):
                return value
            return self._wrong(where, _either([shown(one) for one in allowed]), value)
        if origin is tuple:
            return self._items(get_args(hint)[0], value, where)
        if origin is types.UnionType and hint == Path | None:
            return None if value == "" else self._scalar(Path, value, where)
        if origin in (dict, Mapping):
            return self._mapping(get_args(hint)[1], value, where)
        return self._scalar(hint, value, where)

    def _items(self, hint: Any, value: object, where: str) -> Any:
        tables = is_record(hint)
        if not isinstance(value, list) or (tables and not all(isinstance(item, Mapping) for item in value)):
            return self._wrong(where, f"tables that start with [[{where}]]" if tables else "a list", value)
        items = [self.value(hint, item, f"{where}[{index}]") for index, item in enumerate(value, 1)]
        return _INVALID if any(item is _INVALID for item in items) else tuple(items)

    def _mapping(self, hint: Any, value: object, where: str) -> Any:
        if not isinstance(value, Mapping):
            return self._wrong(where, "a table", value)
        items = {key: self.value(hint, item, _join(where, key)) for key, item in value.items()}
        return _INVALID if any(item is _INVALID for item in items.values()) else types.MappingProxyType(items)

    def _scalar(self, hint: Any, value: object, where: str) -> Any:
        if hint is bool:
            return value if isinstance(value, bool) else self._wrong(where, "true or false", value)
        if hint is int:
            right = isinstance(value, int) and not isinstance(value, bool)
            return value if right else self._wrong(where, "an integer", value)
        if hint is float:
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
                return float(value)
            return self._wrong(where, "a number", value)  # not a number is not less than the largest either
        if not isinstance(value, str):
            return self._wrong(where, "a string", value)
        if hint is Path:
            if not value.strip() or "\0" in value:
                return self._wrong(where, "a path", value)
            return self._base / value
        if hint is str:
            return value
        raise TypeError(f"{where}: no way to read a {hint!r} from TOML")  # a mistake in the schema, not in the file

    def _wrong(self, where: str, wanted: str, value: object) -> object:
        self._problems.append(f"{where}: expected {wanted}, got {shown(value)}")
        return _INVALID


def _join(where: str, key: str) -> str:
    word = key if key.replace("-", "").isidentifier() else shown(key)
    return f"{where}.{word}" if where else word


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
