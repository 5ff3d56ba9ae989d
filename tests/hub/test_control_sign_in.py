from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.device_login import (
    DeviceLogin,
    ThalovantDeviceLoginDeniedError,
    ThalovantDeviceLoginExpiredError,
    is_showable,
)
from agent.hub.errors import ThalovantAPIError, ThalovantAPIUnreachableError, ThalovantAuthError, ThalovantTimeoutError
from agent.hub.sign_in import wants_code
from tests.peers.clock import FakeClock
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, ScriptedPeer, answer, problem

PASSWORD = "S3CRET correct horse"


@pytest.fixture
def plane():
    with ControlPlane() as peer:
        peer.add_user("ada@example.org", PASSWORD)
        peer.add_user("grace@example.org", PASSWORD, otp="123456", recovery="brave-otter")
        yield peer


@pytest.fixture
def api(plane):
    with ThalovantControlPlane(plane.url) as control:
        yield control


# ---------------------------------------------------------------------------------------- with a password


def test_a_password_signs_in(plane, api):
    token = api.login("ada@example.org", PASSWORD)
    assert (token.expires_in, token.token_id) == (3600, None)
    assert plane.requests[0].json == {"email": "ada@example.org", "password": PASSWORD}
    assert api.list_hubs()["data"] == []
    assert api.get_profile()["data"]["email"] == "ada@example.org"


def test_what_was_given_is_sent_and_nothing_else(plane, api):
    api.login("ada@example.org", PASSWORD, "hubs:read", otp_code="1", recovery_code="")
    assert set(plane.requests[0].json) == {"email", "password", "scope", "otp_code"}


def test_a_wrong_password_signs_nobody_in(api):
    with pytest.raises(ThalovantAuthError) as caught:
        api.login("ada@example.org", "S3CRET wrong")
    assert caught.value.status_code == 401
    assert not wants_code(caught.value)
    assert api.access_token is None


@pytest.mark.parametrize("code", [{"otp_code": "123456"}, {"recovery_code": "brave-otter"}])
def test_a_second_factor_is_asked_for_and_given(api, code):
    with pytest.raises(ThalovantAuthError) as caught:
        api.login("grace@example.org", PASSWORD)
    assert wants_code(caught.value)
    api.login("grace@example.org", PASSWORD, **code)
    assert api.list_hubs()["data"] == []


def test_an_error_that_repeats_the_request_does_not_show_it(api):
    with pytest.raises(ThalovantAPIError) as caught:
        api.login("grace@example.org", PASSWORD, otp_code="S3CRET-000000")
    assert caught.value.status_code == 422
    assert "S3CRET" in str(caught.value.problem)  # the peer did echo
    assert "S3CRET" not in str(caught.value) + repr(caught.value)


def test_no_token_shows_in_what_a_sign_in_returns(api):
    token = api.login("ada@example.org", PASSWORD)
    assert token.access_token.startswith("tvt_")
    assert "tvt_" not in repr(token) + str(token)


@pytest.mark.parametrize("said", [{}, {"access_token": None}, {"access_token": " "}, {"access_token": 7}])
def test_an_answer_without_a_token_is_an_error_without_a_status(said):
    with ScriptedPeer([answer(said)]) as peer:
        api = ThalovantControlPlane(peer.url, access_token="old", token_id="old-id")
        with pytest.raises(ThalovantAPIError, match="without an access token") as caught:
            api.login("ada@example.org", PASSWORD)
        assert caught.value.status_code is None
        assert (api.access_token, api.token_id) == ("old", "old-id")


def test_a_ready_token_is_used_as_it_is(plane):
    token = plane.add_token(["hubs:read"])
    api = ThalovantControlPlane(plane.url, access_token=f" {token.text}\n")
    assert api.list_hubs()["data"] == []
    with pytest.raises(ThalovantAuthError, match="Insufficient scopes"):
        api.list_clients("hub-1")


# --------------------------------------------------------------------------------------------- signing out


def test_signing_out_revokes_the_token_and_forgets_it(plane, api):
    login = api.begin_device_login()
    plane.approve(login.user_code)
    token = api.poll_device_login(login)
    assert token is not None
    api.logout()
    assert plane.store.tokens[token.access_token].revoked
    assert (api.access_token, api.token_id) == (None, None)
    api.logout()


def test_a_session_token_is_only_forgotten(plane, api):
    api.login("ada@example.org", PASSWORD)
    with pytest.raises(ThalovantAPIError, match="no id to revoke it by"):
        api.revoke_api_token()
    before = len(plane.requests)
    api.logout()
    assert api.access_token is None
    assert len(plane.requests) == before


def test_a_token_that_has_ended_counts_as_revoked(plane):
    token = plane.add_token()
    token.revoked = True
    api = ThalovantControlPlane(plane.url, access_token=token.text, token_id=token.token_id)
    api.revoke_api_token(token.token_id)
    assert api.access_token is None


def test_another_token_is_revoked_without_signing_out(plane):
    mine, other = plane.add_token(), plane.add_token()
    api = ThalovantControlPlane(plane.url, access_token=mine.text, token_id=mine.token_id)
    api.revoke_api_token(other.token_id)
    assert other.revoked
    assert api.access_token == mine.text
    mine.revoked = True
    with pytest.raises(ThalovantAuthError):
        api.revoke_api_token(other.token_id)
    assert api.access_token == mine.text


def test_a_token_that_could_not_be_revoked_is_kept_to_try_again(plane):
    token = plane.add_token()
    api = ThalovantControlPlane(plane.url, access_token=token.text, token_id=token.token_id)
    plane.put_in_the_way(DROP)
    with pytest.raises(ThalovantAPIUnreachableError):
        api.logout()
    assert api.access_token == token.text
    api.logout()
    assert token.revoked


# ------------------------------------------------------------------------------------------- with a device


def test_a_device_is_signed_in_once_its_person_has_approved(plane, api):
    clock = FakeClock()
    shown: list[DeviceLogin] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 3:
            plane.approve(shown[0].user_code)

    token = api.login_with_device(shown.append, ["hubs:read"], client_name="kiosk", clock=clock, sleep=sleep)
    assert clock.slept == [5, 5, 5]
    assert token.scopes == ("hubs:read",)
    assert token.expires_at == "2027-09-27T10:00:00Z"
    assert (api.access_token, api.token_id) == (token.access_token, token.token_id)
    assert plane.requests[0].json == {"scopes": ["hubs:read"], "client_name": "kiosk"}
    assert shown[0].device_code not in repr(shown[0])


def test_an_api_that_asks_to_slow_down_is_asked_less_for_good(plane, api):
    clock = FakeClock()
    shown: list[DeviceLogin] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        match len(clock.slept):
            case 1 | 3:
                plane.refuse(shown[0].user_code, "slow_down")
            case 5:
                plane.approve(shown[0].user_code)

    api.login_with_device(shown.append, clock=clock, sleep=sleep)
    assert clock.slept == [5, 10, 10, 15, 15]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("access_denied", ThalovantDeviceLoginDeniedError), ("expired_token", ThalovantDeviceLoginExpiredError)],
)
def test_a_sign_in_that_is_over_says_how(plane, api, outcome, kind):
    clock = FakeClock()
    with pytest.raises(kind) as caught:
        api.login_with_device(lambda login: plane.refuse(login.user_code, outcome), clock=clock, sleep=clock.sleep)
    assert caught.value.status_code == 400
    assert api.access_token is None


def test_nobody_is_waited_for_longer_than_the_code_lives_or_the_caller_wants(api):
    for timeout, waited in ((900, 900), (12, 10), (4, 0)):
        clock = FakeClock()
        with pytest.raises(ThalovantTimeoutError):
            api.login_with_device(lambda login: None, timeout=timeout, clock=clock, sleep=clock.sleep)
        assert sum(clock.slept) == waited


def test_a_network_that_comes_and_goes_does_not_end_the_sign_in(plane, api):
    clock = FakeClock()

    def show(login: DeviceLogin) -> None:
        for fault in (DROP, problem(503, "busy"), problem(429, "slowly", {"Retry-After": "60"})):
            plane.put_in_the_way(fault, path="/v1/auth/device/token")
        plane.approve(login.user_code)

    api.login_with_device(show, clock=clock, sleep=clock.sleep)
    assert clock.slept == [5, 10, 5, 60]


def test_a_refusal_that_is_none_of_the_protocols_ends_it(plane, api):
    plane.put_in_the_way(problem(404, "no such path"), path="/v1/auth/device/token")
    clock = FakeClock()
    with pytest.raises(ThalovantAPIError) as caught:
        api.login_with_device(lambda login: None, clock=clock, sleep=clock.sleep)
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://",
        "https:///activate",
        "https://user@thalovant.com",
        "https://thalovant.com/a b",
        "https://thalovant.com/\x1b[2J",
        "//thalovant.com",
        "https://thalovant.com:port/",
        7,
    ],
)
@pytest.mark.parametrize("member", ["verification_uri", "verification_uri_complete"])
def test_only_the_address_of_a_page_is_shown_to_a_person(url, member):
    said = {"device_code": "dc-1", "user_code": "WDJB", "verification_uri": "https://thalovant.com/activate"}
    assert DeviceLogin.from_answer(said).verification_uri_complete is None
    assert not is_showable(url)
    with pytest.raises(ThalovantAPIError, match=r"device sign-in with(out)? ") as caught:
        DeviceLogin.from_answer({**said, member: url})
    assert caught.value.status_code is None


@pytest.mark.parametrize("value", [None, "5", True, 0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_the_protocols_default(value):
    said = {"device_code": "dc-1", "user_code": "WDJB", "verification_uri": "https://thalovant.com/activate"}
    login = DeviceLogin.from_answer({**said, "interval": value, "expires_in": value})
    assert (login.interval, login.expires_in) == (5, 900)


def test_the_approver_sees_who_asks(plane, api):
    login = api.begin_device_login(client_name="Kitchen", client_id="thalovant-home-assistant")
    approver = ThalovantControlPlane(plane.url, access_token=plane.add_token().text)
    asks: Any = approver.describe_device_login(login.user_code)
    assert (asks.client_name, asks.device_name, asks.client_verified) == ("Home Assistant", "Kitchen", True)
    plain = approver.describe_device_login(api.begin_device_login(client_name="Kitchen").user_code)
    assert replace(plain, expires_at=None) == type(plain)(
        scopes=("hubs:read", "clients:write"), client_name="Kitchen", client_verified=False
    )
