"""The bus messages a client sends, built whole before anything is dialled.

Wire reference, messages.md sections 2 and 3. A message is stored, sent and sent again as it was built, so
everything the hub is told about a request, its id above all, is settled here. Only the runtime stamp, what
is known of the connection, is added at sending.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from agent.hub.protocol.bus import UTTERANCE, as_object, request_id_of, session_id_of
from agent.record import record

DEFAULT_LANG = "en-us"


@record(kw_only=True)
class BusMessage:
    """One message for the hub's bus. Its dictionaries belong to it alone: nobody changes them."""

    type: str
    data: Mapping[str, Any]
    context: Mapping[str, Any]

    @property
    def request_id(self) -> str | None:
        """The id its answer will carry; None for a message that has no answer."""
        return request_id_of(self.data, self.context)

    @property
    def session_id(self) -> str | None:
        """The conversation it belongs to; None for the connection's own."""
        return session_id_of(self.context)

    def as_payload(self) -> dict[str, Any]:
        """The payload of a `bus` envelope, and what `from_payload` reads."""
        return {"type": self.type, "data": copy.deepcopy(self.data), "context": copy.deepcopy(self.context)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> BusMessage:
        """Read back a message that was stored. ValueError when it has no type."""
        data, context = as_object(payload.get("data")), as_object(payload.get("context"))
        return cls(
            type=_text(payload.get("type"), "type"),
            data=copy.deepcopy(dict(data)),
            context=copy.deepcopy(dict(context)),
        )


def new_request_id() -> str:
    """A fresh id for one request, unique everywhere."""
    return f"thalovant-request-{os.urandom(16).hex()}"


def new_session_id() -> str:
    """A fresh id for one conversation, unique everywhere."""
    return f"thalovant-session-{os.urandom(16).hex()}"


def utterance(
    text: str,
    *,
    lang: str = DEFAULT_LANG,
    context: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    site_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> BusMessage:
    """What a person said or typed, as the hub hears it. The text is trimmed; ValueError when nothing is left.

    `site_id` and `metadata` are the identity's; what the caller's `context` already says wins over both.
    Without a `request_id` the message gets a fresh one, and without a `session_id` the connection's session.
    """
    text, lang = _text(text, "text"), _text(lang, "lang")
    return BusMessage(
        type=UTTERANCE,
        data={"utterances": [text], "lang": lang},
        context=_correlated(
            context, lang=lang, session_id=session_id, request_id=request_id, site_id=site_id, metadata=metadata
        ),
    )


def action(
    payload: str,
    *,
    title: str | None = None,
    lang: str = DEFAULT_LANG,
    context: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    site_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> BusMessage:
    """A button, a menu pick or a confirmation: its payload goes where speech would, and the context says what it was.

    ValueError for an empty payload; a blank title counts as none.
    """
    message = utterance(
        payload,
        lang=lang,
        context=context,
        session_id=session_id,
        request_id=request_id,
        site_id=site_id,
        metadata=metadata,
    )
    pressed = {"kind": "action", "title": _optional(title), "payload": message.data["utterances"][0]}
    return BusMessage(type=message.type, data=message.data, context={**message.context, "input": pressed})


def code(
    value: str,
    *,
    kind: str = "code",
    label: str | None = None,
    lang: str = DEFAULT_LANG,
    context: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
    site_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    raw: bytes | None = None,
) -> BusMessage:
    """A scanned or typed value that must arrive as it is: marked `exact`, in the data and in the context.

    The value is trimmed, as the wire reference has it; ValueError when nothing is left. Trimming would lose
    the leading space of a label or the trailing GS of a GS1 code, so whoever holds the bytes passes them as
    `raw`: where they say more than the trimmed value, `context.input_raw` is `{"hex": "<the bytes>"}`.
    """
    message = utterance(
        value,
        lang=lang,
        context=context,
        session_id=session_id,
        request_id=request_id,
        site_id=site_id,
        metadata=metadata,
    )
    text = message.data["utterances"][0]
    scanned = {"kind": _text(kind, "kind"), "label": _optional(label), "value": text, "exact": True}
    stamped_context = {**message.context, "input": scanned}
    if raw is not None and raw != text.encode(errors="surrogatepass"):
        stamped_context["input_raw"] = {"hex": raw.hex()}
    return BusMessage(type=message.type, data={**message.data, "input": dict(scanned)}, context=stamped_context)


def event(
    type: str,
    data: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    *,
    metadata: Mapping[str, Any] | None = None,
) -> BusMessage:
    """Any other event, as given: no request id, no language. ValueError for an empty type."""
    return BusMessage(
        type=_text(type, "type"), data=copy.deepcopy(dict(data or {})), context=_with_metadata(context, metadata)
    )


def stamped(
    message: BusMessage, *, user_agent: str, session_id: str, site_id: str | None = None, lang: str | None = None
) -> BusMessage:
    """`message` with what is known of the connection filled in, where the message does not say otherwise.

    A session id that is missing, empty or "default" becomes the connection's: the hub keeps "default" to itself.
    """
    context = copy.deepcopy(dict(message.context))
    for key, text in (("source", user_agent), ("platform", user_agent), ("destination", "HiveMind")):
        context.setdefault(key, text)
    session = dict(as_object(context.get("session")))
    if session.get("session_id") in (None, "", "default"):
        session["session_id"] = session_id
    for key, value in (("site_id", site_id), ("lang", lang)):
        if value:
            session.setdefault(key, value)
    return BusMessage(type=message.type, data=message.data, context={**context, "session": session})


def _correlated(
    context: Mapping[str, Any] | None,
    *,
    lang: str,
    session_id: str | None,
    request_id: str | None,
    site_id: str | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    known = _with_metadata(context, metadata)
    session = dict(as_object(known.get("session")))
    if given := _optional(session_id):
        session["session_id"] = given
    if site_id:
        session.setdefault("site_id", site_id)
    session.setdefault("lang", lang)
    request = _optional(request_id) or new_request_id()
    session["request_id"] = request
    return {**known, "request_id": request, "thalovant_request_id": request, "session": session}


def _with_metadata(context: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of the caller's context, over the identity's metadata."""
    known = copy.deepcopy(dict(context or {}))
    if metadata:
        known["metadata"] = {**copy.deepcopy(dict(metadata)), **as_object(known.get("metadata"))}
    return known


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty")
    return value.strip()


def _optional(value: str | None) -> str | None:
    return (value or "").strip() or None
