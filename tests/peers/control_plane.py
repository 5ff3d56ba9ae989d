"""The control plane's REST API as a real server on loopback: accounts, hubs, clients, admissions, device sign-ins.

    with ControlPlane() as plane:
        plane.add_user("ada@example.org", "correct horse")
        hub = plane.add_hub("Kitchen", public=True)
        api = ThalovantControlPlane(plane.url)

It behaves as the wire reference says in control-plane.md, and misbehaves as `HttpPeer` can. A hub that really exists is
added with the `identities` of clients it knows already; each new client is then given the next one.
"""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.peers.http_peer import Answer, HttpPeer, Request, answer, problem

ALL_SCOPES = ("hubs:read", "clients:read", "clients:write")
_DEVICE_SCOPES = ("hubs:read", "clients:write")
_APPS = {"thalovant-home-assistant": "Home Assistant"}
_STATUSES = ("requested", "committed", "applied")
_STAMP = "2026-09-27T10:00:00Z"


@dataclass(kw_only=True)
class Token:
    """A token somebody holds."""

    text: str
    token_id: str
    scopes: Sequence[str] = ALL_SCOPES
    revoked: bool = False


@dataclass(kw_only=True)
class User:
    """An account."""

    email: str
    password: str
    otp: str | None = None
    recovery: str | None = None


@dataclass(kw_only=True)
class Sign:
    """A device sign-in that waits for its person."""

    device_code: str
    user_code: str
    scopes: Sequence[str]
    client_name: str | None
    client_id: str | None
    outcome: str = "authorization_pending"
    token: Token | None = None


@dataclass(kw_only=True)
class Hub:
    """A hub, and the identities it has ready for new clients; None to make them up."""

    resource: dict[str, Any]
    public: bool
    identities: Iterator[Mapping[str, Any]] | None
    mqtt: str | None = None


@dataclass(kw_only=True)
class Admission:
    """An operation on its way to its end."""

    body: dict[str, Any]
    looks: int = 0
    outcome: str | None = None
    error_code: str | None = None
    forgotten: bool = False


@dataclass
class Store:
    """Everything the server knows."""

    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    hubs: dict[str, Hub] = field(default_factory=dict)
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    admissions: dict[str, Admission] = field(default_factory=dict)
    signs: dict[str, Sign] = field(default_factory=dict)
    created: dict[str, Answer] = field(default_factory=dict)
    """The answer given under each idempotency key."""


class ControlPlane(HttpPeer):
    """The API. `store` is what it knows; an operation is ready once it was read `looks_until_admitted` times."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, largest_page: int = 100) -> None:
        super().__init__(tls=tls)
        self.store = Store()
        self.looks_until_admitted = 2
        self.most_clients: int | None = None
        """The plan's limit; None for none."""
        self.known_kinds = ["voice_satellite", "web_chat", "developer", "embedded"]
        self._largest_page = largest_page

    # What a test sets up

    def add_user(self, email: str, password: str, *, otp: str | None = None, recovery: str | None = None) -> User:
        user = self.store.users[email] = User(email=email, password=password, otp=otp, recovery=recovery)
        return user

    def add_token(self, scopes: Sequence[str] = ALL_SCOPES) -> Token:
        """A ready API token, as made on the web site."""
        token = Token(text=f"tvt_{uuid.uuid4().hex}", token_id=str(uuid.uuid4()), scopes=tuple(scopes))
        self.store.tokens[token.text] = token
        return token

    def add_hub(
        self,
        title: str,
        *,
        public: bool = False,
        protocols: Sequence[str] = ("wss", "http"),
        identities: Iterable[Mapping[str, Any]] | None = None,
        mqtt: str | None = None,
        **members: Any,
    ) -> dict[str, Any]:
        """A hub; returns its resource. `members` replace members of the resource.

        `identities` are those of clients a real hub knows; `mqtt` is the broker's address in identities made up here.
        """
        slug = re.sub(r"\W+", "-", title.lower()).strip("-")
        switched = {name: {"enabled": name in protocols} for name in ("wss", "http", "mqtt")}
        resource = {
            "id": str(uuid.uuid4()),
            "name": slug,
            "slug": slug,
            "domain": f"{slug}.thalovant.io",
            "etag": "hub-etag-1",
            "spec": {"protocols": switched, "catalog": {"title": title}},
            **members,
        }
        given = None if identities is None else iter(identities)
        self.store.hubs[resource["id"]] = Hub(resource=resource, public=public, identities=given, mqtt=mqtt)
        return resource

    def approve(self, user_code: str) -> Token:
        """Say yes to a device, as its person does on a phone."""
        sign = self._sign(user_code)
        sign.token = self.add_token(sign.scopes)
        return sign.token

    def refuse(self, user_code: str, outcome: str = "access_denied") -> None:
        """Say no to a device; or let its code expire (`expired_token`), or ask it to `slow_down`."""
        self._sign(user_code).outcome = outcome

    def end_admission(self, client_name: str, outcome: str = "failed", error_code: str | None = None) -> None:
        """Bring the admission of a client to its end: failed, timed_out or ready."""
        admission = self._admission_of(client_name)
        admission.outcome, admission.error_code = outcome, error_code

    def forget_admission(self, client_name: str) -> None:
        """Stop keeping track of an admission."""
        self._admission_of(client_name).forgotten = True

    def client_named(self, name: str) -> dict[str, Any]:
        """The client called `name`. Raises StopIteration when there is none."""
        return next(client for client in self.store.clients.values() if client["name"] == name)

    # What it answers

    def respond(self, request: Request) -> Answer:
        for method, pattern, scope, handler in self._routes():
            match = re.fullmatch(pattern, request.path)
            if match is None or method != request.method:
                continue
            if scope is not None and (refused := self._refused(request, scope)):
                return refused
            return handler(request, *match.groups())
        return problem(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, str | None, Callable[..., Answer]]]:
        """Method, path, scope ("" for any token, None for public) and what answers."""
        return [
            ("POST", "/v1/auth/token", None, self._login),
            ("POST", "/v1/auth/device/authorize", None, self._begin),
            ("POST", "/v1/auth/device/token", None, self._poll),
            ("GET", "/v1/auth/device/codes/([^/]+)", "", self._describe),
            ("DELETE", "/v1/auth/api-tokens/([^/]+)", "", self._revoke),
            ("GET", "/v1/users/profile", "", self._profile),
            ("GET", "/v1/public/hubs", None, self._public_hubs),
            ("GET", "/v1/public/hubs/([^/]+)", None, self._public_hub),
            ("GET", "/v1/hubs", "hubs:read", self._hubs),
            ("GET", "/v1/hubs/([^/]+)", "hubs:read", self._hub),
            ("POST", "/v1/clients", "clients:write", self._create),
            ("GET", "/v1/clients", "clients:read", self._clients),
            ("GET", "/v1/clients/([^/]+)", "clients:read", self._client),
            ("DELETE", "/v1/clients/([^/]+)", "clients:write", self._delete),
            ("GET", "/v1/operations/([^/]+)", "clients:write", self._operation),
        ]

    def _refused(self, request: Request, scope: str) -> Answer | None:
        token = self.store.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.revoked:
            return problem(401, "Not authenticated")
        if scope and scope not in token.scopes:
            return problem(403, "Insufficient scopes")
        return None

    def _login(self, request: Request) -> Answer:
        given = request.json
        user = self.store.users.get(given.get("email", ""))
        if user is None or user.password != given.get("password"):
            return problem(401, "Invalid credentials")
        if user.otp and not (given.get("otp_code") or given.get("recovery_code")):
            return problem(401, {"code": "mfa_required", "detail": "A one-time code is needed."})
        if user.otp and given.get("otp_code") != user.otp and given.get("recovery_code") != user.recovery:
            # A validation error of the API repeats what it was sent.
            return problem(422, f"{given.get('otp_code')} is not a code of {user.password}", errors=[{"input": given}])
        return answer({"access_token": self.add_token().text, "expires_in": 3600})

    def _begin(self, request: Request) -> Answer:
        asked = request.json
        if asked.get("scopes") == []:
            return problem(422, "Request validation failed")
        if asked.get("client_id") not in (None, *_APPS):
            return answer({"detail": {"detail": "Unknown client.", "code": "unknown_client"}}, 400)
        number = len(self.store.signs) + 1
        sign = Sign(
            device_code=f"dc-{uuid.uuid4().hex}",
            user_code=f"WDJB-{number:04}",
            scopes=asked.get("scopes") or _DEVICE_SCOPES,
            client_name=asked.get("client_name"),
            client_id=asked.get("client_id"),
        )
        self.store.signs[sign.device_code] = sign
        return answer(
            {
                "device_code": sign.device_code,
                "user_code": sign.user_code,
                "verification_uri": "https://thalovant.com/activate",
                "verification_uri_complete": f"https://thalovant.com/activate?code={sign.user_code}",
                "expires_in": 900,
                "interval": 5,
            }
        )

    def _poll(self, request: Request) -> Answer:
        sign = self.store.signs.get(request.json.get("device_code", ""))
        if sign is None:
            return answer({"error": "expired_token"}, 400)
        if sign.token is None:
            outcome = sign.outcome
            sign.outcome = "authorization_pending" if outcome == "slow_down" else outcome
            return answer({"error": outcome}, 400)
        token = sign.token
        del self.store.signs[sign.device_code]
        return answer(
            {
                "access_token": token.text,
                "token_type": "bearer",
                "scopes": list(token.scopes),
                "expires_at": "2027-09-27T10:00:00Z",
                "token_id": token.token_id,
            }
        )

    def _describe(self, request: Request, code: str) -> Answer:
        try:
            sign = self._sign(code)
        except StopIteration:
            return answer({"detail": "Device code not found"}, 404)
        return answer(
            {
                "scopes": list(sign.scopes),
                "client_name": _APPS.get(sign.client_id or "", sign.client_name),
                "client_id": sign.client_id,
                "client_verified": sign.client_id in _APPS,
                "device_name": sign.client_name if sign.client_id in _APPS else None,
                "expires_at": _STAMP,
            }
        )

    def _revoke(self, request: Request, token_id: str) -> Answer:
        found = next((token for token in self.store.tokens.values() if token.token_id == token_id), None)
        if found is None:
            return problem(404, "Token not found")
        found.revoked = True
        return Answer(status=204)

    def _profile(self, request: Request) -> Answer:
        return answer({"data": {"id": "user-1", "email": "ada@example.org", "display_name": "Ada", "role": "owner"}})

    def _public_hubs(self, request: Request) -> Answer:
        return self._page(request, [_listing(hub) for hub in self.store.hubs.values() if hub.public])

    def _public_hub(self, request: Request, ref: str) -> Answer:
        for hub in self.store.hubs.values():
            if hub.public and ref in (hub.resource["id"], hub.resource["slug"]):
                return answer(_listing(hub))
        return problem(404, "Hub not found")

    def _hubs(self, request: Request) -> Answer:
        return self._page(request, [hub.resource for hub in self.store.hubs.values()])

    def _hub(self, request: Request, hub_id: str) -> Answer:
        hub = self.store.hubs.get(hub_id)
        return problem(404, "Hub not found") if hub is None else answer(hub.resource)

    def _create(self, request: Request) -> Answer:
        key, asked = request.headers.get("idempotency-key", ""), request.json
        if key in self.store.created:
            return self.store.created[key]
        hub, spec = self.store.hubs.get(asked.get("hub_id", "")), asked["spec"]
        if hub is None:
            return problem(404, "Hub not found")
        if any(client["name"] == asked["name"] for client in self.store.clients.values()):
            return problem(409, "Client name already exists")
        if self.most_clients is not None and len(self.store.clients) >= self.most_clients:
            said = f"Free plan allows up to {self.most_clients} connections."
            return problem(403, said, code="plan_limit", resource="client", limit=self.most_clients)
        if (kind := spec.get("connection_type")) is not None and kind not in self.known_kinds:
            said = f"Schema validation failed: {kind!r} is not one of {self.known_kinds} at spec.connection_type"
            return problem(422, said, code="schema_validation_failed")
        made = answer(self._make(hub, asked), 201)
        self.store.created[key] = made
        return made

    def _make(self, hub: Hub, asked: Mapping[str, Any]) -> dict[str, Any]:
        client_id, operation_id, spec = str(uuid.uuid4()), str(uuid.uuid4()), asked["spec"]
        operation = {
            "id": operation_id,
            "kind": "client.sync",
            "aggregate_type": "client",
            "aggregate_id": client_id,
            "status": "requested",
            "error_code": None,
            "error_message": None,
            "links": {"self": f"/v1/operations/{operation_id}"},
        }
        self.store.admissions[operation_id] = Admission(body=operation)
        client = {
            "id": client_id,
            "owner_id": "user-1",
            "hub_id": asked["hub_id"],
            "name": asked["name"],
            "slug": asked["name"].lower().replace(" ", "-"),
            "active": asked["active"],
            "spec": spec,
            "etag": "etag-1",
            "created_at": _STAMP,
            "updated_at": _STAMP,
        }
        self.store.clients[client_id] = client
        identify = _made_up(hub, spec) if hub.identities is None else next(hub.identities)
        return client | {"initial_identify": identify, "initial_identify_token": "once", "operation": operation}

    def _clients(self, request: Request) -> Answer:
        chosen = [client for client in self.store.clients.values() if client["hub_id"] == request.query.get("hub_id")]
        if request.query.get("include_spec") == "false":
            chosen = [{name: value for name, value in client.items() if name != "spec"} for client in chosen]
        return self._page(request, chosen)

    def _client(self, request: Request, client_id: str) -> Answer:
        client = self.store.clients.get(client_id)
        return problem(404, "Client not found") if client is None else answer(client)

    def _delete(self, request: Request, client_id: str) -> Answer:
        client = self.store.clients.get(client_id)
        if client is None:
            return problem(404, "Client not found")
        if request.headers.get("if-match") != client["etag"]:
            return problem(412, "ETag mismatch")
        del self.store.clients[client_id]
        return Answer(status=204)

    def _operation(self, request: Request, operation_id: str) -> Answer:
        admission = self.store.admissions.get(operation_id)
        if admission is None or admission.forgotten:
            return problem(404, "Operation not found")
        admission.looks += 1
        early = _STATUSES[min(admission.looks, len(_STATUSES) - 1)]
        status = admission.outcome or ("ready" if admission.looks >= self.looks_until_admitted else early)
        return answer(admission.body | {"status": status, "error_code": admission.error_code})

    def _page(self, request: Request, rows: Sequence[Mapping[str, Any]]) -> Answer:
        start = int(request.query.get("cursor") or 0)
        end = start + min(int(request.query.get("limit") or 24), self._largest_page)
        following = str(end) if end < len(rows) else None
        chosen = list(rows[start:end])
        return answer({"data": chosen, "meta": {"count": len(chosen), "next": following}, "links": {"next": following}})

    def _sign(self, user_code: str) -> Sign:
        return next(sign for sign in self.store.signs.values() if sign.user_code == user_code)

    def _admission_of(self, client_name: str) -> Admission:
        client_id = self.client_named(client_name)["id"]
        return next(one for one in self.store.admissions.values() if one.body["aggregate_id"] == client_id)


def _listing(hub: Hub) -> dict[str, Any]:
    """The hub as its public listing: the title stands at the top there."""
    resource = {name: value for name, value in hub.resource.items() if name != "spec"}
    return resource | {"title": hub.resource["spec"]["catalog"]["title"], "public_ref": hub.resource["slug"]}


def _made_up(hub: Hub, spec: Mapping[str, Any]) -> dict[str, Any]:
    identify: dict[str, Any] = {
        "access_key": spec["apiKey"],
        "password": spec["password"],
        "site_id": spec["siteId"],
        "default_port": 443,
        "default_master": f"wss://{hub.resource['domain']}",
    }
    if hub.mqtt:
        identify["mqtt"] = {
            "endpoint": hub.mqtt,
            "username": spec["apiKey"],
            "password": uuid.uuid4().hex,
            "topic_prefix": f"hivemind/{hub.resource['slug']}/{spec['apiKey']}",
            "tls": hub.mqtt.startswith("mqtts:"),
        }
    return identify
