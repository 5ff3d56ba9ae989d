"""The answer to a request as a caller gets it: a reply, or an error that says what came instead.

Wire reference, messages.md sections 5 and 6. The collecting is `agent.hub.protocol.replies`; this turns its
outcome, plain messages, into objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent.hub.errors import (
    IntentQuota,
    ThalovantPolicyDeniedError,
    ThalovantRuntimeError,
    ThalovantTimeoutError,
    ThalovantUnansweredError,
)
from agent.hub.events import (
    EVENT_INTENT_FAILURE,
    EVENT_INTENT_UNMATCHED,
    MEDIA_EVENTS,
    SPEAK_EVENTS,
    ThalovantEvent,
    from_payload,
)
from agent.hub.items import DisplayItem, strip_ssml, text_items
from agent.hub.protocol.bus import as_object, first_text
from agent.hub.protocol.replies import Ending, Outcome
from agent.record import field, record

_LARGEST_COUNT = 2**53 - 1  # above it a decoder that counts in doubles reads another number
_DIGITS = re.compile(r"[0-9]{1,16}")


@record(kw_only=True)
class ThalovantReply:
    """What a hub answered to one request."""

    text: str
    """All that was said, joined by spaces; speech mark-up and all."""
    utterances: tuple[str, ...] = ()
    """What was said, piece by piece."""
    handled: bool = True
    """The hub spoke, and did not break off."""
    session_id: str | None = None
    """The conversation to go on in: the hub may have moved the request to another."""
    request_id: str | None = None
    events: tuple[ThalovantEvent, ...] = ()
    failure_event: ThalovantEvent | None = None
    dropped_media: int = 0
    """Sounds the hub sent that were too large to keep."""

    @property
    def ok(self) -> bool:
        """True when the request was handled and nothing failed."""
        return self.handled and self.failure_event is None

    @property
    def raw_messages(self) -> tuple[Mapping[str, Any], ...]:
        """The messages of the reply as they came off the wire."""
        return tuple(event.raw for event in self.events)

    @property
    def lang(self) -> str | None:
        """The language the hub answered in, as the first event that names one has it."""
        return next((event.lang for event in self.events if event.lang), None)

    @property
    def media_events(self) -> tuple[ThalovantEvent, ...]:
        """What is to be said and played, in order."""
        return tuple(event for event in self.events if event.name in MEDIA_EVENTS)

    @property
    def has_audio(self) -> bool:
        """True when the hub sent sound along."""
        return any(event.has_audio for event in self.events)

    @property
    def display_text(self) -> str:
        """The text without its speech mark-up."""
        return strip_ssml(self.text)

    def display_items(self, *, max_text_chars: int | None = None) -> list[DisplayItem]:
        """What to show, in order; texts cut to pieces of at most `max_text_chars` when given."""
        items: list[DisplayItem] = []
        shown: list[DisplayItem] = []
        for event in self.events:
            latest = event.display_items(max_text_chars=max_text_chars)
            # The same speech under the old name and the new is shown once, as it is said once.
            if latest and latest != shown:
                items.extend(latest)
                shown = latest
        return items or text_items(self.display_text, limit=max_text_chars)

    @property
    def pipeline_ids(self) -> tuple[str, ...]:
        """The stages of the hub that took part, in the order they were first seen."""
        return _unique(event.context.get("pipeline_id") for event in self.events)

    @property
    def skill_ids(self) -> tuple[str, ...]:
        """The skills that took part, in the order they were first seen."""
        return _unique(event.context.get("skill_id") for event in self.events)

    @property
    def claimed(self) -> bool:
        """True when a skill took the request as its own, and not merely a fallback that answers anything.

        A hub that names no stages, an older one, is believed. A fallback that does know the answer says so
        in the `meta` of its own speech.
        """
        if not self.ok:
            return False
        spoken = (event for event in self.events if event.name in SPEAK_EVENTS)
        if any(as_object(event.data.get("meta")).get("thalovant_claimed") is True for event in spoken):
            return True
        return not self.pipeline_ids or any("fallback" not in stage for stage in self.pipeline_ids)

    def as_dict(self) -> dict[str, Any]:
        """The reply as JSON data."""
        return {
            "text": self.text,
            "display_text": self.display_text,
            "handled": self.handled,
            "session_id": self.session_id,
            "request_id": self.request_id,
            "display_items": [item.as_dict() for item in self.display_items()],
        }


@record(kw_only=True)
class ThalovantBinary:
    """A binary frame from the hub: rendered speech, a file. It names no request."""

    kind: str
    """What it is: "tts_audio", "file", …, or "binary:<n>" for a kind without a name."""
    data: bytes = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def utterance(self) -> str | None:
        """What the sound says; the only thing to match it to a request by."""
        return self._named("utterance")

    @property
    def lang(self) -> str | None:
        return self._named("lang")

    @property
    def file_name(self) -> str | None:
        """What the hub would call the file: a hint for a person, never a path to write to."""
        return self._named("file_name")

    def _named(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None


def reply_from(outcome: Outcome, *, session_id: str | None, request_id: str) -> ThalovantReply:
    """The reply in an outcome that has speech; for any other the error it stands for is raised."""
    events = _events(outcome.messages)
    failure = _event(outcome.failure)
    if outcome.ending is not Ending.ANSWERED:
        if failure is not None:
            raise failure_error(failure)
        raise ThalovantTimeoutError("the hub did not answer in time")
    answered_in = next((event.session_id for event in events if event.session_id), None)
    return ThalovantReply(
        text=" ".join(outcome.fragments),
        utterances=outcome.fragments,
        handled=outcome.handled,
        session_id=answered_in or session_id,
        request_id=request_id,
        events=events,
        failure_event=failure,
        dropped_media=outcome.dropped_media,
    )


def failure_error(event: ThalovantEvent) -> ThalovantRuntimeError:
    """The error a failure event stands for: denied by a policy, not answered, or given up by the hub."""
    if event.is_policy_denied:
        return _denial(event)
    if event.name in (EVENT_INTENT_UNMATCHED, EVENT_INTENT_FAILURE):
        return ThalovantUnansweredError(said=event.text)
    reason = first_text(event.data.get(key) for key in ("reason", "error", "code"))
    return ThalovantRuntimeError(f"the hub gave up: {reason}" if reason else "the hub gave up")


def _denial(event: ThalovantEvent) -> ThalovantPolicyDeniedError:
    detail = as_object(event.data.get("data"))
    code = _string(event.data.get("code"))
    allowed = detail.get("allowed")
    quota = None
    if code == "intent_quota_exceeded":
        quota = IntentQuota(
            period=_string(detail.get("period")),
            limit=_count(detail.get("limit")),
            used=_count(detail.get("used")),
            reset_after=_count(detail.get("reset_after")),
        )
    return ThalovantPolicyDeniedError(
        denied_type=_string(event.data.get("denied_type")),
        code=code,
        reason=_string(event.data.get("reason")),
        allowed=[
            each.strip()
            for each in (allowed if isinstance(allowed, list | tuple) else ())
            if isinstance(each, str) and each.strip()
        ],
        quota=quota,
    )


def _count(value: Any) -> int:
    """A whole number every JSON decoder carries exactly, from a number or its digits; anything else is 0."""
    if isinstance(value, str):
        value = int(value.strip()) if _DIGITS.fullmatch(value.strip()) else 0
    if isinstance(value, float):
        value = int(value) if value.is_integer() else 0
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value <= _LARGEST_COUNT else 0


def _string(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _event(message: Mapping[str, Any] | None) -> ThalovantEvent | None:
    return None if message is None else from_payload(message)


def _events(messages: Iterable[Mapping[str, Any]]) -> tuple[ThalovantEvent, ...]:
    return tuple(event for message in messages if (event := from_payload(message)) is not None)


def _unique(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and value))
