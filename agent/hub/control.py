"""The control plane: accounts, hubs and the identities of devices, over its REST API.

Wire reference, control-plane.md. One method per call; what an answer means is decided in the modules beside this one.

Every method waits for the network, ten seconds at most for a request unless told otherwise. One thread at a time uses
an object; another thread makes its own. What can go wrong has a class of its own in `agent.hub.errors`, and neither
those errors nor the repr of anything here holds a token, a password or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from agent.hub import admission
from agent.hub.account import ApiAccount
from agent.hub.admission import AdmissionProgress
from agent.hub.api_problems import fields_of, names_connection_type
from agent.hub.api_session import segment
from agent.hub.client_identity import DEFAULT_PROTOCOLS, ClientIdentity, ClientRequest, client_request, read_answer
from agent.hub.errors import ThalovantAPIError, ThalovantUnsupportedConnectionTypeError
from agent.hub.hubs import hub_display_name, titled, walk

__all__ = ["ThalovantControlPlane", "hub_display_name"]


class ThalovantControlPlane(ApiAccount):
    """The control plane at `base_url`, as seen by whoever is signed in. Closes its connections at the end of a `with`.

        api = ThalovantControlPlane()
        api.login("ada@example.org", password)
        result = api.create_client_identity("hub-id", name="checkout-kiosk")
        api.wait_for_admission(result)
        result.identity.save("_identity.json")

    The token is kept in memory and nowhere else. It goes to `base_url` alone: over TLS, or to this very machine, and
    never along a redirect.
    """

    # Hubs

    def list_public_hubs(
        self, limit: int = 24, cursor: str | None = None, *, all_pages: bool = False
    ) -> dict[str, Any]:
        """Hubs anyone may see, as the API answers: `data` and `meta`. Needs no token.

        `cursor` is the last answer's `meta.next`; `all_pages` puts every page's hubs into one answer.
        """
        return self._list("v1/public/hubs", {"limit": limit}, cursor, all_pages=all_pages, public=True)

    def iter_public_hubs(self, limit: int = 24) -> Iterator[dict[str, Any]]:
        """Every hub anyone may see, fetched `limit` at a time."""
        return walk(lambda cursor: self.list_public_hubs(limit, cursor))

    def get_public_hub(self, ref: str) -> dict[str, Any]:
        """One public hub, by its slug or id. Needs no token."""
        return self._public("GET", f"v1/public/hubs/{segment(ref, 'the hub')}")

    def list_hubs(
        self, limit: int = 100, cursor: str | None = None, owner_id: str | None = None, *, all_pages: bool = False
    ) -> dict[str, Any]:
        """The hubs whoever is signed in can use, as the API answers, each with a `title`. Needs the scope hubs:read.

        `cursor` and `all_pages` are as in `list_public_hubs`.
        """
        page = self._list("v1/hubs", {"limit": limit, "owner_id": owner_id}, cursor, all_pages=all_pages)
        rows = page.get("data")
        return {**page, "data": [titled(hub) for hub in rows if isinstance(hub, dict)]} if rows else page

    def iter_hubs(self, limit: int = 100, owner_id: str | None = None) -> Iterator[dict[str, Any]]:
        """Every hub whoever is signed in can use, fetched `limit` at a time."""
        return walk(lambda cursor: self.list_hubs(limit, cursor, owner_id))

    def get_hub(self, hub_id: str) -> dict[str, Any]:
        """One hub, by its id; not by its slug. Needs the scope hubs:read."""
        return titled(self._private("GET", f"v1/hubs/{segment(hub_id, 'the hub')}"))

    # Identities

    def create_client_identity(
        self,
        hub: str | Mapping[str, Any],
        *,
        name: str,
        site_id: str | None = None,
        spec: Mapping[str, Any] | None = None,
        owner_id: str | None = None,
        active: bool = True,
        preferred_protocols: Sequence[str] = DEFAULT_PROTOCOLS,
        idempotency_key: str | None = None,
        connection_type: str | None = None,
    ) -> ClientIdentity:
        """Make a new client of `hub`, a hub resource or its id, and return it with its identity.

        Needs the scope clients:write, and hubs:read for an id. The hub refuses the client until it is admitted
        (`wait_for_admission`). The identity cannot be asked for again: save it. After an error that leaves open
        whether the client was made (no answer, a 5xx), calling this again makes another client; who cannot have that
        uses `prepare_client` and `create_client`.

        Raises ThalovantPlanError when the plan has no room, ThalovantUnsupportedConnectionTypeError when the API does
        not know `connection_type` (the client is deleted again), ThalovantAuthError without the scope.
        """
        found = self._hub(hub)
        request = self.prepare_client(
            found,
            name=name,
            site_id=site_id,
            spec=spec,
            owner_id=owner_id,
            active=active,
            idempotency_key=idempotency_key,
            connection_type=connection_type,
        )
        return self.create_client(found, request, preferred_protocols=preferred_protocols)

    def prepare_client(self, hub: str | Mapping[str, Any], **options: Any) -> ClientRequest:
        """A request for a new client, with its secrets, to keep before it is sent and to send again if need be.

        Takes what `create_client_identity` takes, less `preferred_protocols`. Asks the API for nothing but the hub.
        """
        self._token()
        return client_request(self._hub(hub), **options)

    def create_client(
        self,
        hub: str | Mapping[str, Any],
        request: ClientRequest,
        *,
        preferred_protocols: Sequence[str] = DEFAULT_PROTOCOLS,
    ) -> ClientIdentity:
        """Send `request`, made by `prepare_client` for the same `hub`. Raises as `create_client_identity` does."""
        found = self._hub(hub)
        try:
            answer = self._private(
                "POST", "v1/clients", body=request.body, headers={"Idempotency-Key": request.idempotency_key}
            )
        except ThalovantAPIError as error:
            if error.status_code != 422 or not names_connection_type(error):
                raise
            raise ThalovantUnsupportedConnectionTypeError(
                str(error), connection_type=request.connection_type, **fields_of(error)
            ) from None
        result = read_answer(found, request, answer, preferred_protocols)
        if request.connection_type is not None and result.connection_type != request.connection_type:
            self._take_back(result, request.connection_type)
        return result

    def wait_for_admission(
        self,
        admitted: ClientIdentity | Mapping[str, Any] | str | None,
        *,
        timeout: float = admission.DEFAULT_TIMEOUT,
        poll_interval: float = admission.DEFAULT_POLL_INTERVAL,
        progress: Callable[[AdmissionProgress], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Return once the hub has admitted a new client: what `create_client_identity` returned, or its operation.

        Looks every `poll_interval` seconds, or as much later as the API asks, for `timeout` seconds at most, and
        tells `progress` what it saw. An operation's id or link will do as well; with none there is nothing to wait
        for. Raises ThalovantAdmissionFailedError when the platform gave up (make another client),
        ThalovantAdmissionTimeoutError when the time is over (it may still be admitted; keep the identity),
        ThalovantAPIUnreachableError, and ThalovantAuthError when the token is no longer good for this.
        """
        operation = admitted.operation if isinstance(admitted, ClientIdentity) else admitted
        found = admission.operation_id(operation, self._session.owns)
        if found is None:
            return
        path = f"v1/operations/{segment(found, 'the operation')}"

        def read(seconds: float) -> dict[str, Any]:
            return self._private("GET", path, timeout=min(seconds, self._session.timeout))

        admission.wait(
            operation,
            read,
            timeout=timeout,
            poll_interval=poll_interval,
            clock=clock,
            sleep=sleep,
            progress=progress,
        )

    def list_clients(
        self,
        hub_id: str,
        limit: int = 100,
        cursor: str | None = None,
        owner_id: str | None = None,
        *,
        include_spec: bool = True,
        all_pages: bool = False,
    ) -> dict[str, Any]:
        """The clients of a hub, as the API answers; with their specs, which are secret, unless told otherwise."""
        query = {
            "hub_id": hub_id,
            "limit": limit,
            "owner_id": owner_id,
            "include_spec": None if include_spec else False,
        }
        return self._list("v1/clients", query, cursor, all_pages=all_pages)

    def get_client(self, client_id: str) -> dict[str, Any]:
        """One client, as the API answers; its spec is secret. Needs the scope clients:read."""
        return self._private("GET", f"v1/clients/{segment(client_id, 'the client')}")

    def delete_client(self, client_id: str, etag: str | None = None) -> None:
        """Delete a client: its hub will refuse it. One that is gone already is fine.

        `etag` is the state the caller knows. Without one, or when it is no longer the client's, it is read first,
        which needs the scope clients:read; a client that changes twice meanwhile is a ThalovantAPIError, status 412.
        """
        path = f"v1/clients/{segment(client_id, 'the client')}"
        for last in (False, True):
            try:
                state = etag or self.get_client(client_id).get("etag")
                self._private("DELETE", path, headers={"If-Match": state} if isinstance(state, str) and state else None)
                return
            except ThalovantAPIError as error:
                if error.status_code == 404:
                    return
                if error.status_code != 412 or last:
                    raise
                etag = None

    def delete_client_identity(self, result: ClientIdentity) -> None:
        """Take back what `create_client_identity` made."""
        etag = result.client.get("etag")
        self.delete_client(result.client_id, etag if isinstance(etag, str) and etag else None)

    # Underneath

    def _hub(self, hub: str | Mapping[str, Any]) -> Mapping[str, Any]:
        return self.get_hub(hub) if isinstance(hub, str) else hub

    def _list(
        self, path: str, query: Mapping[str, Any], cursor: str | None, *, all_pages: bool, public: bool = False
    ) -> dict[str, Any]:
        call = self._public if public else self._private
        if not all_pages:
            return call("GET", path, query={**query, "cursor": cursor})
        rows = list(walk(lambda at: call("GET", path, query={**query, "cursor": at}), cursor))
        return {"data": rows, "meta": {"count": len(rows), "next": None}, "links": {"next": None}}

    def _take_back(self, result: ClientIdentity, kind: str) -> None:
        """Delete a client that is not of the `kind` asked for, and say so."""
        text = f"the API made a connection of another kind than {kind!r}"
        try:
            self.delete_client_identity(result)
        except ThalovantAPIError as error:
            text += f", and could not delete client {result.client_id} again ({error})"
        raise ThalovantUnsupportedConnectionTypeError(text, connection_type=kind)
