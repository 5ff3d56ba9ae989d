"""Builders of the context that travels with a message: who asks, from where, in what language.

Wire reference, messages.md section 4, and section 7 for replies. What is built is the caller's to change,
and what was passed in is left as it was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from agent.hub.protocol.bus import as_object


def build_client_context(
    context: Mapping[str, Any] | None = None,
    *,
    user_id: str | None = None,
    user_name: str | None = None,
    roles: Iterable[str] | None = None,
    auth_token: str | None = None,
    auth_provider: str | None = None,
    auth_claims: Mapping[str, Any] | None = None,
    platform: str | None = None,
    source: str | None = None,
    destination: str | None = None,
    channel: str | None = None,
    locale: str | None = None,
    device_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    session_id: str | None = None,
) -> dict[str, Any]:
    """`context` with what is known of the client added, in the places hubs and skills look for it.

    An empty text or collection counts as not given. `auth_token` is a secret: the result is not for a log.
    """
    built = dict(context or {})

    def add(place: str, **values: Any) -> None:
        given = {key: value for key, value in values.items() if value}
        if given:
            built[place] = {**as_object(built.get(place)), **given}

    def add_missing(place: str, **values: Any) -> None:
        given = {key: value for key, value in values.items() if value}
        if given:
            built[place] = {**given, **as_object(built.get(place))}

    given_roles = [roles] if isinstance(roles, str) and roles else list(roles or ())
    add("user", id=user_id, name=user_name, roles=given_roles)
    add(
        "auth",
        token=auth_token,
        provider=auth_provider,
        claims=copy.deepcopy(dict(auth_claims)) if auth_claims else None,
    )
    if metadata:
        built["metadata"] = {**as_object(built.get("metadata")), **copy.deepcopy(dict(metadata))}
    add_missing("device", id=device_id, platform=platform if device_id else None)
    add_missing("session", session_id=session_id)
    top = {
        "user_id": user_id,
        "user_name": user_name,
        "roles": given_roles,
        "auth_token": auth_token,
        "platform": platform,
        "source": source,
        "destination": destination,
        "channel": channel,
        "locale": locale,
        "session_id": session_id,
    }
    for key, value in top.items():
        if value:
            built.setdefault(key, list(value) if isinstance(value, list) else value)
    return built


def build_location(  # noqa: PLR0917 - the published client's call, which takes them by place too
    city: str,
    region: str | None = None,
    country: str | None = None,
    latitude: Any = None,
    longitude: Any = None,
    timezone: str | None = None,
) -> dict[str, Any] | None:
    """A place as skills read it; None without a city.

    Coordinates go in when both are numbers on the globe and not both zero, which is where a device that
    knows nothing of its place claims to be.
    """
    name = _trimmed(city)
    if not name:
        return None
    location: dict[str, Any] = {"city": name}
    if region := _trimmed(region):
        location["region"] = region
    if code := _trimmed(country):
        location["country_code"] = code.upper()
    if zone := _trimmed(timezone):
        location["timezone"] = {"code": zone}
    try:
        north, east = float(latitude), float(longitude)
    except (TypeError, ValueError, OverflowError):
        return location
    if -90 <= north <= 90 and -180 <= east <= 180 and (north or east):
        location["coordinate"] = {"latitude": north, "longitude": east}
    return location


def request_context(
    context: Mapping[str, Any] | None,
    *,
    stt_lang: str | None = None,
    pipeline: Iterable[str] | None = None,
    location: Mapping[str, Any] | None = None,
) -> dict[str, Any] | None:
    """A copy of `context` with one request's hints added; None when that leaves nothing to say.

    `stt_lang` is the language speech was recognised in, `pipeline` the stages the hub shall try.
    """
    built = copy.deepcopy(dict(context or {}))
    if lang := _trimmed(stt_lang):
        built["stt_lang"] = lang
    if stages := [stage for stage in map(_trimmed, pipeline or ()) if stage]:
        built["session"] = {**as_object(built.get("session")), "pipeline": stages}
    if location:
        built["location"] = copy.deepcopy(dict(location))
    return built or None


def merged_context(under: Mapping[str, Any] | None, over: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """`over` on top of `under`: the session key by key, everything else whole; None when there is neither."""
    below, above = dict(under or {}), dict(over or {})
    merged = {**below, **above}
    if "session" in below and isinstance(above.get("session"), Mapping):
        merged["session"] = {**as_object(below["session"]), **above["session"]}
    return copy.deepcopy(merged) or None


def reply_context(wire_context: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The context of an answer to a message that came with `wire_context`, which is `ThalovantEvent.raw`'s.

    A copy with the caller's entries over it, and then the route turned round. A message that did not say
    where it came from is answered to nobody in particular.
    """
    built = copy.deepcopy(dict(wire_context)) | copy.deepcopy(dict(context or {}))
    source, destination = built.get("source"), built.pop("destination", None)
    if isinstance(destination, list | tuple):
        destination = destination[0] if destination else None
    if destination is not None:
        built["source"] = destination
    if source is not None:
        built["destination"] = source
    return built


def _trimmed(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
