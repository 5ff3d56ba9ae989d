"""What to show of what the hub says: texts without speech mark-up, tables, images, choices.

Wire reference, messages.md section 8. The input is the network's: every shape is possible, nothing is an
error, the work is linear in the size of the text, and no address in it is ever fetched.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from string import ascii_letters, whitespace
from typing import Any

from agent.hub.protocol.bus import as_object
from agent.record import record

_MEDIA_KEYS = ("table", "attachment", "attachments", "quick_replies", "buttons", "image", "images")


@record(kw_only=True)
class DisplayItem:
    """One thing to show; `kind` is text, table, image, attachment or choices, and tells which fields are set."""

    kind: str
    text: str = ""
    data: Any = None
    title: str = ""
    payload: Any = None
    url: str = ""
    """An address as the hub sent it; fetch nothing that nobody asked for."""
    silent: bool = False
    """True for a text to show without saying it."""

    def as_dict(self) -> dict[str, Any]:
        """The item as JSON data."""
        return {
            "kind": self.kind,
            "text": self.text,
            "data": copy.deepcopy(self.data),
            "title": self.title,
            "payload": copy.deepcopy(self.payload),
            "url": self.url,
            "silent": self.silent,
        }


def strip_ssml(text: str) -> str:
    """`text` without tags, comments and processing instructions; entities stay as they are.

    A tag is a `<` or `</` right before a letter, up to the next `>` outside a quoted attribute value.
    Any other `<`, and one that is never closed, is text.
    """
    if "<" not in text:
        return text
    ends = _tag_ends(text)
    kept: list[str] = []
    position = 0
    closers = {"<!--": "-->", "<?": "?>"}
    while (start := text.find("<", position)) >= 0:
        kept.append(text[position:start])
        end = ends.get(start, -1)
        for opener in [opener for opener in closers if text.startswith(opener, start)]:
            closer = closers[opener]
            found = text.find(closer, start + len(opener))
            end = found + len(closer) if found >= 0 else -1
            if found < 0:
                del closers[opener]  # There is none further on either: looking again would make this quadratic.
        if end < 0:
            kept.append("<")
            end = start + 1
        position = end
    kept.append(text[position:])
    return "".join(kept)


def _tag_ends(text: str) -> dict[int, int]:
    """Where each tag that begins in `text` ends, by where it begins; a tag that never ends is not in it.

    Read from the back, so that the whole is one pass: knowing where a tag would end from the next character
    on, in each of the four places it can be in, tells where it would from this one.
    """
    ends: dict[int, int] = {}
    plain = after_equals = in_double = in_single = -1
    for position in range(len(text) - 1, -1, -1):
        character = text[position]
        if character == "<" and plain >= 0 and _begins_tag(text, position):
            ends[position] = plain
        following = plain
        if character == ">":
            plain = after_equals = position + 1
        elif character == "=":
            plain = after_equals
        elif character == '"':
            after_equals, in_double = in_double, following
        elif character == "'":
            after_equals, in_single = in_single, following
        elif character not in whitespace:
            after_equals = following
    return ends


def _begins_tag(text: str, position: int) -> bool:
    after = position + 2 if text.startswith("/", position + 1) else position + 1
    return text[after : after + 1] in ascii_letters and after < len(text)


def media_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rich part of an event's data; strings in it that hold JSON objects or lists are read."""
    source = next((data[key] for key in ("rich_media_data", "rich_media", "display") if data.get(key)), None)
    media = as_object(_parsed(source)) or {key: data[key] for key in _MEDIA_KEYS if key in data}
    return {key: _parsed(value) for key, value in media.items()}


def display_items(data: Mapping[str, Any], *, name: str = "", max_text_chars: int | None = None) -> list[DisplayItem]:
    """Everything to show of an event's data, in the order to show it; `name` is the event's."""
    media = media_of(data)
    items = text_items(_shown_text(data), silent=bool(data.get("silent")) or name == "write", limit=max_text_chars)
    if media.get("table") is not None:
        items.append(DisplayItem(kind="table", data=media["table"]))
    items.extend(_attachment(each) for each in _objects(media.get("attachments") or media.get("attachment")))
    choices = [
        choice for each in _listed(media.get("quick_replies") or media.get("buttons")) for choice in _choice(each)
    ]
    if choices:
        items.append(DisplayItem(kind="choices", data=choices))
    for each in _listed(media.get("image") or media.get("images")):
        if isinstance(each, str) and each:
            items.append(DisplayItem(kind="image", url=each, data=each))
        elif isinstance(each, Mapping):
            items.append(DisplayItem(kind="image", url=_first(each, "src", "url"), data=each))
    return items


def text_items(text: str, *, silent: bool = False, limit: int | None = None) -> list[DisplayItem]:
    """A text as items: none when it is empty, several when it is longer than `limit` characters."""
    return [DisplayItem(kind="text", text=piece, silent=silent) for piece in _pieces(text, limit)]


def _pieces(text: str, limit: int | None) -> Iterator[str]:
    if limit is not None and limit < 1:
        raise ValueError("max_text_chars must be at least 1")
    text = text.strip()
    start = 0
    while limit is not None and len(text) - start > limit:
        space = text.rfind(" ", start, start + limit + 1)
        end = space if space > start else start + limit
        yield text[start:end].strip()
        start = end
        while text[start].isspace():
            start += 1
    if start < len(text):
        yield text[start:]


def _shown_text(data: Mapping[str, Any]) -> str:
    for value in (data.get("utterance"), data.get("text"), data.get("utterances")):
        if isinstance(value, list | tuple):
            value = " ".join(part for part in value if isinstance(part, str))
        if isinstance(value, str) and value:
            return strip_ssml(value)
    return ""


def _attachment(attached: Mapping[str, Any]) -> DisplayItem:
    payload = as_object(attached.get("payload"))
    return DisplayItem(
        kind="image" if attached.get("type") == "image" else "attachment",
        data=attached,
        title=_first(attached, "title"),
        url=_first(payload, "src", "url") or _first(attached, "src", "url"),
    )


def _choice(offered: Any) -> Iterator[dict[str, Any]]:
    if isinstance(offered, str) and offered:
        yield {"title": offered, "payload": offered, "data": offered}
    elif isinstance(offered, Mapping):
        title = _first(offered, "title", "label", "text")
        payload = next((offered[key] for key in ("payload", "value") if offered.get(key) not in (None, "")), title)
        if title or payload:
            yield {"title": title, "payload": payload, "data": offered}


def _first(mapping: Mapping[str, Any], *keys: str) -> str:
    return next((value for key in keys if isinstance(value := mapping.get(key), str) and value), "")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in _listed(value) if isinstance(each, Mapping)]


def _parsed(value: Any) -> Any:
    """What a string holds as JSON, when that is an object or a list; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
