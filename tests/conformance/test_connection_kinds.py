"""Creating a connection of a given kind, and deleting one: every case of connection-kinds-vectors.json."""

from __future__ import annotations

from typing import Any

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.errors import (
    ThalovantAlreadyLinkedError,
    ThalovantAPIError,
    ThalovantAuthError,
    ThalovantPlanError,
    ThalovantUnsupportedConnectionTypeError,
)
from tests.conformance.conftest import vectors
from tests.peers.http_peer import Answer, ScriptedPeer

DOCUMENT = vectors("connection-kinds-vectors")
OUTCOMES = {
    ThalovantUnsupportedConnectionTypeError: "unsupported",
    ThalovantPlanError: "plan",
    ThalovantAlreadyLinkedError: "already_linked",
    ThalovantAuthError: "auth",
    ThalovantAPIError: "error",
}


def made(api: ThalovantControlPlane, call: dict[str, Any]) -> dict[str, Any]:
    """Carry the call out, and tell what came of it in the words of the vectors."""
    if call["op"] == "delete":
        api.delete_client(call["client_id"], etag=call["etag"])
        return {"outcome": "deleted"}
    result = api.create_client_identity(call["hub"], name=call["name"], connection_type=call["connection_type"])
    return {
        "outcome": "created",
        "client_id": result.client_id,
        "connection_type": result.connection_type,
        "operation_id": None if result.operation is None else result.operation["id"],
    }


def outcome(api: ThalovantControlPlane, call: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What came of the call, and all that the error shows of itself."""
    try:
        return made(api, call), ""
    except ThalovantAPIError as error:
        seen = {
            "outcome": OUTCOMES[type(error)],
            "status": error.status_code,
            "code": error.code,
            "detail": error.detail,
            "client_id": getattr(error, "client_id", None),
        }
        return seen, f"{error} {error!r}"


def holds(subset: Any, value: Any) -> bool:
    if isinstance(subset, dict):
        return isinstance(value, dict) and all(holds(item, value.get(name)) for name, item in subset.items())
    return bool(subset == value)


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["name"])
def test_connections_of_a_kind(case):
    said = [exchange["response"] for exchange in case["exchanges"]]
    answers = [
        Answer(status=each["status"], content_type=each["content_type"], body=each["body"].encode()) for each in said
    ]
    with ScriptedPeer(answers) as peer, ThalovantControlPlane(peer.url, access_token="synthetic-token") as api:
        seen, text = outcome(api, case["call"])
    for word in (*DOCUMENT["message_excludes"], "synthetic-token"):
        assert word not in text
    deleted = [answer.status for request, answer in zip(peer.requests, answers, strict=True) if is_delete(request)]
    seen |= {"requests": peer.lines, "deleted": deleted[-1:] == [204]}
    assert seen == {**seen, **case["expect"]}
    for request, exchange in zip(peer.requests, case["exchanges"], strict=True):
        wanted = exchange["request"]
        assert (request.method, request.path) == (wanted["method"], wanted["path"])
        assert request.headers.get("if-match") == wanted.get("if_match")
        assert holds(wanted.get("json_subset", {}), request.json if request.body else {})


def is_delete(request: Any) -> bool:
    return bool(request.method == "DELETE")
