"""What an error of the control plane carries for a given answer: every case of api-error-vectors.json."""

from __future__ import annotations

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.errors import ThalovantAPIError
from tests.conformance.conftest import vectors
from tests.peers.http_peer import Answer, ScriptedPeer

CASES = vectors("api-error-vectors")["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_error_carries_what_the_api_said(case):
    said, expect = case["response"], case["expect"]
    answer = Answer(status=said["status"], content_type=said["content_type"], body=said["body"].encode())
    with (
        ScriptedPeer([answer]) as peer,
        ThalovantControlPlane(peer.url, access_token="synthetic-token") as api,
        pytest.raises(ThalovantAPIError) as caught,
    ):
        api.list_hubs()
    error = caught.value
    seen = {"status": error.status_code, "code": error.code, "detail": error.detail, "problem": error.problem}
    assert seen == expect
    for word in (*case.get("message_excludes", ()), "synthetic-token"):
        assert word not in str(error)
        assert word not in repr(error)
