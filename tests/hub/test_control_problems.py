from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.api_problems import names_connection_type, refusal
from agent.hub.api_secrets import HIDDEN, hide, secret_values, without_secrets
from agent.hub.errors import ThalovantAlreadyLinkedError, ThalovantAPIError, ThalovantAuthError, ThalovantPlanError


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None, secrets=()) -> ThalovantAPIError:
    return refusal(status, headers or {}, b"" if body is None else json.dumps(body).encode(), secrets=secrets)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, None, ThalovantAuthError),
        (423, {"detail": "Account locked"}, ThalovantAuthError),
        (403, {"detail": "Insufficient scopes"}, ThalovantAuthError),
        (403, {"detail": "Insufficient scopes."}, ThalovantAPIError),
        (403, {"detail": "Not yours"}, ThalovantAPIError),
        (402, None, ThalovantPlanError),
        (403, {"code": "plan_limit", "limit": 1}, ThalovantPlanError),
        (403, {"detail": {"code": "plan_limit"}}, ThalovantPlanError),
        (409, {"code": "home_assistant_already_linked"}, ThalovantAlreadyLinkedError),
        (409, {"detail": "Client name already exists"}, ThalovantAPIError),
        (404, None, ThalovantAPIError),
        (412, None, ThalovantAPIError),
        (429, None, ThalovantAPIError),
        (500, None, ThalovantAPIError),
    ],
)
def test_each_refusal_has_the_class_a_caller_branches_on(status, body, kind):
    error = refused(status, body)
    assert type(error) is kind
    assert error.status_code == status


@pytest.mark.parametrize("key", ["client_id", "existing_client_id", "connection_id"])
@pytest.mark.parametrize("inner", [False, True])
def test_an_existing_link_is_named(key, inner):
    problem: dict[str, Any] = {"code": "home_assistant_already_linked", key: "client-7"}
    error = refused(409, {"detail": problem} if inner else problem)
    assert isinstance(error, ThalovantAlreadyLinkedError)
    assert error.client_id == "client-7"


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"retry_after_seconds": 7}, {"Retry-After": "9"}, 7),
        ({"detail": {"retry_after_seconds": 1.5}}, {}, 1.5),
        ({"retry_after_seconds": True}, {"Retry-After": "9"}, 9),
        ({"retry_after_seconds": -1}, {}, None),
        ({"retry_after_seconds": "7"}, {}, None),
        (None, {"retry-after": " 9 "}, 9),
        (None, {"RateLimit-Reset": "30"}, 30),
        (None, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "RateLimit-Reset": "30"}, 30),
        (None, {"Retry-After": "-5"}, None),
        (None, {"Retry-After": "\N{SUPERSCRIPT TWO}"}, None),
        (None, {"Retry-After": "9" * 400}, None),
        (None, {}, None),
    ],
)
def test_the_time_to_wait_is_read_wherever_the_api_puts_it(body, headers, seconds):
    assert refused(429, body, headers).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": " Hub  not\nfound "}, "HTTP 404: Hub not found"),
        ({"detail": "x", "code": "no_such_hub"}, "HTTP 404: x (no_such_hub)"),
        ({"detail": "no_such_hub", "code": "no_such_hub"}, "HTTP 404: no_such_hub"),
        ({"detail": "x", "code": "not a code"}, "HTTP 404: x"),
        ({"detail": {"code": "token_rate_limited", "message": "Slow."}}, "HTTP 404: Slow. (token_rate_limited)"),
        ({"message": "m", "error": "e"}, "HTTP 404: m"),
        ({"error": "authorization_pending"}, "HTTP 404: authorization_pending"),
        ({"detail": "y" * 300}, "HTTP 404: " + "y" * 200 + "..."),
        ({"detail": "red \x1b[31m alert\x07"}, "HTTP 404: red [31m alert"),
        ({"detail": [{"input": "S3CRET"}]}, "HTTP 404"),
        ({"errors": [{"input": "S3CRET"}], "password": "S3CRET"}, "HTTP 404"),
        (["S3CRET"], "HTTP 404"),
        (None, "HTTP 404"),
    ],
)
def test_the_message_is_the_apis_sentence_and_nothing_else_of_the_body(body, message):
    assert str(refused(404, body)) == f"Thalovant API request failed with {message}"


def test_a_sentence_that_repeats_what_was_sent_is_told_without_it():
    error = refused(422, {"detail": "'hunter22' is too short", "code": "hunter22"}, secrets={"hunter22"})
    assert str(error) == f"Thalovant API request failed with HTTP 422: '{HIDDEN}' is too short"
    assert error.detail == "'hunter22' is too short"  # as sent, for programs


def test_a_secret_too_short_to_cut_out_takes_the_sentence_with_it():
    assert str(refused(422, {"detail": "abc is too short"}, secrets={"abc"})).endswith("HTTP 422")


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=250), after=st.text(max_size=20))
def test_a_secret_is_in_no_message_however_it_is_cut(secret, before, after):
    assert secret not in hide(before + secret + after, [secret]).replace(HIDDEN, "")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_a_body_that_is_no_object_is_no_problem(body):
    assert refusal(502, {}, body).problem is None


@pytest.mark.parametrize(
    ("problem", "named"),
    [
        ({"detail": "bad spec.connection_type"}, True),
        ({"code": "connectionType_unknown"}, True),
        ({"errors": [{"loc": ["body", "spec", "connection_type"], "msg": "no"}]}, True),
        ({"detail": [{"loc": ["body"], "msg": "connection_type is not known"}]}, True),
        ({"errors": [{"loc": ["body", "spec"], "msg": "no", "input": {"connection_type": "x"}}]}, False),
        ({"title": "connection_type", "instance": "connection_type"}, False),
        ({"errors": ["connection_type", None, {"loc": None, "msg": None}]}, False),
        ({"errors": "connection_type"}, False),
    ],
)
def test_the_kind_of_connection_is_looked_for_only_where_the_api_speaks(problem, named):
    assert names_connection_type(refused(422, problem)) is named


def test_what_is_secret_is_left_out_at_any_depth():
    shown = without_secrets({"a": [{"apiKey": 1, "api-key": 2, "API_KEY": 3, "b": 4}], "Initial_Identify": {"c": 5}})
    assert shown == {"a": [{"b": 4}]}


def test_the_secrets_of_a_request_are_found_at_any_depth():
    body = {"email": "ada", "password": "p", "spec": {"apiKey": ["k", {"x": "y"}]}, "otp_code": "1", "device_code": ""}
    assert set(secret_values(body)) == {"p", "k", "y", "1"}
