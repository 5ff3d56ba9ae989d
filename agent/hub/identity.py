"""Who this device is to one hub: its secrets, and the addresses they open.

Wire reference, identity.md sections 1 to 6. An identity is read once, from a file, a config profile, the
environment or the control plane's answer, and handed over whole. Whatever shows one, a repr, a log line,
the default serialisation or an error, shows no secret.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.hub.credentials import MqttCredentials
from agent.hub.endpoints import (
    Endpoints,
    ProtocolFlags,
    first_of,
    is_loopback,
    normalise_path,
    protocol_name,
    redact_mapping,
    split,
    text_of,
    without_userinfo,
)
from agent.hub.errors import ThalovantIdentityError, ThalovantUnsupportedProtocolError
from agent.hub.files import read_private, replace_file
from agent.hub.profiles import environment_mapping, profile_mapping
from agent.record import field, record, replace

_ALIASES = {
    "access_key": ("access_key", "key", "api_key", "apiKey"),
    "password": ("password",),
    "default_master": ("default_master", "defaultMaster", "host", "hub_http_host", "hubHttpHost", "master"),
    "site_id": ("site_id", "siteId", "site", "client_id", "clientId"),
}
_PORT_KEYS = ("default_port", "port", "hub_http_port")
_PATH_KEYS = ("default_path", "defaultPath", "hub_http_path", "path", "uri_path")
_ENDPOINT_KEYS = ("data_plane_endpoints", "dataPlaneEndpoints", "endpoints")
_DEFAULT_PORT = 5679


@record(kw_only=True)
class ThalovantIdentity:
    """One client of one hub. Frozen; two are equal when they say the same, wherever they were read from."""

    access_key: str = field(repr=False)
    """Names the client to the hub. Not a proof of anything, and still never logged."""
    password: str = field(repr=False)
    """The shared secret. It is never sent."""
    default_master: str
    site_id: str
    default_port: int = _DEFAULT_PORT
    default_path: str = ""
    endpoints: Endpoints = field(default_factory=Endpoints)
    protocols: ProtocolFlags = field(default_factory=ProtocolFlags)
    mqtt: MqttCredentials | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    source_path: Path | None = field(default=None, repr=False, compare=False)
    """The absolute path of the identity file; decides where the keys live. None when there was no file."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, source_path: Path | None = None) -> ThalovantIdentity:
        """Read an identity out of any of the shapes found in the wild. Raises ThalovantIdentityError."""
        required = {name: _required(mapping, name) for name in _ALIASES}
        required["default_master"] = required["default_master"].rstrip("/")
        metadata = mapping.get("metadata")
        return cls(
            **required,
            default_port=_port(first_of(mapping, *_PORT_KEYS)),
            default_path=normalise_path(first_of(mapping, *_PATH_KEYS)),
            endpoints=Endpoints.from_mapping(_endpoint_mapping(mapping)),
            protocols=ProtocolFlags.from_mapping(mapping),
            mqtt=MqttCredentials.from_mapping(mapping.get("mqtt")),
            metadata=copy.deepcopy(dict(metadata)) if isinstance(metadata, Mapping) else {},
            source_path=source_path,
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> ThalovantIdentity:
        """Read an identity file, which must be readable by its owner alone. Raises ThalovantIdentityError."""
        chosen = Path(path).expanduser()
        text = read_private(chosen, "identity file", environ=environ)
        try:
            mapping = json.loads(text)
        except json.JSONDecodeError as error:
            # Not chained: the exception carries the whole document.
            raise ThalovantIdentityError(
                f"{chosen} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            ) from None
        except (ValueError, RecursionError):
            raise ThalovantIdentityError(f"{chosen} is not valid JSON") from None
        if not isinstance(mapping, Mapping):
            raise ThalovantIdentityError(f"{chosen} must hold one JSON object")
        try:
            return cls.from_mapping(mapping, source_path=chosen.absolute())
        except ThalovantIdentityError as error:
            raise ThalovantIdentityError(f"{chosen}: {error}") from None

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        profile: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> ThalovantIdentity:
        """Read one profile of a config file: TOML, or YAML when PyYAML is installed.

        The file is the one given, else `thalovant/config.toml`, else `thalovant/config.yaml`, in
        `$XDG_CONFIG_HOME` or ~/.config. Raises ThalovantIdentityError.
        """
        return cls.from_mapping(profile_mapping(None if path is None else Path(path), profile, environ=environ))

    @classmethod
    def from_env(cls, prefix: str = "THALOVANT_", *, environ: Mapping[str, str] | None = None) -> ThalovantIdentity:
        """Read the identity that environment variables describe. Raises ThalovantIdentityError."""
        return cls.from_mapping(environment_mapping(prefix, environ=environ))

    def enabled_protocols(self) -> tuple[str, ...]:
        """What the identity claims the hub speaks, in the order wss, https, mqtt; not what is usable from here."""
        return self.protocols.enabled()

    def supports_protocol(self, protocol: str) -> bool:
        """True when the identity claims that the hub speaks `protocol`."""
        return protocol_name(protocol) in self.protocols.enabled()

    def endpoint_for(self, protocol: str) -> str | None:
        """Where the hub listens for `protocol`: always something for https, else None when nothing says so.

        Raises ThalovantUnsupportedProtocolError for a protocol no hub speaks.
        """
        match protocol_name(protocol):
            case "https":
                return self.endpoint_base()
            case "wss":
                is_wss = self.default_master.lower().startswith(("wss://", "ws://"))
                return self.endpoints.wss or (self.default_master if is_wss else None)
            case "mqtt":
                return self.endpoints.mqtt
        raise ThalovantUnsupportedProtocolError(f"there is no protocol {protocol!r}; there are wss, https and mqtt")

    def endpoint_base(self) -> str:
        """The hub's HTTPS address. It is also the name that HTTPS and MQTT pin the hub's key under."""
        if self.endpoints.https:
            url, more = self.endpoints.https, ""
        else:
            url, more = self.default_master, self.default_path
            for old, new in (("wss://", "https://"), ("ws://", "http://")):
                if url.startswith(old):
                    url = new + url.removeprefix(old)
        scheme, separator, rest = url.partition("://")
        if not separator:
            return f"{url}:{self.default_port}{more}"
        rest = rest.partition("#")[0].partition("?")[0]
        host, slash, path = rest.partition("/")
        # A colon anywhere in the host counts as a port, so an IPv6 literal never gets one. The published
        # client pins under this very text, and a folder of keys can be shared with it.
        port = "" if ":" in host.rpartition("@")[2] else f":{self.default_port}"
        return f"{scheme}://{host}{port}{(slash + path).rstrip('/')}{more}"

    def address_for(self, protocol: str) -> str:
        """The URL to dial for `protocol`, whatever the flags claim: a caller who names a protocol means it.

        Raises ThalovantUnsupportedProtocolError, saying what is missing. Unencrypted addresses are
        refused unless they are loopback ones: that is a hub on a developer's own machine.
        """
        name = protocol_name(protocol)
        if name == "mqtt":
            if self.mqtt is None:
                raise ThalovantUnsupportedProtocolError(
                    "this identity has no MQTT credentials; create it again on a hub that has MQTT switched on"
                )
            try:
                self.mqtt.check()
            except ThalovantIdentityError as error:
                raise ThalovantUnsupportedProtocolError(str(error)) from None
            return self.mqtt.endpoint
        url = self.endpoint_for(name)
        parts = split(url) if url else None
        plain = {"wss": "ws", "https": "http"}[name]
        if parts is None or parts.scheme not in (name, plain):
            raise ThalovantUnsupportedProtocolError(f"this identity has no {name}:// endpoint")
        if parts.scheme == plain and not is_loopback(parts.hostname):
            raise ThalovantUnsupportedProtocolError(f"{plain}:// is only for a hub on this machine; use {name}://")
        return url or ""

    def can_dial(self, protocol: str) -> bool:
        """True when `address_for` has an address: the identity holds all that `protocol` needs."""
        try:
            return bool(self.address_for(protocol))
        except ThalovantUnsupportedProtocolError:
            return False

    def pin_id(self, protocol: str) -> str:
        """The name under which the hub's key is pinned. HTTPS and MQTT share one, WSS has its own."""
        if protocol_name(protocol) != "wss":
            return self.endpoint_base()
        url = self.endpoint_for("wss") or ""
        parts = split(url)
        if parts is None:
            raise ThalovantUnsupportedProtocolError("this identity has no wss:// endpoint")
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def as_dict(self, include_secrets: bool = False) -> dict[str, Any]:
        """The identity as JSON data: to show, or with secrets to save and read back as an equal identity."""
        shown: dict[str, Any] = {
            "site_id": self.site_id,
            "default_master": self.default_master if include_secrets else without_userinfo(self.default_master),
            "default_port": self.default_port,
            "default_path": self.default_path,
            "data_plane_endpoints": self.endpoints.as_dict(include_secrets=include_secrets),
            "protocols": self.protocols.as_dict(),
        }
        if self.mqtt is not None:
            shown["mqtt"] = self.mqtt.as_dict(include_secrets=include_secrets)
        if include_secrets:
            shown |= {"access_key": self.access_key, "password": self.password}
        metadata = copy.deepcopy(dict(self.metadata))
        shown["metadata"] = metadata if include_secrets else redact_mapping(metadata)
        return shown

    def save(self, path: str | os.PathLike[str]) -> ThalovantIdentity:
        """Write the identity, secrets and all, to a file only its owner can read; returns it as if read from there.

        The file is replaced whole and flushed. A symlink at `path` stays, and the file it names is replaced.
        """
        chosen = Path(path).expanduser()
        text = json.dumps(self.as_dict(include_secrets=True), ensure_ascii=False, indent=2)
        try:
            replace_file(chosen.resolve(), text.encode() + b"\n")
        except OSError as error:
            raise ThalovantIdentityError(
                f"identity file {chosen} cannot be written: {error.strerror or error}"
            ) from error
        return replace(self, source_path=chosen.absolute())

    def __repr__(self) -> str:
        return (
            f"ThalovantIdentity(site_id={self.site_id!r}, default_master={without_userinfo(self.default_master)!r}, "
            f"default_port={self.default_port}, default_path={self.default_path!r}, endpoints={self.endpoints!r}, "
            f"protocols={self.protocols!r}, mqtt={self.mqtt!r})"
        )


def _required(mapping: Mapping[str, Any], name: str) -> str:
    value = first_of(mapping, *_ALIASES[name])
    text = None if isinstance(value, Mapping | list | tuple) else text_of(value)
    if text is None:
        others = ", ".join(_ALIASES[name][1:])
        raise ThalovantIdentityError(f"the identity has no {name}{f' (nor {others})' if others else ''}")
    return text


def _port(value: Any) -> int:
    text = text_of(value)
    if text is None:
        return _DEFAULT_PORT
    try:
        port = int(text)
    except ValueError:
        raise ThalovantIdentityError("the identity's default_port is not a whole number") from None
    if not 0 <= port <= 65535:
        raise ThalovantIdentityError("the identity's default_port is not between 1 and 65535")
    return port or _DEFAULT_PORT


def _endpoint_mapping(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first endpoint mapping that says anything, else the identity itself, which may name them at its top."""
    sources = (mapping.get(key) for key in _ENDPOINT_KEYS)
    return next((source for source in sources if isinstance(source, Mapping) and source), mapping)
