"""The part of JSON Schema that our schema files use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}
_KNOWN = {"$ref", "enum", "type", "required", "properties", "additionalProperties", "items", "description"}
_HEAD = {"$schema", "title", "$defs"}


class Schema:
    """A schema file. `problems` has a sentence for each place where a value does not fit."""

    def __init__(self, path: Path) -> None:
        self._root: dict[str, Any] = json.loads(path.read_text())

    def problems(self, value: object) -> list[str]:
        return list(self._check(value, {key: one for key, one in self._root.items() if key not in _HEAD}, "$"))

    def _check(self, value: Any, rule: Mapping[str, Any], where: str) -> Iterator[str]:
        assert rule.keys() <= _KNOWN, f"{where}: this reader knows nothing of {rule.keys() - _KNOWN}"
        if "$ref" in rule:
            rule = self._root["$defs"][rule["$ref"].rpartition("/")[2]]
        if "enum" in rule and value not in rule["enum"]:
            yield f"{where}: {value!r} is none of {rule['enum']}"
        kinds = rule.get("type", [])
        allowed = [one for kind in ([kinds] if isinstance(kinds, str) else kinds) for one in _TYPES[kind]]
        if allowed and (not isinstance(value, tuple(allowed)) or (isinstance(value, bool) and bool not in allowed)):
            yield f"{where}: {value!r} is no {kinds}"
            return
        if isinstance(value, dict):
            yield from self._check_object(value, rule, where)
        if isinstance(value, list) and "items" in rule:
            for index, item in enumerate(value):
                yield from self._check(item, rule["items"], f"{where}[{index}]")

    def _check_object(self, value: Mapping[str, Any], rule: Mapping[str, Any], where: str) -> Iterator[str]:
        yield from (f"{where}.{name} is missing" for name in rule.get("required", ()) if name not in value)
        properties, more = rule.get("properties", {}), rule.get("additionalProperties", True)
        for name, item in value.items():
            if name in properties:
                yield from self._check(item, properties[name], f"{where}.{name}")
            elif more is False:
                yield f"{where}.{name} is not in the schema"
            elif isinstance(more, dict):
                yield from self._check(item, more, f"{where}.{name}")
