"""The broker half of an identity: where the MQTT broker is, and how this client signs in there.

Wire reference, identity.md section 4. The user name and the topic prefix may both be the access key, so
they are as secret as the password.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.hub.endpoints import as_flag, first_of, is_loopback, split, text_of, without_userinfo
from agent.hub.errors import ThalovantIdentityError
from agent.record import field, record

_SCHEMES = frozenset({"mqtt", "mqtts", "tcp", "ssl"})
_FIELDS = ("endpoint", "username", "password", "topic_prefix", "qos", "tls", "host", "port")


@record(kw_only=True)
class MqttCredentials:
    """Where the broker is and how to sign in. Reads as attributes and as items: `mqtt.host`, `mqtt["host"]`."""

    endpoint: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    topic_prefix: str | None = field(default=None, repr=False)
    """Ends in the access key. Optional in the file, needed to connect."""
    qos: int = 1
    tls: bool = True

    @classmethod
    def from_mapping(cls, value: Any) -> MqttCredentials | None:
        """Read an `mqtt` block; None when it is no block, or its endpoint, user name or password is missing."""
        if not isinstance(value, Mapping):
            return None
        endpoint = text_of(first_of(value, "endpoint", "broker_url", "brokerUrl"))
        username = text_of(first_of(value, "username", "broker_username", "brokerUsername"))
        password = text_of(first_of(value, "password", "broker_password", "brokerPassword"))
        if endpoint is None or username is None or password is None:
            return None
        parts = split(endpoint)
        if parts is None or parts.scheme not in _SCHEMES:
            return None
        return cls(
            endpoint=endpoint,
            username=username,
            password=password,
            topic_prefix=text_of(first_of(value, "topic_prefix", "topicPrefix")),
            qos=0 if str(value.get("qos")).strip() == "0" else 1,
            tls=as_flag(value.get("tls"), endpoint.lower().startswith("mqtts://")),
        )

    @property
    def host(self) -> str:
        """The broker's name or address; a literal IPv6 address comes without its brackets."""
        parts = split(self.endpoint)
        return (parts.hostname if parts else None) or ""

    @property
    def port(self) -> int:
        """The port of the endpoint, else 8883, or 1883 without TLS."""
        parts = split(self.endpoint)
        return (parts.port if parts else None) or (8883 if self.encrypted else 1883)

    @property
    def encrypted(self) -> bool:
        """True when the connection must be TLS: `tls` says so, or the endpoint's scheme does."""
        return self.tls or self.endpoint.lower().startswith(("mqtts://", "ssl://"))

    def topic_base(self) -> str:
        """The topic prefix as topics begin with it. Raises ThalovantIdentityError when it cannot be one.

        Used as it stands: nothing is appended, since the prefix must already end in the access key.
        """
        prefix = (self.topic_prefix or "").strip().strip("/").strip()
        if not prefix:
            raise ThalovantIdentityError("the identity's mqtt block has no topic_prefix; create the identity again")
        if any(character in "#+" or character < " " for character in prefix):
            raise ThalovantIdentityError("the identity's mqtt topic_prefix holds a wildcard or a control character")
        return prefix

    def check(self) -> None:
        """Raise ThalovantIdentityError when a connection with this block must not be tried.

        The broker password would travel in the clear without TLS, so plain MQTT is refused, except to
        a loopback address: that is a broker on a developer's own machine, and nothing leaves it.
        """
        self.topic_base()
        if not self.encrypted and not is_loopback(self.host):
            raise ThalovantIdentityError(
                f"MQTT without TLS is only for a broker on this machine; use mqtts:// instead of "
                f"{without_userinfo(self.endpoint)}"
            )

    def as_dict(self, *, include_secrets: bool = False) -> dict[str, Any]:
        """The block as an identity file holds it; without secrets only where the broker is."""
        if not include_secrets:
            return {"endpoint": without_userinfo(self.endpoint), "tls": self.tls}
        block: dict[str, Any] = {
            "endpoint": self.endpoint,
            "tls": self.tls,
            "username": self.username,
            "password": self.password,
        }
        if self.topic_prefix is not None:
            block["topic_prefix"] = self.topic_prefix
        if self.qos != 1:
            block["qos"] = self.qos
        return block

    def __getitem__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise KeyError(name)
        return getattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in _FIELDS

    def __iter__(self) -> Iterator[str]:
        return iter(_FIELDS)

    def keys(self) -> tuple[str, ...]:
        """The names that can be asked for as items, so that `dict(identity.mqtt)` works. It holds secrets."""
        return _FIELDS

    def __repr__(self) -> str:
        return f"MqttCredentials(endpoint={without_userinfo(self.endpoint)!r}, qos={self.qos}, tls={self.tls})"
