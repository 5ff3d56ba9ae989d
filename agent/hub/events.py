"""What the hub says, as events: their names, their readings, and which of them concern a caller.

Wire reference, messages.md sections 1 and 5. An event comes from the network, so every property can be
asked of any event: what is not there, or is of the wrong kind, reads as absent.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from agent.hub.items import DisplayItem, display_items, media_of, strip_ssml
from agent.hub.protocol import bus
from agent.record import field, record

EVENT_RECOGNIZER_LOOP_UTTERANCE = bus.UTTERANCE
EVENT_SPEAK = bus.SPEAK
EVENT_OVOS_UTTERANCE_SPEAK = bus.OVOS_SPEAK
EVENT_UTTERANCE_HANDLED = bus.HANDLED
EVENT_INTENT_FAILURE = bus.INTENT_FAILURE
EVENT_INTENT_UNMATCHED = bus.INTENT_UNMATCHED
EVENT_POLICY_DENIED = bus.POLICY_DENIED
EVENT_QUERY_TIMEOUT = bus.QUERY_TIMEOUT
EVENT_AUDIO_QUEUE = bus.AUDIO_QUEUE
EVENT_INTENT_LIST = "ovos.intent.list"
EVENT_INTENT_LIST_RESPONSE = "ovos.intent.list.response"
EVENT_INTENT_DESCRIBE = "ovos.intent.describe"
EVENT_INTENT_DESCRIBE_RESPONSE = "ovos.intent.describe.response"
EVENT_SKILLS_LIST = "ovos.skills.list"
EVENT_SKILLS_LIST_RESPONSE = "ovos.skills.list.response"
EVENT_FALLBACK_LIST = "ovos.skills.fallback.list"
EVENT_FALLBACK_LIST_RESPONSE = "ovos.skills.fallback.list.response"
EVENT_ADAPT_MANIFEST_GET = "intent.service.adapt.manifest.get"
EVENT_ADAPT_MANIFEST = "intent.service.adapt.manifest"
EVENT_PADATIOUS_MANIFEST_GET = "intent.service.padatious.manifest.get"
EVENT_PADATIOUS_MANIFEST = "intent.service.padatious.manifest"
HOME_REQUEST = "thalovant.home.request"
HOME_RESPONSE = "thalovant.home.response"

SPEAK_EVENTS = frozenset({EVENT_SPEAK, EVENT_OVOS_UTTERANCE_SPEAK})
MEDIA_EVENTS = frozenset({*SPEAK_EVENTS, EVENT_AUDIO_QUEUE})
FAILURE_EVENTS = frozenset({EVENT_INTENT_FAILURE, EVENT_INTENT_UNMATCHED, EVENT_POLICY_DENIED, EVENT_QUERY_TIMEOUT})
HIVE_KINDS = ("broadcast", "propagate", "escalate", "intercom", "rendezvous")
"""The frames between hubs a client may listen to."""

MAX_AUDIO_BYTES = 4 << 20


@record(kw_only=True)
class ThalovantEvent:
    """One bus message from the hub, with its route turned to the client's point of view."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The message as it came off the wire. A reply is addressed from this one's context."""

    @property
    def text(self) -> str:
        """What to say or show, mark-up and all; empty when there is none."""
        return bus.text_of(self.data)

    @property
    def utterances(self) -> tuple[str, ...]:
        """All texts of the event."""
        return bus.utterances_of(self.data)

    @property
    def display_text(self) -> str:
        """The text without its speech mark-up."""
        return strip_ssml(self.text)

    @property
    def session_id(self) -> str | None:
        return bus.session_id_of(self.context)

    @property
    def site_id(self) -> str | None:
        return bus.first_text((bus.session_of(self.context).get("site_id"), self.context.get("site_id")))

    @property
    def request_id(self) -> str | None:
        """The request this answers; None for what the hub says of its own accord, denials among it."""
        return bus.request_id_of(self.data, self.context)

    @property
    def lang(self) -> str | None:
        session = bus.session_of(self.context)
        return bus.first_text((self.data.get("lang"), self.context.get("lang"), session.get("lang")))

    @property
    def is_policy_denied(self) -> bool:
        return self.name == EVENT_POLICY_DENIED

    @property
    def is_failure(self) -> bool:
        return self.name in FAILURE_EVENTS

    @property
    def is_audio(self) -> bool:
        return self.name == EVENT_AUDIO_QUEUE

    @property
    def has_audio(self) -> bool:
        """True when the sound itself came along. Paths and addresses in the event are never fetched."""
        sound = self.data.get("binary_data")
        return self.is_audio and isinstance(sound, str) and bool(sound)

    def audio_bytes(self, max_bytes: int = MAX_AUDIO_BYTES) -> bytes:
        """The sound. ValueError when there is none, it is not hex, or it is larger than `max_bytes`."""
        if not self.has_audio:
            raise ValueError("the event carries no audio")
        sound: str = self.data["binary_data"]
        if len(sound) > 2 * max_bytes:
            raise ValueError(f"the event's audio is larger than {max_bytes} bytes")
        try:
            return bytes.fromhex(sound)
        except ValueError:
            raise ValueError("the event's audio is not hex") from None

    @property
    def rich_media(self) -> Mapping[str, Any]:
        """Tables, images and choices the event carries; empty when there are none."""
        return media_of(self.data)

    def display_items(self, *, max_text_chars: int | None = None) -> list[DisplayItem]:
        """What to show, in order; texts cut to pieces of at most `max_text_chars` when given."""
        return display_items(self.data, name=self.name, max_text_chars=max_text_chars)

    def as_dict(self) -> dict[str, Any]:
        """The event and its readings as JSON data."""
        return {
            "name": self.name,
            "data": copy.deepcopy(dict(self.data)),
            "context": copy.deepcopy(dict(self.context)),
            "text": self.text,
            "display_text": self.display_text,
            "session_id": self.session_id,
            "request_id": self.request_id,
            "display_items": [item.as_dict() for item in self.display_items()],
        }


def from_payload(payload: Mapping[str, Any]) -> ThalovantEvent | None:
    """The event in the payload of a `bus` envelope; None when it has no type, which nobody could listen for.

    The route is told from this side: what the hub addressed the message to becomes its `source`, and its
    `destination` goes, as does the peer the hub verified for itself.
    """
    name = payload.get("type")
    if not isinstance(name, str) or not name:
        return None
    context = dict(bus.as_object(payload.get("context")))
    context.pop("hivemind_verified_source_peer", None)
    if "destination" in context:
        context["source"] = context.pop("destination")
    return ThalovantEvent(name=name, data=bus.as_object(payload.get("data")), context=context, raw=payload)


def from_envelope(envelope: Mapping[str, Any], *, site_id: str | None = None) -> ThalovantEvent | None:
    """The event an envelope brings this client; None when it brings none.

    A `bus` does, and so does a `broadcast` around a `bus` that is aimed at the client's site.
    """
    payload = bus.as_object(envelope.get("payload"))
    match envelope.get("msg_type"):
        case "bus":
            return from_payload(payload)
        case "broadcast" if payload.get("msg_type") == "bus" and site_id:
            targets = (envelope.get("target_site_id"), payload.get("target_site_id"))
            return from_payload(bus.as_object(payload.get("payload"))) if site_id in targets else None
    return None


def concerns(
    event: ThalovantEvent,
    *,
    context: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    request_id: str | None = None,
) -> bool:
    """True when `event` may belong to the request or the conversation a listener named, by ids or by a context.

    Where both sides have a request id, it decides. Else two different session ids tell strangers apart.
    What either side leaves out is compatible with anything.
    """
    wanted_request = request_id or bus.request_id_of({}, context or {})
    if wanted_request and event.request_id:
        return wanted_request == event.request_id
    wanted_session = session_id or bus.session_id_of(context or {})
    return not (wanted_session and event.session_id) or wanted_session == event.session_id


def hive_kind(kind: str) -> str:
    """`kind` when it is a frame between hubs that can be listened to; ValueError for any other."""
    if kind not in HIVE_KINDS:
        raise ValueError(f"{kind!r} frames cannot be listened to; {', '.join(HIVE_KINDS)} can")
    return kind
