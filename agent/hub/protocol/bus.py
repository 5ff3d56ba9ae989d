"""What a bus message says: the names of the types this client knows, and where their fields stand.

Plain dictionaries as they come off the wire, so anything may be missing or of the wrong kind: a reading
that cannot be made is absent, never an error. Wire reference, messages.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

UTTERANCE = "recognizer_loop:utterance"
SPEAK = "speak"
OVOS_SPEAK = "ovos.utterance.speak"
HANDLED = "ovos.utterance.handled"
INTENT_FAILURE = "complete_intent_failure"
INTENT_UNMATCHED = "ovos.intent.unmatched"
POLICY_DENIED = "hive.policy.denied"
QUERY_TIMEOUT = "hive.query.timeout"
AUDIO_QUEUE = "mycroft.audio.queue"

_REQUEST_ID_KEYS = ("request_id", "thalovant_request_id", "correlation_id")


def as_object(value: Any) -> Mapping[str, Any]:
    """`value` when it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def first_text(values: Iterable[Any]) -> str | None:
    """The first of `values` that is a string with something in it."""
    return next((value for value in values if isinstance(value, str) and value.strip()), None)


def utterances_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of an utterance or a speak."""
    texts = data.get("utterances")
    if isinstance(texts, str):
        return (texts,)
    if isinstance(texts, list | tuple):
        return tuple(text for text in texts if isinstance(text, str))
    text = data.get("utterance")
    return (text,) if isinstance(text, str) else ()


def text_of(data: Mapping[str, Any]) -> str:
    """The one text to show or say; empty when there is none."""
    text = data.get("utterance") or data.get("text")
    if isinstance(text, str):
        return text
    return next(iter(utterances_of(data)), "")


def session_of(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The conversation a message belongs to, as the hub carries it whole."""
    return as_object(context.get("session"))


def session_id_of(context: Mapping[str, Any]) -> str | None:
    """The id of the conversation."""
    return first_text((session_of(context).get("session_id"), context.get("session_id")))


def request_id_of(data: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """The id of the request a message answers, from whichever place has one first."""
    places = (context, session_of(context), data)
    return first_text(place.get(key) for place in places for key in _REQUEST_ID_KEYS)
