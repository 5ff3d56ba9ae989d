"""What a hub resource of the control plane says: its name for people, where it listens, and how its lists go on.

Wire reference, control-plane.md section 4, identity.md sections 2, 3 and 8. Pure: resources come in as JSON data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from agent.hub.endpoints import Endpoints, ProtocolFlags, normalise_endpoint, text_of
from agent.hub.errors import ThalovantAPIError
from agent.record import replace

_ENDPOINT_KEYS = ("data_plane_endpoints", "dataPlaneEndpoints", "endpoints")
_WEB_SCHEMES = {"https": ("http", "https", "ws", "wss"), "wss": ("http", "https")}
_NAMELESS = "A Thalovant hub"


def hub_display_name(hub: Mapping[str, Any]) -> str:
    """The hub's name for people: its title, else its own name, else its slug in words."""
    spec = hub.get("spec")
    catalog = spec.get("catalog") if isinstance(spec, Mapping) else None
    title = catalog.get("title") if isinstance(catalog, Mapping) else None
    name, slug = _text(hub.get("name")), _text(hub.get("slug"))
    if found := _text(title) or _text(hub.get("title")):  # public listings have the title at the top
        return found
    if name and name != slug:
        return name
    words = (slug or "").replace("_", " ").replace("-", " ").split()
    return " ".join(word[:1].upper() + word[1:] for word in words) or _NAMELESS


def titled(hub: dict[str, Any]) -> dict[str, Any]:
    """The hub with a `title` at its top, where public listings have it and those of a workspace do not."""
    return hub if not hub or "title" in hub else {**hub, "title": hub_display_name(hub)}


def hub_endpoints(hub: Mapping[str, Any]) -> Endpoints:
    """Where the hub listens: what it lists, and for what it does not, its domain. MQTT is never derived."""
    listed = next((found for key in _ENDPOINT_KEYS if isinstance(found := hub.get(key), Mapping) and found), hub)
    endpoints, flags = Endpoints.from_mapping(listed), ProtocolFlags.from_mapping(hub)
    domain = _text(hub.get("domain"))
    if domain is None:
        return endpoints
    if endpoints.https is None and flags.http:
        endpoints = replace(endpoints, https=_at_domain("https", domain))
    if endpoints.wss is None and flags.wss:
        endpoints = replace(endpoints, wss=_at_domain("wss", domain))
    return endpoints


def next_cursor(page: Mapping[str, Any]) -> str | None:
    """The cursor of the page after `page`; None when it is the last.

    It is `meta.next`, else the cursor in `links.next`; either may be a whole address, of which only the cursor counts.
    """
    for member, bare in (("meta", True), ("links", False)):
        holder = page.get(member)
        value = holder.get("next") if isinstance(holder, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, str | int):
            continue
        text = str(value).strip()
        if in_query := parse_qs(_query_of(text)).get("cursor"):
            return in_query[0]
        if bare and text:
            return text
    return None


def walk(fetch: Callable[[str | None], Mapping[str, Any]], cursor: str | None = None) -> Iterator[dict[str, Any]]:
    """Every resource of a list, page after page, from `cursor` on. Pages are fetched as they are needed.

    Raises ThalovantAPIError when the pages lead in a circle, and what `fetch` raises.
    """
    seen = {cursor}
    while True:
        page = fetch(cursor)
        rows = page.get("data")
        yield from (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, dict))
        cursor = next_cursor(page)
        if cursor is None:
            return
        if cursor in seen:
            raise ThalovantAPIError("the pages of the Thalovant API lead in a circle")
        seen.add(cursor)


def _at_domain(protocol: str, domain: str) -> str | None:
    scheme, found, rest = domain.partition("://")
    if not found:
        return normalise_endpoint(f"{protocol}://{domain}")
    return normalise_endpoint(f"{protocol}://{rest}" if scheme.lower() in _WEB_SCHEMES[protocol] else domain)


def _query_of(text: str) -> str:
    try:
        return urlsplit(text).query
    except ValueError:
        return ""


def _text(value: Any) -> str | None:
    return text_of(value) if isinstance(value, str) else None
