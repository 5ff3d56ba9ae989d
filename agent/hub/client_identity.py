"""Making an identity: what is asked of the control plane for a new client, and the identity in what it answers.

Wire reference, control-plane.md section 5. Pure but for the secrets, which are made here, on this machine: the API is
told them, it does not choose them. A request is a value, so that it can be kept and sent again unchanged. After an
answer that was lost that is the only way to the identity: a second request with other secrets is another client, or,
under the same key, the first one with secrets it does not have.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.hub.api_secrets import without_secrets
from agent.hub.endpoints import ProtocolFlags, select_data_plane_endpoint, split
from agent.hub.errors import ThalovantAPIError, ThalovantIdentityError
from agent.hub.hubs import hub_endpoints
from agent.hub.identity import ThalovantIdentity
from agent.record import field, record

DEFAULT_PROTOCOLS = ("wss", "https", "mqtt")

_SECRET_BYTES = 32
_SPEC_VERSION = "1"
_DROPPED = "cryptokey"  # obsolete, and refused by newer hubs


@record(kw_only=True)
class ClientRequest:
    """A request for a new client. Sending it again, unchanged, is safe; making a second one is not the same."""

    idempotency_key: str
    body: Mapping[str, Any] = field(repr=False)
    """Holds the new client's secrets."""

    @property
    def name(self) -> str:
        """The new client's name."""
        return str(self.body["name"])

    @property
    def connection_type(self) -> str | None:
        """The kind of connection asked for; None when none was."""
        kind = self.body["spec"].get("connection_type")
        return None if kind is None else str(kind)

    def as_dict(self) -> dict[str, Any]:
        """The request as JSON data, secrets and all, to keep in a file that is its owner's alone."""
        return {"idempotency_key": self.idempotency_key, "body": dict(self.body)}

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ClientRequest:
        """Read what `as_dict` wrote. Raises ThalovantIdentityError when it is not that."""
        key, body = mapping.get("idempotency_key"), mapping.get("body")
        spec = body.get("spec") if isinstance(body, Mapping) else None
        if not isinstance(key, str) or not isinstance(body, Mapping) or not isinstance(spec, Mapping):
            raise ThalovantIdentityError("this is no request for a new client")
        if not all(isinstance(spec.get(name), str) for name in ("apiKey", "password", "siteId")) or "name" not in body:
            raise ThalovantIdentityError("the request for a new client has no secrets")
        return cls(idempotency_key=key, body=body)


@record(kw_only=True)
class ClientIdentity:
    """A new client and its identity. The hub refuses it until it is admitted (`wait_for_admission`)."""

    identity: ThalovantIdentity
    client_id: str
    client: Mapping[str, Any] = field(repr=False)
    """The API's answer. All of it is secret."""
    hub: Mapping[str, Any] = field(repr=False)
    """The hub resource the identity was made with."""
    operation: Mapping[str, Any] | None = field(default=None, repr=False)
    """What to wait for; None when there is nothing to wait for."""
    selected_protocol: str | None = None
    """The first of the preferred protocols that the hub has switched on and an address for."""
    endpoint: str | None = None
    connection_type: str | None = None
    """The kind of connection, as the API gave it back."""

    def as_dict(self, *, include_secrets: bool = False) -> dict[str, Any]:
        """Everything as JSON data. Without secrets nothing is left that a hub or the API would accept."""
        shown = {
            "client_id": self.client_id,
            "client": dict(self.client),
            "hub": dict(self.hub),
            "operation": None if self.operation is None else dict(self.operation),
            "selected_protocol": self.selected_protocol,
            "endpoint": self.endpoint,
            "connection_type": self.connection_type,
        }
        shown = shown if include_secrets else without_secrets(shown)
        return {"identity": self.identity.as_dict(include_secrets=include_secrets), **shown}


def client_request(
    hub: Mapping[str, Any],
    *,
    name: str,
    site_id: str | None = None,
    spec: Mapping[str, Any] | None = None,
    owner_id: str | None = None,
    active: bool = True,
    idempotency_key: str | None = None,
    connection_type: str | None = None,
    token: Callable[[int], str] = secrets.token_urlsafe,
) -> ClientRequest:
    """A request for a new client of `hub`, with fresh secrets: `token` makes one out of that many random bytes.

    Raises ThalovantAPIError when the hub has no id or the client no name.
    """
    hub_id = hub.get("id")
    if not isinstance(hub_id, str) or not hub_id.strip():
        raise ThalovantAPIError("the hub resource has no id")
    if not name.strip():
        raise ThalovantAPIError("a client needs a name")
    sent: dict[str, Any] = {key: value for key, value in (spec or {}).items() if _plain(key) != _DROPPED}
    sent.setdefault("version", _SPEC_VERSION)
    if connection_type is not None:
        sent["connection_type"] = connection_type
    sent |= {
        "apiKey": token(_SECRET_BYTES),
        "password": token(_SECRET_BYTES),
        "siteId": normalise_site(site_id or name) or f"thalovant-client-{uuid.uuid4().hex[:8]}",
    }
    body: dict[str, Any] = {"hub_id": hub_id, "name": name, "active": active, "spec": sent}
    if owner_id is not None:
        body["owner_id"] = owner_id
    return ClientRequest(idempotency_key=idempotency_key or str(uuid.uuid4()), body=body)


def normalise_site(text: str) -> str:
    """`text` as a site id: the hub's policy and MQTT topics get along with neither `_` nor spaces."""
    return re.sub(r"\s+", "-", text.strip().replace("_", "-"))


def read_answer(
    hub: Mapping[str, Any],
    request: ClientRequest,
    answer: Mapping[str, Any],
    preferred_protocols: Sequence[str] = DEFAULT_PROTOCOLS,
) -> ClientIdentity:
    """The identity in the API's answer to `request`.

    Raises ThalovantAPIError, without a status, when the answer names no client, and ThalovantIdentityError when
    neither it nor the hub says where the hub is.
    """
    client_id = answer.get("id")
    if not isinstance(client_id, str) or not client_id:
        raise ThalovantAPIError("the Thalovant API answered with a client that has no id")
    endpoints, flags = hub_endpoints(hub), ProtocolFlags.from_mapping(hub)
    selected, endpoint = select_data_plane_endpoint(endpoints, flags, tuple(preferred_protocols)) or (None, None)
    addresses = {"data_plane_endpoints": endpoints.as_dict(include_secrets=True), "protocols": flags.as_dict()}
    operation, spec = answer.get("operation"), answer.get("spec")
    kind = spec.get("connection_type") if isinstance(spec, Mapping) else None
    return ClientIdentity(
        identity=_given(answer, addresses) or _local(hub, request, addresses, endpoint),
        client_id=client_id,
        client=answer,
        hub=hub,
        operation=operation if _is_operation(operation) else None,
        selected_protocol=selected,
        endpoint=endpoint,
        connection_type=kind if isinstance(kind, str) else None,
    )


def _given(answer: Mapping[str, Any], addresses: Mapping[str, Any]) -> ThalovantIdentity | None:
    """The identity as the platform hands it out, once; only this one has MQTT credentials."""
    given = answer.get("initial_identify")
    if not isinstance(given, Mapping):
        return None
    try:
        return ThalovantIdentity.from_mapping({**given, **addresses})
    except ThalovantIdentityError:
        return None  # not whole, and the secrets sent are the client's all the same


def _local(
    hub: Mapping[str, Any], request: ClientRequest, addresses: Mapping[str, Any], endpoint: str | None
) -> ThalovantIdentity:
    """The identity as the request made it."""
    spec = request.body["spec"]
    domain = str(hub.get("domain") or "").strip()
    at_domain = domain if "://" in domain else f"https://{domain}" if domain else None
    master = addresses["data_plane_endpoints"]["https"] or at_domain or endpoint
    if master is None:
        raise ThalovantIdentityError("neither the hub nor the API says where the hub is")
    return ThalovantIdentity.from_mapping(
        {
            "access_key": spec["apiKey"],
            "password": spec["password"],
            "site_id": spec["siteId"],
            "default_master": _without_path(master),
            "default_port": 443,
            **addresses,
        }
    )


def _without_path(url: str) -> str:
    parts = split(url)
    return url if parts is None else f"{parts.scheme}://{parts.netloc}"


def _is_operation(operation: Any) -> bool:
    return isinstance(operation, Mapping) and isinstance(operation.get("id"), str) and bool(operation["id"].strip())


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
