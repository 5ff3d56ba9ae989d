"""Keeping a link: every case of link-keeping-vectors.json; the handshakes run over a real WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from agent.hub.protocol.closing import CODE_GRACE_SECONDS, REFUSAL_CODES, SETTLE_SECONDS, is_refusal
from agent.hub.protocol.keeping import Dial, Hold, Keeping, Outcome, Stop, Terms
from agent.hub.protocol.wire import envelope
from tests.conformance.conftest import vectors
from tests.conformance.handshakes import arrange, connect, patterns
from tests.peers.responder import HubSide
from tests.peers.responder_servers import NO_STATUS, WebsocketHub

VECTORS = vectors("link-keeping-vectors")
POLICY = VECTORS["policy"]


def named(kind):
    return pytest.mark.parametrize(
        "case", [case for case in VECTORS["cases"] if case["kind"] == kind], ids=lambda case: case["name"]
    )


def test_no_kind_is_overlooked():
    assert {case["kind"] for case in VECTORS["cases"]} == {"close", "handshake", "supervise"}


def test_the_figures_of_a_close_are_the_contracts():
    assert set(POLICY["refusal_close_codes"]) == REFUSAL_CODES
    assert POLICY["settle_ms"] == SETTLE_SECONDS * 1000
    assert POLICY["close_code_grace_ms"] == CODE_GRACE_SECONDS * 1000


@named("close")
def test_close(case):
    refused = is_refusal(
        case["code"],
        since_handshake=None if case["when"] == "handshake" else case["after_ms"] / 1000,
        code_late=case.get("code_late_ms", 0) / 1000,
        heard=case.get("after_authenticated_frame", False),
    )
    assert ("refused" if refused else "dropped") == case["expect"]["outcome"]


@named("supervise")
def test_supervise(case):
    """With the contract's figures in place of a device's, which spreads its waits and never gives up asking."""
    keeping = Keeping(
        ["wss"],
        Terms(
            first=POLICY["retry_ms"] / 1000,
            ceiling=POLICY["retry_ceiling_ms"] / 1000,
            least_share=1.0,
            floor=0.0,
            stable=0.0,
            refusal_grace=POLICY["refusal_grace_ms"] / 1000,
            gives_up=True,
        ),
    )
    decided: list[dict[str, Any]] = []
    before = None
    for event in case["events"]:
        now, outcome = event["at_ms"] / 1000, Outcome(event["outcome"])
        if outcome is Outcome.DROPPED and before is not Outcome.UP:
            keeping.after("wss", Outcome.UP, now, 0.0)  # "an established link went down"
        before = outcome
        match keeping.after("wss", outcome, now, 0.0, in_use=True):
            case Hold():
                decided.append({"action": "hold"})
            case Dial(_, wait):
                decided.append({"action": "retry", "wait_ms": round(wait * 1000)})
            case Stop(reason):
                decided.append({"action": "give_up", "reason": reason.value})
    assert decided == case["expect"]


@named("handshake")
def test_handshake(case, tmp_path):
    def once_up(connection):
        spoken = case["situation"] == "closed_after_first_frame"
        return [*connection.say(envelope("hello", {})), NO_STATUS] if spoken else []

    with WebsocketHub(HubSide(), upgrade_status=case.get("status", 101), once_up=once_up) as server:
        changes = arrange(case, server, tmp_path)
        assert connect(server, tmp_path, **changes) == case["expect"]["outcome"]
    assert patterns(server) == case["expect"]["patterns"]
