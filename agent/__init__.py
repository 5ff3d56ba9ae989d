"""The Thalovant device agent, and the client library it is built on.

    from agent import ThalovantClient, ThalovantIdentity

What stands in `__all__` is the library's face; everything else in this package is the agent's own. A name is loaded on
first use, so that importing the package costs nothing and the agent never pays for what it does not use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.hub.client import ThalovantClient
    from agent.hub.context import build_client_context, build_location, request_context
    from agent.hub.control import ThalovantControlPlane
    from agent.hub.doctor import ThalovantDoctorReport
    from agent.hub.errors import (
        IntentQuota,
        ThalovantAdmissionFailedError,
        ThalovantAdmissionTimeoutError,
        ThalovantAlreadyLinkedError,
        ThalovantAPIError,
        ThalovantAPIUnreachableError,
        ThalovantAuthError,
        ThalovantClientKeyRejectedError,
        ThalovantConnectionError,
        ThalovantError,
        ThalovantHubKeyChangedError,
        ThalovantHubRefusedError,
        ThalovantIdentityError,
        ThalovantPlanError,
        ThalovantPolicyDeniedError,
        ThalovantRuntimeError,
        ThalovantTimeoutError,
        ThalovantUnansweredError,
        ThalovantUnsupportedConnectionTypeError,
        ThalovantUnsupportedProtocolError,
    )
    from agent.hub.events import (
        EVENT_ADAPT_MANIFEST,
        EVENT_ADAPT_MANIFEST_GET,
        EVENT_AUDIO_QUEUE,
        EVENT_FALLBACK_LIST,
        EVENT_FALLBACK_LIST_RESPONSE,
        EVENT_INTENT_DESCRIBE,
        EVENT_INTENT_DESCRIBE_RESPONSE,
        EVENT_INTENT_FAILURE,
        EVENT_INTENT_LIST,
        EVENT_INTENT_LIST_RESPONSE,
        EVENT_INTENT_UNMATCHED,
        EVENT_OVOS_UTTERANCE_SPEAK,
        EVENT_PADATIOUS_MANIFEST,
        EVENT_PADATIOUS_MANIFEST_GET,
        EVENT_POLICY_DENIED,
        EVENT_QUERY_TIMEOUT,
        EVENT_RECOGNIZER_LOOP_UTTERANCE,
        EVENT_SKILLS_LIST,
        EVENT_SKILLS_LIST_RESPONSE,
        EVENT_SPEAK,
        EVENT_UTTERANCE_HANDLED,
        FAILURE_EVENTS,
        HIVE_KINDS,
        HOME_REQUEST,
        HOME_RESPONSE,
        MEDIA_EVENTS,
        SPEAK_EVENTS,
        ThalovantEvent,
    )
    from agent.hub.health import ThalovantConnectionInfo, ThalovantHealth
    from agent.hub.hubs import hub_display_name
    from agent.hub.identity import ThalovantIdentity
    from agent.hub.reply import ThalovantBinary, ThalovantReply
    from agent.hub.subscriptions import ThalovantSubscription
    from agent.hub.turns import ThalovantConversation

__all__ = [
    "EVENT_ADAPT_MANIFEST",
    "EVENT_ADAPT_MANIFEST_GET",
    "EVENT_AUDIO_QUEUE",
    "EVENT_FALLBACK_LIST",
    "EVENT_FALLBACK_LIST_RESPONSE",
    "EVENT_INTENT_DESCRIBE",
    "EVENT_INTENT_DESCRIBE_RESPONSE",
    "EVENT_INTENT_FAILURE",
    "EVENT_INTENT_LIST",
    "EVENT_INTENT_LIST_RESPONSE",
    "EVENT_INTENT_UNMATCHED",
    "EVENT_OVOS_UTTERANCE_SPEAK",
    "EVENT_PADATIOUS_MANIFEST",
    "EVENT_PADATIOUS_MANIFEST_GET",
    "EVENT_POLICY_DENIED",
    "EVENT_QUERY_TIMEOUT",
    "EVENT_RECOGNIZER_LOOP_UTTERANCE",
    "EVENT_SKILLS_LIST",
    "EVENT_SKILLS_LIST_RESPONSE",
    "EVENT_SPEAK",
    "EVENT_UTTERANCE_HANDLED",
    "FAILURE_EVENTS",
    "HIVE_KINDS",
    "HOME_REQUEST",
    "HOME_RESPONSE",
    "MEDIA_EVENTS",
    "SPEAK_EVENTS",
    "IntentQuota",
    "ThalovantAPIError",
    "ThalovantAPIUnreachableError",
    "ThalovantAdmissionFailedError",
    "ThalovantAdmissionTimeoutError",
    "ThalovantAlreadyLinkedError",
    "ThalovantAuthError",
    "ThalovantBinary",
    "ThalovantClient",
    "ThalovantClientKeyRejectedError",
    "ThalovantConnectionError",
    "ThalovantConnectionInfo",
    "ThalovantControlPlane",
    "ThalovantConversation",
    "ThalovantDoctorReport",
    "ThalovantError",
    "ThalovantEvent",
    "ThalovantHealth",
    "ThalovantHubKeyChangedError",
    "ThalovantHubRefusedError",
    "ThalovantIdentity",
    "ThalovantIdentityError",
    "ThalovantPlanError",
    "ThalovantPolicyDeniedError",
    "ThalovantReply",
    "ThalovantRuntimeError",
    "ThalovantSubscription",
    "ThalovantTimeoutError",
    "ThalovantUnansweredError",
    "ThalovantUnsupportedConnectionTypeError",
    "ThalovantUnsupportedProtocolError",
    "build_client_context",
    "build_location",
    "hub_display_name",
    "request_context",
]

_PLACES = {
    "IntentQuota": "errors",
    "ThalovantBinary": "reply",
    "ThalovantClient": "client",
    "ThalovantConnectionInfo": "health",
    "ThalovantControlPlane": "control",
    "ThalovantConversation": "turns",
    "ThalovantDoctorReport": "doctor",
    "ThalovantEvent": "events",
    "ThalovantHealth": "health",
    "ThalovantIdentity": "identity",
    "ThalovantReply": "reply",
    "ThalovantSubscription": "subscriptions",
    "build_client_context": "context",
    "build_location": "context",
    "hub_display_name": "hubs",
    "request_context": "context",
}
"""The module of `agent.hub` that a name lives in; constants live in `events`, errors in `errors`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = _PLACES.get(name) or ("events" if name.isupper() else "errors")
    value = getattr(importlib.import_module(f"agent.hub.{place}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
