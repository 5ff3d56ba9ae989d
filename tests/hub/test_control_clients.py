from __future__ import annotations

import json
from typing import Any

import pytest

from agent.hub.client_identity import ClientRequest, normalise_site
from agent.hub.control import ThalovantControlPlane
from agent.hub.errors import (
    ThalovantAPIError,
    ThalovantAPIUnreachableError,
    ThalovantIdentityError,
    ThalovantPlanError,
    ThalovantUnsupportedConnectionTypeError,
)
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, ScriptedPeer, answer, problem

HUB = {"id": "hub-1", "domain": "kitchen.thalovant.io", "spec": {"protocols": {"wss": True, "http": True}}}


@pytest.fixture
def plane():
    with ControlPlane() as peer:
        yield peer


@pytest.fixture
def api(plane):
    with ThalovantControlPlane(plane.url, access_token=plane.add_token().text) as control:
        yield control


def created(said: dict[str, Any], resource: dict[str, Any] | None = None, **options: Any) -> Any:
    with ScriptedPeer([answer({"id": "client-1", **said}, 201)]) as peer:
        api = ThalovantControlPlane(peer.url, access_token="tvt_x")
        return api.create_client_identity(HUB if resource is None else resource, name="kiosk", **options)


# ------------------------------------------------------------------------------------------------ the request


def test_an_identity_is_made_for_a_hub_named_by_its_id(plane, api):
    kitchen = plane.add_hub("Kitchen", protocols=("wss", "http", "mqtt"), mqtt="mqtts://mqtt.thalovant.com:8883")
    result = api.create_client_identity(kitchen["id"], name="checkout_kiosk 1", preferred_protocols=("https", "wss"))
    assert plane.lines == [f"GET /v1/hubs/{kitchen['id']}", "POST /v1/clients"]
    sent = plane.requests[1].json
    assert (sent["hub_id"], sent["name"], sent["active"]) == (kitchen["id"], "checkout_kiosk 1", True)
    assert set(sent["spec"]) == {"version", "apiKey", "password", "siteId"}
    assert (sent["spec"]["version"], sent["spec"]["siteId"]) == ("1", "checkout-kiosk-1")
    assert "owner_id" not in sent
    identity = result.identity
    assert (identity.access_key, identity.password) == (sent["spec"]["apiKey"], sent["spec"]["password"])
    assert identity.enabled_protocols() == ("wss", "https", "mqtt")
    assert identity.endpoint_base() == "https://kitchen.thalovant.io:443"
    assert identity.mqtt.topic_base().endswith(identity.access_key)
    assert (result.selected_protocol, result.endpoint) == ("https", "https://kitchen.thalovant.io")
    assert result.client_id == plane.client_named("checkout_kiosk 1")["id"]
    assert result.operation["status"] == "requested"


def test_every_identity_has_secrets_and_a_key_of_its_own(plane, api):
    kitchen = plane.add_hub("Kitchen")
    for name in ("one", "two"):
        api.create_client_identity(kitchen, name=name)
    one, two = plane.requests
    assert one.json["spec"]["apiKey"] != two.json["spec"]["apiKey"] != two.json["spec"]["password"]
    assert len(one.json["spec"]["apiKey"]) == 43  # 32 bytes as base64url without padding
    assert one.headers["idempotency-key"] != two.headers["idempotency-key"]


def test_what_the_caller_says_of_the_client_is_sent(plane, api):
    kitchen = plane.add_hub("Kitchen")
    spec = {"version": "2", "crypto_key": "S3CRET", "cryptoKey": "S3CRET", "apiKey": "mine", "volume": 3}
    api.create_client_identity(
        kitchen, name="k", site_id=" shop_1 ", spec=spec, owner_id="ada", active=False, idempotency_key="key-1"
    )
    sent = plane.requests[0].json
    assert (sent["owner_id"], sent["active"]) == ("ada", False)
    assert set(sent["spec"]) == {"version", "volume", "apiKey", "password", "siteId"}
    assert (sent["spec"]["version"], sent["spec"]["siteId"]) == ("2", "shop-1")
    assert sent["spec"]["apiKey"] != "mine"
    assert plane.requests[0].headers["idempotency-key"] == "key-1"
    assert spec["apiKey"] == "mine"


@pytest.mark.parametrize(
    ("text", "site"), [(" a_b  c\td ", "a-b-c-d"), ("  ", ""), ("_", "-"), ("Kasse Süd", "Kasse-Süd")]
)
def test_a_name_becomes_a_site(text, site):
    assert normalise_site(text) == site


@pytest.mark.parametrize("resource", [{}, {"id": ""}, {"id": 7}])
def test_a_hub_without_an_id_is_refused(plane, api, resource):
    with pytest.raises(ThalovantAPIError, match="no id"):
        api.create_client_identity(resource, name="kiosk")
    assert plane.requests == []


def test_a_request_can_be_kept_and_sent_again_after_its_answer_was_lost(plane, api):
    kitchen = plane.add_hub("Kitchen")
    request = api.prepare_client(kitchen, name="kiosk")
    plane.put_in_the_way(DROP, method="POST", processed=True)
    with pytest.raises(ThalovantAPIUnreachableError):
        api.create_client(kitchen, request)
    again = ClientRequest.from_mapping(json.loads(json.dumps(request.as_dict())))
    result = api.create_client(kitchen, again)
    assert len(plane.store.clients) == 1
    assert result.identity.access_key == plane.client_named("kiosk")["spec"]["apiKey"]
    assert request.body["spec"]["password"] not in repr(request)


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"idempotency_key": "k", "body": []},
        {"idempotency_key": "k", "body": {"name": "n", "spec": {"apiKey": "a"}}},
        {"idempotency_key": 1, "body": {"spec": {}}},
    ],
)
def test_a_kept_request_that_is_none_is_refused(mapping):
    with pytest.raises(ThalovantIdentityError, match="request for a new client"):
        ClientRequest.from_mapping(mapping)


# ------------------------------------------------------------------------------------------------- the answer


def test_the_identity_the_platform_hands_out_wins():
    given = {"access_key": "given-key", "password": "given", "site_id": "32", "default_master": "wss://x.example"}
    result = created({"initial_identify": {**given, "protocols": {"mqtt": True}}})
    assert (result.identity.access_key, result.identity.site_id) == ("given-key", "32")
    assert result.identity.endpoints.wss == "wss://kitchen.thalovant.io"
    assert result.identity.enabled_protocols() == ("wss", "https")
    assert result.operation is None


@pytest.mark.parametrize("given", [None, {}, "text", {"access_key": "only"}])
def test_without_one_the_identity_is_what_was_sent(given):
    result = created({"initial_identify": given})
    assert len(result.identity.access_key) == 43
    assert (result.identity.site_id, result.identity.default_port) == ("kiosk", 443)
    assert result.identity.default_master == "https://kitchen.thalovant.io"
    assert result.identity.mqtt is None


@pytest.mark.parametrize(
    ("resource", "master"),
    [
        ({"id": "h", "data_plane_endpoints": {"https": "https://a.example/base"}}, "https://a.example"),
        ({"id": "h", "domain": "d.example"}, "https://d.example"),
        ({"id": "h", "data_plane_endpoints": {"wss": "wss://w.example:8443/x"}}, "wss://w.example:8443"),
    ],
)
def test_such_an_identity_knows_where_the_hub_is(resource, master):
    assert created({}, resource).identity.default_master == master


def test_a_hub_that_is_nowhere_makes_no_identity():
    with pytest.raises(ThalovantIdentityError, match="where the hub is"):
        created({}, {"id": "h"})


@pytest.mark.parametrize("operation", [None, {}, "op-1", {"id": ""}, {"id": 7}, []])
def test_an_operation_that_is_none_is_nothing_to_wait_for(operation):
    result = created({"operation": operation})
    assert result.operation is None
    ThalovantControlPlane("https://api.thalovant.example").wait_for_admission(result)


@pytest.mark.parametrize("client_id", [None, "", 7])
def test_a_client_without_an_id_is_an_error_without_a_status(client_id):
    with pytest.raises(ThalovantAPIError, match="no id") as caught:
        created({"id": client_id})
    assert caught.value.status_code is None


def test_nothing_secret_shows_in_the_result(plane, api):
    result = api.create_client_identity(plane.add_hub("Kitchen", mqtt="mqtts://b:8883"), name="kiosk")
    secrets = {result.identity.access_key, result.identity.password, "once"}
    shown = repr(result) + json.dumps(result.as_dict())
    assert not [secret for secret in secrets if secret in shown]
    assert result.as_dict()["client"]["name"] == "kiosk"
    assert result.as_dict(include_secrets=True)["client"]["initial_identify_token"] == "once"


# -------------------------------------------------------------------------------------- refusals, and kinds


def test_a_plan_that_is_full_says_so(plane, api):
    plane.most_clients = 0
    with pytest.raises(ThalovantPlanError) as caught:
        api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk")
    assert (caught.value.problem or {})["limit"] == 0
    assert str(caught.value).endswith("Free plan allows up to 0 connections. (plan_limit)")


def test_a_kind_the_api_knows_comes_back(plane, api):
    result = api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk", connection_type="embedded")
    assert result.connection_type == "embedded"


def test_a_kind_the_api_does_not_know_is_unsupported(plane, api):
    with pytest.raises(ThalovantUnsupportedConnectionTypeError) as caught:
        api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk", connection_type="toaster")
    assert (caught.value.connection_type, caught.value.status_code) == ("toaster", 422)


def made_of_another_kind(*answers: Any) -> tuple[ThalovantUnsupportedConnectionTypeError, list[str]]:
    made = answer({"id": "client-1", "etag": "e1", "spec": {"connection_type": "developer"}}, 201)
    with ScriptedPeer([made, *answers]) as peer:
        api = ThalovantControlPlane(peer.url, access_token="tvt_x")
        with pytest.raises(ThalovantUnsupportedConnectionTypeError) as caught:
            api.create_client_identity(HUB, name="kiosk", connection_type="embedded")
    return caught.value, peer.lines


def test_a_client_of_another_kind_is_deleted_again():
    error, lines = made_of_another_kind(answer({}))
    assert lines == ["POST /v1/clients", "DELETE /v1/clients/client-1 If-Match=e1"]
    assert error.status_code is None
    assert str(error) == "the API made a connection of another kind than 'embedded'"


def test_a_client_that_could_not_be_deleted_again_is_named():
    error, _ = made_of_another_kind(problem(500, "no"))
    assert "could not delete client client-1" in str(error)


# ---------------------------------------------------------------------------------------------------- deleting


def test_an_identity_is_taken_back(plane, api):
    result = api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk")
    api.delete_client_identity(result)
    assert plane.store.clients == {}
    api.delete_client_identity(result)
    api.delete_client(result.client_id)


def test_a_client_that_changes_twice_meanwhile_is_left(plane, api):
    client = api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk").client_id
    plane.put_in_the_way(problem(412, "ETag mismatch"), method="DELETE", times=2)
    with pytest.raises(ThalovantAPIError) as caught:
        api.delete_client(client, etag="old")
    assert caught.value.status_code == 412
    assert len(plane.store.clients) == 1


def test_a_client_read_just_before_may_change_once(plane, api):
    client = api.create_client_identity(plane.add_hub("Kitchen"), name="kiosk").client_id
    plane.put_in_the_way(problem(412, "ETag mismatch"), method="DELETE")
    api.delete_client(client)
    assert plane.store.clients == {}


def test_the_clients_of_a_hub_are_listed_with_or_without_their_secrets(plane, api):
    kitchen = plane.add_hub("Kitchen")
    for name in ("one", "two", "three"):
        api.create_client_identity(kitchen, name=name)
    assert len(api.list_clients(kitchen["id"], limit=2, all_pages=True)["data"]) == 3
    listed = api.list_clients(kitchen["id"], include_spec=False)["data"]
    assert [client["name"] for client in listed] == ["one", "two", "three"]
    assert "spec" not in listed[0]
    assert plane.requests[-1].query["include_spec"] == "false"
