"""Signing a device in step by step, and revoking its token: every case of device-login-vectors.json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.device_login import (
    DeviceLogin,
    ThalovantDeviceLoginDeniedError,
    ThalovantDeviceLoginExpiredError,
)
from agent.hub.errors import ThalovantAPIError
from tests.conformance.conftest import vectors
from tests.peers.http_peer import Answer, ScriptedPeer

DOCUMENT = vectors("device-login-vectors")
OUTCOMES: dict[type[ThalovantAPIError], str] = {
    ThalovantDeviceLoginExpiredError: "expired",
    ThalovantDeviceLoginDeniedError: "denied",
}
SIGNED_IN = {"describe": "synthetic-token"}
"""Who calls: the approver of a code is signed in, a device is not yet."""


def steps(api: ThalovantControlPlane, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Carry the call out step by step, and tell what came of each in the words of the vectors."""
    match call["op"]:
        case "begin":
            login = api.begin_device_login(
                call.get("scopes") or (), client_name=call.get("client_name"), client_id=call.get("client_id")
            )
            yield {"outcome": "started", **asdict(login)}
        case "describe":
            described = asdict(api.describe_device_login(call["user_code"]))
            yield {"outcome": "described", **described, "scopes": list(described["scopes"])}
        case "poll":
            login = DeviceLogin(**call["authorization"])
            for _ in range(call["times"]):
                yield polled(api, login)
        case "revoke":
            polled(api, DeviceLogin(**call["authorization"]))
            api.revoke_api_token()
            assert (api.access_token, api.token_id) == (None, None)
            yield {"outcome": "revoked"}


def polled(api: ThalovantControlPlane, login: DeviceLogin) -> dict[str, Any]:
    token = api.poll_device_login(login)
    if token is None:
        return {"outcome": "pending", "interval": login.interval}
    assert (api.access_token, api.token_id) == (token.access_token, token.token_id)
    return {"outcome": "approved", **asdict(token), "scopes": list(token.scopes)}


def outcomes(api: ThalovantControlPlane, call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    try:
        yield from steps(api, call)
    except ThalovantAPIError as error:
        outcome = OUTCOMES.get(type(error), "error")
        shown = f"{error} {error!r}"
        yield {
            "outcome": outcome,
            "status": error.status_code,
            "code": error.code,
            "detail": error.detail,
            "shown": shown,
        }


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["name"])
def test_signing_a_device_in(case):
    said = [exchange["response"] for exchange in case["exchanges"]]
    answers = [
        Answer(status=each["status"], content_type=each["content_type"], body=each["body"].encode()) for each in said
    ]
    call = case["call"]
    with (
        ScriptedPeer(answers) as peer,
        ThalovantControlPlane(peer.url, access_token=SIGNED_IN.get(call["op"])) as api,
    ):
        seen = list(outcomes(api, call))
    assert len(seen) == len(case["expect"])
    for step, expect in zip(seen, case["expect"], strict=True):
        assert step == {**step, **expect}
        assert not [word for word in DOCUMENT["message_excludes"] if word in step.get("shown", "")]
    for request, exchange in zip(peer.requests, case["exchanges"], strict=True):
        wanted = exchange["request"]
        assert (request.method, request.path) == (wanted["method"], wanted["path"])
        assert request.headers.get("authorization") == wanted.get("authorization")
        if "json" in wanted:
            assert request.json == wanted["json"]
