from __future__ import annotations

import pytest

from agent.hub.control import ThalovantControlPlane, hub_display_name
from agent.hub.errors import ThalovantAPIError
from agent.hub.hubs import hub_endpoints, next_cursor
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import ScriptedPeer, answer


@pytest.fixture
def plane():
    with ControlPlane(largest_page=3) as peer:
        for number in range(7):
            peer.add_hub(f"Hub {number}", public=number != 6)
        yield peer


@pytest.fixture
def api(plane):
    with ThalovantControlPlane(plane.url, access_token=plane.add_token().text) as control:
        yield control


def test_a_page_is_given_as_the_api_answers(api):
    page = api.list_public_hubs(limit=2)
    assert [hub["title"] for hub in page["data"]] == ["Hub 0", "Hub 1"]
    assert page["meta"] == {"count": 2, "next": "2"}
    assert [hub["slug"] for hub in api.list_public_hubs(limit=2, cursor="2")["data"]] == ["hub-2", "hub-3"]


def test_every_page_is_read_on_request(plane, api):
    assert len(api.list_hubs(all_pages=True)["data"]) == 7
    assert [request.query.get("cursor") for request in plane.requests] == [None, "3", "6"]
    public = api.list_public_hubs(limit=2, cursor="2", all_pages=True)
    assert [hub["title"] for hub in public["data"]] == ["Hub 2", "Hub 3", "Hub 4", "Hub 5"]
    assert public["meta"] == {"count": 4, "next": None}


def test_pages_are_fetched_as_they_are_needed(plane, api):
    hubs = api.iter_hubs()
    assert plane.requests == []
    assert next(hubs)["name"] == "hub-0"
    assert len(plane.requests) == 1
    assert len(list(hubs)) == 6
    assert len(list(api.iter_public_hubs())) == 6


def test_pages_that_lead_in_a_circle_end():
    page = answer({"data": [{"id": "1"}], "meta": {"next": "x"}})
    with ScriptedPeer([page, page, page]) as peer:
        api = ThalovantControlPlane(peer.url)
        with pytest.raises(ThalovantAPIError, match="in a circle"):
            list(api.iter_public_hubs())
    assert len(peer.requests) == 2


@pytest.mark.parametrize(
    ("page", "cursor"),
    [
        ({"meta": {"next": "abc"}}, "abc"),
        ({"meta": {"next": 24}}, "24"),
        ({"meta": {"next": "https://evil.example/v1/hubs?cursor=a%2Bb&limit=2"}}, "a+b"),
        ({"meta": {"next": None}, "links": {"next": "/v1/hubs?cursor=c"}}, "c"),
        ({"links": {"next": "/v1/hubs"}}, None),
        ({"meta": {"next": None}, "links": {"next": None}}, None),
        ({"meta": {"next": True}}, None),
        ({"meta": {"next": " "}}, None),
        ({"meta": None}, None),
        ({}, None),
    ],
)
def test_the_next_pages_cursor_is_found_in_whatever_form(page, cursor):
    assert next_cursor(page) == cursor


def test_one_hub_is_read_by_id_and_a_public_one_also_by_slug(plane, api):
    hub = api.list_hubs()["data"][0]
    assert api.get_hub(hub["id"]) == hub
    for ref in (hub["id"], "hub-0"):
        assert api.get_public_hub(ref)["public_ref"] == "hub-0"
    with pytest.raises(ThalovantAPIError, match="Hub not found") as caught:
        api.get_public_hub("hub-6")
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ({"name": "n", "slug": "s", "spec": {"catalog": {"title": " Kitchen "}}}, "Kitchen"),
        ({"name": "joke", "slug": "joke", "title": "Joke Garden"}, "Joke Garden"),
        ({"name": "My hub", "slug": "my-hub"}, "My hub"),
        ({"name": "daily-desk_2", "slug": "daily-desk_2"}, "Daily Desk 2"),
        ({"slug": "mcDonald"}, "McDonald"),
        ({"name": "", "slug": "--", "spec": None}, "A Thalovant hub"),
        ({"spec": {"catalog": {"title": 7}}}, "A Thalovant hub"),
    ],
)
def test_a_hub_has_a_name_for_people(resource, name):
    assert hub_display_name(resource) == name


@pytest.mark.parametrize(
    ("resource", "https", "wss"),
    [
        ({"domain": "h.example"}, None, "wss://h.example"),
        ({"domain": "h.example", "spec": {"protocols": {"http": True}}}, "https://h.example", "wss://h.example"),
        ({"domain": "h.example", "spec": {"protocols": {"wss": False}}}, None, None),
        ({"domain": "ws://h.example", "spec": {"protocols": {"http": 1}}}, "https://h.example", "ws://h.example"),
        ({"domain": "http://h.example/", "spec": {"protocols": {"http": 1}}}, "https://h.example", "wss://h.example"),
        ({"domain": "h.example", "data_plane_endpoints": {"wss": "wss://w.example/x/"}}, None, "wss://w.example/x"),
        ({"data_plane_endpoints": {}}, None, None),
    ],
)
def test_a_hubs_addresses_are_those_it_lists_and_its_domain(resource, https, wss):
    endpoints = hub_endpoints(resource)
    assert (endpoints.https, endpoints.wss, endpoints.mqtt) == (https, wss, None)
