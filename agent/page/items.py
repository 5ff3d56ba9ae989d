"""What the hub wants shown, cut down to what a page can show: texts, tables, pictures, choices, and files by name.

The input is the network's: a table may have a million rows, a choice no words. What comes out has bounds, so that
neither the page nor the browser's memory is the hub's to fill. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from agent.record import record

_ITEMS = 24
_TEXT = 8_000  # characters of one text
_CELL = 400
_ROWS = 200
_COLUMNS = 12
_CHOICES = 24
_TITLE = 160
_PAYLOAD = 2_000
_URL = 2_000_000
"""Characters of an address, since a `data:` address is the picture itself."""


class Shown(Protocol):
    """What `agent.hub.items.display_items` makes of an event."""

    @property
    def kind(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def data(self) -> Any: ...
    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str: ...


@record
class Text:
    """A text to read; line breaks are kept."""

    text: str


@record
class Table:
    """Rows of equal length. `head` is empty, or as long as a row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    """Rows there was no room for."""


@record
class Image:
    """A picture at an address of the hub's; the address is fetched by `images` or not at all."""

    url: str
    title: str = ""


@record
class File:
    """Something attached that is no picture: the page says that it is there."""

    title: str


@record
class Choice:
    """One touch button: what it says, and the action it sends."""

    title: str
    payload: str


@record
class Choices:
    """Touch buttons that belong together."""

    choices: tuple[Choice, ...]


Item = Text | Table | Image | File | Choices


def page_items(shown: Iterable[Shown]) -> tuple[Item, ...]:
    """The items a page can show, in the order given; what has nothing to show is left out."""
    items: list[Item] = []
    for each in shown:
        if len(items) >= _ITEMS:
            break
        match each.kind:
            case "text" if each.text.strip():
                items.append(Text(_cut(each.text.strip(), _TEXT)))
            case "table":
                table = table_of(each.data)
                if table is not None:
                    items.append(table)
            case "image" if each.url and len(each.url) <= _URL:
                items.append(Image(each.url, _cut(each.title, _TITLE)))
            case "attachment" if each.title:
                items.append(File(_cut(each.title, _TITLE)))
            case "choices":
                choices = _choices(each.data)
                if choices:
                    items.append(Choices(choices))
    return tuple(items)


def table_of(data: Any) -> Table | None:
    """A table in any of the shapes skills send, or None when there is nothing in it.

    `{columns, rows}` (also `headers`, `header`, `head`), a list of rows, a list of objects, or one object, which
    becomes a table of names and values.
    """
    head: Sequence[Any] = ()
    rows: Any = data
    if isinstance(data, Mapping):
        rows = next((data[key] for key in ("rows", "data", "body") if isinstance(data.get(key), list | tuple)), None)
        head = next((data[key] for key in ("columns", "headers", "header", "head") if _is_list(data.get(key))), ())
        if rows is None:
            rows = [] if head else [[key, value] for key, value in data.items()]
    if not isinstance(rows, list | tuple):
        return None
    kept = list(rows[:_ROWS])
    if not head:
        names = {str(key): None for row in kept if isinstance(row, Mapping) for key in row}
        head = list(names)[:_COLUMNS]
    keys = [_key(column) for column in head[:_COLUMNS]]
    cells = [_cells(row, keys) for row in kept]
    width = min(max((len(row) for row in (keys, *cells)), default=0), _COLUMNS)
    if width == 0:
        return None
    titles = tuple(_cell(_title(column)) for column in head[:width])
    padded = tuple(titles + ("",) * (width - len(titles))) if titles else ()
    return Table(padded, tuple(tuple((row + [""] * width)[:width]) for row in cells), max(len(rows) - _ROWS, 0))


def _cells(row: Any, keys: Sequence[str]) -> list[str]:
    if isinstance(row, Mapping):
        return [_cell(row.get(key)) for key in keys]
    return [_cell(value) for value in (row[:_COLUMNS] if isinstance(row, list | tuple) else (row,))]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "✓" if value else "–"
        case str():
            text = value
        case int() | float():
            text = str(value) if abs(value) < 1e18 else f"{value:.3g}" if isinstance(value, float) else "…"
        case _:
            text = _compact(value)
    return _cut(" ".join(text.split()), _CELL)


def _key(column: Any) -> str:
    """What a row that is an object calls this column."""
    if isinstance(column, Mapping):
        return next((str(column[name]) for name in ("key", "field", "id", "name", "title") if column.get(name)), "")
    return str(column) if isinstance(column, str | int | float) else ""


def _title(column: Any) -> Any:
    if isinstance(column, Mapping):
        return next((column[name] for name in ("title", "label", "text", "name", "key") if column.get(name)), "")
    return column


def _choices(data: Any) -> tuple[Choice, ...]:
    choices = []
    for offered in data if isinstance(data, list | tuple) else ():
        if not isinstance(offered, Mapping):
            continue
        payload = offered.get("payload")
        payload = payload.strip() if isinstance(payload, str) else "" if payload is None else _compact(payload)
        title = offered.get("title")
        title = title.strip() if isinstance(title, str) else ""
        # A payload cut short would be another wish than the one the hub offered.
        if 0 < len(payload) <= _PAYLOAD:
            choices.append(Choice(_cut(title or payload, _TITLE), payload))
    return tuple(choices[:_CHOICES])


def _compact(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (ValueError, RecursionError):
        return "…"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0
