"""Waiting for a hub to admit a new connection: every case of connection-admission-vectors.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.errors import (
    ThalovantAdmissionFailedError,
    ThalovantAdmissionTimeoutError,
    ThalovantAPIError,
    ThalovantAPIUnreachableError,
    ThalovantAuthError,
    ThalovantConnectionError,
    ThalovantTimeoutError,
)
from tests.conformance.conftest import vectors
from tests.peers.clock import FakeClock
from tests.peers.http_peer import Answer, ScriptedPeer, free_port

CASES = vectors("connection-admission-vectors")["cases"]
OUTCOMES = {
    ThalovantAdmissionTimeoutError: "timeout",
    ThalovantAdmissionFailedError: "failed",
    ThalovantAPIUnreachableError: "unreachable",
    ThalovantAuthError: "auth",
    ThalovantAPIError: "error",
}


def answers(case: dict[str, Any]) -> list[Answer]:
    return [
        Answer(
            status=said["status"],
            content_type=said["content_type"],
            body=said["body"].encode(),
            headers=said.get("headers", {}),
        )
        for said in (exchange["response"] for exchange in case["exchanges"])
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_waiting_for_admission(case):
    call, expect, clock = case["call"], case["expect"], FakeClock()
    started = clock()
    error: ThalovantAPIError | None = None
    with ScriptedPeer(answers(case)) as peer:
        text = json.dumps(call["operation"]).replace("{api_host}", peer.host).replace("{api_port}", str(peer.port))
        url = f"http://127.0.0.1:{free_port()}" if call.get("api") == "unreachable" else peer.url
        with ThalovantControlPlane(url, access_token="synthetic-token") as api:
            try:
                api.wait_for_admission(
                    json.loads(text),
                    timeout=call["timeout_ms"] / 1000,
                    poll_interval=call["poll_interval_ms"] / 1000,
                    clock=clock,
                    sleep=clock.sleep,
                )
            except ThalovantAPIError as caught:
                error = caught
    outcome = "admitted" if error is None else OUTCOMES[type(error)]
    assert outcome == expect["outcome"]
    for request, exchange in zip(peer.requests, case["exchanges"], strict=False):
        assert (request.method, request.path) == (exchange["request"]["method"], exchange["request"]["path"])
    assert len(peer.requests) == expect["polls"]
    seen = {
        "error_code": getattr(error, "error_code", None),
        "status": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "detail": getattr(error, "detail", None),
    }
    assert seen == {**seen, **{name: value for name, value in expect.items() if name in seen}}
    assert clock() - started >= expect.get("waited_at_least_ms", 0) / 1000
    if outcome == "timeout":
        assert {ThalovantConnectionError, ThalovantTimeoutError} <= set(type(error).mro())
        assert str(error).endswith("it may still admit it later")
