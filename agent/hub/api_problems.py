"""What a refusal of the control plane means: a status, headers and a body become the error a caller can branch on.

Wire reference, control-plane.md section 2. Pure. The error keeps all that the API said (`problem`, `detail`); its
message keeps only the API's sentence, since the rest of the body may be the request come back, secrets included.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from agent.hub.api_secrets import hide
from agent.hub.errors import (
    ThalovantAlreadyLinkedError,
    ThalovantAPIError,
    ThalovantAuthError,
    ThalovantPlanError,
)

_LONGEST_SENTENCE = 200  # characters of the API's sentence in a message
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_WAIT_HEADERS = ("retry-after", "ratelimit-reset")
_LONGEST_WAIT = 9  # digits of a number of seconds in a header; an HTTP date is not read
_LINK_KEYS = ("client_id", "existing_client_id", "connection_id")
_KIND_NAMES = ("connection_type", "connectionType")


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that `body` is, or None."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: Collection[str] = ()
) -> ThalovantAPIError:
    """The error for an answer that is no 2xx. `secrets` are texts of the request that its message must not repeat."""
    problem = json_object(body)
    code, detail = code_of(problem), detail_of(problem)
    fields: dict[str, Any] = {
        "status_code": status,
        "problem": problem,
        "code": code,
        "detail": detail,
        "retry_after_seconds": _retry_after(problem, headers),
    }
    message = _message(status, problem, code, secrets)
    if status in (401, 423) or (status == 403 and detail == "Insufficient scopes"):
        return ThalovantAuthError(message, **fields)
    if status == 402 or (status == 403 and code == "plan_limit"):
        return ThalovantPlanError(message, **fields)
    if status == 409 and code == "home_assistant_already_linked":
        return ThalovantAlreadyLinkedError(message, client_id=_linked_client(problem), **fields)
    return ThalovantAPIError(message, **fields)


def fields_of(error: ThalovantAPIError) -> dict[str, Any]:
    """What the API said in `error`, to say it again in an error of another class."""
    return {
        "status_code": error.status_code,
        "problem": error.problem,
        "code": error.code,
        "detail": error.detail,
        "retry_after_seconds": error.retry_after_seconds,
    }


def code_of(problem: Mapping[str, Any] | None) -> str | None:
    """The problem's code: a word for programs."""
    return next(_texts(problem, "code"), None)


def detail_of(problem: Mapping[str, Any] | None) -> str | None:
    """The problem's sentence, exactly as sent."""
    return next(_texts(problem, "detail"), None)


def error_word(error: ThalovantAPIError) -> str | None:
    """The word of an OAuth refusal, `{"error": "authorization_pending"}`; None when there is none."""
    return next(_texts(error.problem, "error"), None)


def names_connection_type(error: ThalovantAPIError) -> bool:
    """True when a 422 is about the kind of connection.

    Looked for where the API speaks, never where it may echo the request (control-plane.md section 6).
    """
    problem = error.problem or {}
    said: list[Any] = [error.detail, error.code]
    for entries in (problem.get("errors"), problem.get("detail")):
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                place = entry.get("loc")
                said += [entry.get("msg"), *(place if isinstance(place, list) else (place,))]
    return any(name in text for text in said if isinstance(text, str) for name in _KIND_NAMES)


def _texts(problem: Mapping[str, Any] | None, *names: str) -> Iterator[str]:
    """The texts called `names`, in that order, each at the top or else inside a `detail` that is an object."""
    top = problem or {}
    inner = top.get("detail")
    for name in names:
        for place in (top, inner if isinstance(inner, Mapping) else {}):
            value = place.get(name)
            if isinstance(value, str) and value.strip():
                yield value


def _message(status: int, problem: Mapping[str, Any] | None, code: str | None, secrets: Collection[str]) -> str:
    text = f"Thalovant API request failed with HTTP {status}"
    # Hidden first: collapsing or cutting could leave a part of a secret that is then not recognised.
    sentence = sentence_of(hide(next(_texts(problem, "detail", "message", "error"), ""), secrets))
    if sentence:
        text += f": {sentence}"
    if code and code != sentence and _CODE.fullmatch(code) and hide(code, secrets) == code:
        text += f" ({code})"
    return text


def sentence_of(text: str) -> str:
    """`text` of a peer, fit for a line on a terminal: one line, nothing unprintable, at most 200 characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_SENTENCE else line[:_LONGEST_SENTENCE] + "..."


def _retry_after(problem: Mapping[str, Any] | None, headers: Mapping[str, str]) -> float | None:
    inner = (problem or {}).get("detail")
    for place in (problem or {}, inner if isinstance(inner, Mapping) else {}):
        seconds = place.get("retry_after_seconds")
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < math.inf:
            return float(seconds)
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    for name in _WAIT_HEADERS:
        digits = lower.get(name, "")
        if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_WAIT:
            return float(digits)
    return None


def _linked_client(problem: Mapping[str, Any] | None) -> str | None:
    return next(_texts(problem, *_LINK_KEYS), None)
