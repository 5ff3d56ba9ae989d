from __future__ import annotations

from typing import Any

import pytest

from agent.hub.admission import AdmissionProgress
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
from tests.peers.clock import FakeClock
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, HTML, Answer, answer, problem


@pytest.fixture
def plane():
    with ControlPlane() as peer:
        yield peer


@pytest.fixture
def api(plane):
    with ThalovantControlPlane(plane.url, access_token=plane.add_token().text) as control:
        yield control


@pytest.fixture
def result(plane, api):
    made = api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk")
    plane.requests.clear()
    return made


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def wait(api, clock):
    def waiting(admitted: Any, **options: Any) -> None:
        api.wait_for_admission(admitted, clock=clock, sleep=clock.sleep, **options)

    return waiting


def looks(plane: ControlPlane) -> int:
    return len(plane.requests)


def test_a_new_client_is_waited_for_until_its_hub_knows_it(plane, result, wait, clock):
    plane.looks_until_admitted = 4
    seen: list[AdmissionProgress] = []
    wait(result, progress=seen.append)
    assert looks(plane) == 4
    assert clock.slept == [2, 2, 2]
    assert [each.status for each in seen] == ["committed", "applied", "applied"]
    assert [(each.waited, each.left) for each in seen] == [(0, 180), (2, 178), (4, 176)]


@pytest.mark.parametrize("form", ["result", "operation", "id", "link", "address"])
def test_the_operation_may_be_given_in_any_form(plane, result, wait, form):
    operation = result.operation
    link = operation["links"]["self"]
    forms = {
        "result": result,
        "operation": operation,
        "id": operation["id"],
        "link": link,
        "address": f"{plane.url}{link}",
    }
    wait(forms[form])
    assert plane.lines[0] == f"GET {link}"


@pytest.mark.parametrize("nothing", [None, "", " ", {}, {"id": 7}, {"links": {"self": "/v1/elsewhere"}}])
def test_with_nothing_to_wait_for_the_client_counts_as_admitted(plane, wait, nothing):
    wait(nothing)
    assert plane.requests == []


@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1:{port}/v1/operations/op-1",
        "http://127.0.0.1/v1/operations/op-1",
        "http://evil.example:{port}/v1/operations/op-1",
        "//evil.example/v1/operations/op-1",
        "http://user@127.0.0.1:{port}/v1/operations/op-1",
        "http://127.0.0.1:port/v1/operations/op-1",
        "file:///v1/operations/op-1",
    ],
)
@pytest.mark.parametrize("form", [str, lambda link: {"id": "op-1", "links": {"self": link}}])
def test_a_link_to_another_server_is_never_followed(plane, wait, link, form):
    with pytest.raises(ThalovantAPIError, match="the operation's link") as caught:
        wait(form(link.replace("{port}", str(plane.port))))
    assert type(caught.value) is ThalovantAPIError
    assert plane.requests == []


def test_an_end_that_is_known_already_is_not_read_again(plane, wait):
    wait({"id": "op-1", "status": "ready"})
    with pytest.raises(ThalovantAdmissionFailedError) as caught:
        wait({"id": "op-1", "status": "timed_out", "error_code": "too_slow", "error_message": "Not\x1b in time."})
    assert caught.value.error_code == "too_slow"
    assert str(caught.value) == "the hub did not admit the new client (timed_out): Not in time."
    assert plane.requests == []


@pytest.mark.parametrize("outcome", ["failed", "timed_out"])
def test_a_platform_that_gave_up_says_why(plane, result, wait, outcome):
    plane.end_admission("kiosk", outcome, "gitops_push_rejected")
    with pytest.raises(ThalovantAdmissionFailedError) as caught:
        wait(result)
    assert (caught.value.error_code, caught.value.status_code) == ("gitops_push_rejected", None)


def test_an_operation_no_longer_tracked_is_over(plane, result, wait):
    plane.forget_admission("kiosk")
    wait(result)
    assert looks(plane) == 1


def test_the_wait_has_an_end_and_the_client_may_still_be_admitted(plane, result, wait, clock):
    plane.looks_until_admitted = 1000
    with pytest.raises(ThalovantAdmissionTimeoutError, match=r"it may still admit it later$") as caught:
        wait(result, timeout=7, poll_interval=3)
    assert clock.slept == [3, 3, 1]
    assert looks(plane) == 3
    assert {ThalovantConnectionError, ThalovantTimeoutError} <= set(type(caught.value).mro())


def test_no_look_takes_longer_than_is_left(plane, api, result):
    plane.put_in_the_way(Answer(delay=30))
    with pytest.raises(ThalovantAdmissionTimeoutError):
        api.wait_for_admission(result, timeout=0.3)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        (problem(429, {"code": "token_rate_limited", "message": "Slow.", "retry_after_seconds": 20}), 20),
        (problem(429, "Slow.", {"Retry-After": "30"}), 30),
        (Answer(status=429, body=b"slow", content_type="text/plain", headers={"RateLimit-Reset": "40"}), 40),
        (problem(429, "Slow.", {"Retry-After": "1"}), 2),
        (problem(429, "Slow."), 2),
        (problem(503, "Busy.", {"Retry-After": "9"}), 9),
        (Answer(status=502, body=b"<html>", content_type="text/html"), 2),
    ],
)
def test_a_refusal_that_passes_is_waited_out(plane, api, result, fault, pause):
    clock = FakeClock()
    plane.put_in_the_way(fault)
    api.wait_for_admission(result, clock=clock, sleep=clock.sleep)
    assert clock.slept == [pause, 2]


def test_an_api_that_asks_for_longer_than_is_left_ends_the_wait(plane, result, wait, clock):
    plane.put_in_the_way(problem(429, "Slow.", {"Retry-After": "181"}))
    with pytest.raises(ThalovantAdmissionTimeoutError):
        wait(result)
    assert clock.slept == []


def test_a_server_in_trouble_does_not_end_the_wait_early(plane, result, wait, clock):
    plane.put_in_the_way(problem(503, "Down.", {"Retry-After": "600"}))
    with pytest.raises(ThalovantAdmissionTimeoutError):
        wait(result)
    assert clock.slept == [180]


@pytest.mark.parametrize(
    "fault", [problem(401, "Not authenticated"), problem(403, "Insufficient scopes"), problem(403, "Forbidden")]
)
def test_a_token_that_is_no_longer_good_is_no_failed_admission(plane, result, wait, fault):
    plane.put_in_the_way(fault)
    with pytest.raises(ThalovantAuthError) as caught:
        wait(result)
    assert caught.value.status_code == fault.status
    assert looks(plane) == 1


def test_any_other_refusal_is_told_as_it_came(plane, result, wait):
    plane.put_in_the_way(problem(410, "Gone.", code="gone"))
    with pytest.raises(ThalovantAdmissionFailedError) as caught:
        wait(result)
    error = caught.value
    assert (error.status_code, error.code, error.detail, error.error_code) == (410, "gone", "Gone.", None)


@pytest.mark.parametrize("fault", [DROP, HTML], ids=["dropped", "captive portal"])
def test_an_api_out_of_reach_is_no_failed_admission(plane, result, wait, fault):
    plane.put_in_the_way(fault)
    with pytest.raises(ThalovantAPIUnreachableError):
        wait(result)


def test_a_word_nobody_knows_is_not_the_end(plane, result, wait, clock):
    plane.put_in_the_way(answer({"status": ["?"]}))
    plane.put_in_the_way(answer({}))
    wait(result)
    assert clock.slept == [2, 2, 2]
