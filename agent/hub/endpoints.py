"""Addresses of a hub, as an identity writes them, and how to show one without what must stay secret.

Wire reference, identity.md sections 2, 3 and 6. Only text goes in and out; nothing is looked up or dialled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agent.record import record

PROTOCOLS = ("wss", "https", "mqtt")
"""The protocols an identity can name, in the order it names them."""

_ALIASES = {"websocket": "wss", "ws": "wss", "http": "https", "mqtts": "mqtt"}
_SCHEMES = frozenset({"http", "https", "ws", "wss", "mqtt", "mqtts"})
_ENDPOINT_KEYS = {"https": ("https", "http"), "wss": ("wss", "ws"), "mqtt": ("mqtt", "mqtts")}
_ADDRESS_KEYS = ("endpoint", "broker_url", "brokerUrl")
_FLAG_KEYS = {"wss": ("wss", "websocket"), "http": ("http", "https"), "mqtt": ("mqtt",)}
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})

_QUERY = re.compile(r"\?\S*")
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET_WORDS = (
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "authorization",
    "apikey",
    "accesskey",
    "cryptokey",
    "privatekey",
    "sessionkey",
)
_NOT_WORD = re.compile(r"[^a-z0-9]")
_HIDDEN = "<redacted>"


def first_of(mapping: Mapping[str, Any], *keys: str) -> Any:
    """The value of the first of `keys` that exists, even when that value is null; None when none does."""
    return next((mapping[key] for key in keys if key in mapping), None)


def text_of(value: Any) -> str | None:
    """`value` as trimmed text; None when it is null or nothing is left."""
    return (None if value is None else str(value).strip()) or None


def split(url: str) -> SplitResult | None:
    """The parts of `url`, or None when it is no URL with a scheme and a host (and a port that is a port)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if "://" in url and parts.scheme and parts.hostname else None


def is_loopback(host: str | None) -> bool:
    """True for localhost and the addresses that never leave the machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def protocol_name(protocol: str) -> str:
    """`protocol` in the spelling the identity uses: "wss", "https" or "mqtt"; unknown names come back as given."""
    name = protocol.strip().lower()
    return _ALIASES.get(name, name)


def normalise_endpoint(value: Any) -> str | None:
    """An endpoint as it is kept: trimmed, without trailing slashes; None when it cannot be one."""
    if isinstance(value, Mapping):
        value = first_of(value, *_ADDRESS_KEYS)
    url = text_of(value) or ""
    parts = split(url)
    if "://" in url and (parts is None or parts.scheme not in _SCHEMES):
        return None
    return url.rstrip("/") or None


def normalise_path(value: Any) -> str:
    """A path as it is kept: `/a/b`, or nothing."""
    path = (text_of(value) or "").strip("/")
    return f"/{path}" if path else ""


@record(kw_only=True)
class Endpoints:
    """Where one hub listens, by protocol. May hold userinfo, which is never shown."""

    https: str | None = None
    wss: str | None = None
    mqtt: str | None = None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Endpoints:
        """Read the endpoints out of an endpoint mapping, or of an identity that lists them at its top."""
        return cls(**{name: normalise_endpoint(first_of(mapping, *keys)) for name, keys in _ENDPOINT_KEYS.items()})

    def as_dict(self, *, include_secrets: bool = False) -> dict[str, str | None]:
        """All three, null where there is none: an empty mapping would send a reader looking elsewhere."""
        urls = {"https": self.https, "wss": self.wss, "mqtt": self.mqtt}
        return urls if include_secrets else {name: without_userinfo(url) for name, url in urls.items()}

    def __repr__(self) -> str:
        shown = self.as_dict()
        return f"Endpoints(https={shown['https']!r}, wss={shown['wss']!r}, mqtt={shown['mqtt']!r})"


@record(kw_only=True)
class ProtocolFlags:
    """Which protocols the hub is said to have switched on: a claim, not what is usable from here."""

    wss: bool = True
    http: bool = False
    mqtt: bool = False

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ProtocolFlags:
        """Read the flags of an identity or of a hub resource, whose `spec` holds them."""
        spec = mapping.get("spec")
        source = spec if isinstance(spec, Mapping) else mapping
        flags = source.get("protocols")
        if not isinstance(flags, Mapping) or not flags:
            flags = source.get("network")
        if not isinstance(flags, Mapping):
            return cls()
        default = cls()
        return cls(
            **{name: as_flag(first_of(flags, *keys), getattr(default, name)) for name, keys in _FLAG_KEYS.items()}
        )

    def enabled(self) -> tuple[str, ...]:
        """The protocols switched on, in the order wss, https, mqtt."""
        return tuple(name for name, on in zip(PROTOCOLS, (self.wss, self.http, self.mqtt), strict=True) if on)

    def as_dict(self) -> dict[str, bool]:
        """The flags in the form `from_mapping` reads under `protocols`."""
        return {"wss": self.wss, "http": self.http, "mqtt": self.mqtt}


def as_flag(value: Any, default: bool) -> bool:
    """Read a switch: a bool, a word such as "yes" or "0", or an object whose `enabled` is one; else `default`."""
    if isinstance(value, Mapping):
        value = value.get("enabled")
    if isinstance(value, bool):
        return value
    # Not str(True): the words are for text and for the numbers 0 and 1.
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO else default


def select_data_plane_endpoint(
    endpoints: Endpoints, flags: ProtocolFlags, preference: tuple[str, ...] = PROTOCOLS
) -> tuple[str, str] | None:
    """The first preferred protocol that is switched on and has an address, with that address."""
    for name in map(protocol_name, preference):
        url = getattr(endpoints, name, None) if name in PROTOCOLS else None
        if url and name in flags.enabled():
            return name, url
    return None


def without_userinfo(url: str | None) -> str | None:
    """`url` without a user name and password in front of its host."""
    return None if url is None else _USERINFO.sub("", url)


def redact(text: str) -> str:
    """`text` with everything that may hold a key taken out of its URLs: the query, and the userinfo.

    The URLs of WSS and HTTPS carry the access key in the query, so whatever a library says about a URL
    goes through here before it becomes a message of ours.
    """
    return _USERINFO.sub("", _QUERY.sub(f"?{_HIDDEN}", text))


def redact_mapping(value: Any) -> Any:
    """A copy of JSON data in which the value of every key that sounds like a secret is hidden, at any depth."""
    if isinstance(value, Mapping):
        return {key: _HIDDEN if _is_secret(str(key)) else redact_mapping(item) for key, item in value.items()}
    return [redact_mapping(item) for item in value] if isinstance(value, list | tuple) else value


def _is_secret(key: str) -> bool:
    word = _NOT_WORD.sub("", key.lower())
    return any(secret in word for secret in _SECRET_WORDS)
