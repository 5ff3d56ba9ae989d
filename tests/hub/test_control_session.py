from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from agent.hub.control import ThalovantControlPlane
from agent.hub.errors import (
    ThalovantAPIError,
    ThalovantAPIUnreachableError,
    ThalovantAuthError,
    ThalovantConnectionError,
)
from agent.hub.protocol.causes import Cause
from tests.peers.certificates import make_certificates
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, HTML, Answer, HttpPeer, Request, ScriptedPeer, answer, free_port, redirect

TOKEN = "tvt_S3CRET-token"
EMPTY = answer({"data": [], "meta": {"next": None}})


class Plain(HttpPeer):
    """Answers everything with an empty list."""

    def respond(self, request: Request) -> Answer:
        return EMPTY


def api_at(url: str, **options: Any) -> ThalovantControlPlane:
    return ThalovantControlPlane(url, access_token=TOKEN, **options)


@pytest.fixture
def peer():
    with Plain() as plain:
        yield plain


@pytest.fixture(autouse=True)
def _no_proxies_of_the_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# ------------------------------------------------------------------------------------------ what is sent


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "//"])
def test_the_address_may_end_as_people_write_it(peer, end):
    api_at(f"  {peer.url}{end} ").list_hubs()
    assert peer.requests[0].path == "/v1/hubs"


def test_the_address_may_have_a_path(peer):
    api_at(f"{peer.url}/gate/v1").list_hubs()
    assert peer.requests[0].path == "/gate/v1/hubs"


def test_a_private_call_carries_the_token_and_a_public_one_does_not(peer):
    api = api_at(peer.url, user_agent="Kiosk/1.0")
    api.list_hubs(limit=5, cursor="", owner_id=None)
    api.list_public_hubs()
    private, public = peer.requests
    assert private.headers["authorization"] == f"Bearer {TOKEN}"
    assert (private.headers["accept"], private.headers["user-agent"]) == ("application/json", "Kiosk/1.0")
    assert private.query == {"limit": "5"}
    assert "authorization" not in public.headers
    assert "content-type" not in public.headers


def test_names_in_a_path_are_escaped(peer):
    api_at(peer.url).get_public_hub("a/b?c#d e")
    assert peer.requests[0].path == "/v1/public/hubs/a%2Fb%3Fc%23d%20e"


@pytest.mark.parametrize("name", ["", "  ", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_not_sent(peer, name):
    with pytest.raises(ThalovantAPIError, match="the hub must not be"):
        api_at(peer.url).get_hub(name)
    assert peer.requests == []


@pytest.mark.parametrize("token", [None, "", "   "])
def test_a_private_call_without_a_token_is_refused_here(peer, token):
    api = ThalovantControlPlane(peer.url, access_token=token)
    with pytest.raises(ThalovantAuthError, match=r"^Missing Thalovant API access token$"):
        api.list_hubs()
    with pytest.raises(ThalovantAuthError, match=r"^Missing Thalovant API access token$"):
        api.create_client_identity({"id": "hub-1"}, name="kiosk")
    assert peer.requests == []


@pytest.mark.parametrize("token", ["S3CRET\r\nx: y", "S3CRET token", "S3CRET-ü", "S3CRET\x7f"])
def test_a_token_that_is_none_is_refused_without_being_shown(peer, token):
    with pytest.raises(ThalovantAPIError, match="token holds characters") as caught:
        ThalovantControlPlane(peer.url, access_token=token).list_hubs()
    assert "S3CRET" not in repr(caught.value)
    assert peer.requests == []


# ------------------------------------------------------------------------- where secrets do not go


def test_a_redirect_is_an_error_and_nothing_follows_it(peer):
    with Plain() as other:
        peer.put_in_the_way(redirect(f"{other.url}/v1/hubs", 302))
        with pytest.raises(ThalovantAPIError) as caught:
            api_at(peer.url).list_hubs()
        assert caught.value.status_code == 302
        assert other.requests == []


def test_nothing_secret_leaves_without_tls():
    api = api_at("http://api.thalovant.example")
    for call in (api.list_hubs, lambda: api.login("ada@example.org", "S3CRET-password")):
        with pytest.raises(ThalovantAPIError, match="nothing secret is sent over http://") as caught:
            call()
        assert not isinstance(caught.value, ThalovantConnectionError)


def test_what_is_for_this_machine_does_not_go_to_a_proxy(peer, monkeypatch):
    with Plain() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        api_at(peer.url).list_hubs()
        assert proxy.requests == []
    assert len(peer.requests) == 1


def test_a_proxys_password_does_not_travel_for_a_plain_address(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:S3CRET@127.0.0.1:9")
    with pytest.raises(ThalovantAPIError, match="a proxy's password is not sent") as caught:
        ThalovantControlPlane("http://api.thalovant.example").list_public_hubs()
    assert "S3CRET" not in repr(caught.value)


def test_a_proxy_is_used_for_other_machines(monkeypatch):
    with Plain() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        ThalovantControlPlane("http://api.thalovant.example").list_public_hubs()
        assert proxy.requests[0].headers["host"] == "api.thalovant.example"


def test_cookies_are_not_kept(peer):
    api = api_at(peer.url)
    peer.put_in_the_way(answer({"data": []}, headers={"Set-Cookie": "session=1; Path=/"}))
    api.list_hubs()
    api.list_hubs()
    assert "cookie" not in peer.requests[1].headers


def test_a_netrc_file_is_not_read(peer, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password S3CRET\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    ThalovantControlPlane(peer.url).list_public_hubs()
    api_at(peer.url).list_hubs()
    assert [request.headers.get("authorization") for request in peer.requests] == [None, f"Bearer {TOKEN}"]


@pytest.mark.parametrize(
    "url",
    [
        "https://user:S3CRET@api.thalovant.example",
        "https://S3CRET@api.thalovant.example",
        "https://api.thalovant.example/?S3CRET",
        "https://api.thalovant.example/#S3CRET",
        "ftp://api.thalovant.example",
        "api.thalovant.example",
        "https://",
        "https://api.thalovant.example:port",
        "",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(url):
    with pytest.raises(ThalovantAPIError, match="address of the Thalovant API") as caught:
        ThalovantControlPlane(url)
    assert "S3CRET" not in repr(caught.value)


def test_nothing_shows_the_token(peer):
    api = api_at(peer.url)
    assert repr(api) == f"ThalovantControlPlane('{peer.url}/', signed in: yes)"


# ---------------------------------------------------------------------------------- what comes back


def test_an_answer_without_a_body_is_an_empty_object():
    with ScriptedPeer([Answer(status=204), Answer(body=b" \n")]) as peer:
        assert api_at(peer.url).list_hubs() == {}
        assert api_at(peer.url).list_hubs() == {}


@pytest.mark.parametrize("body", [b"[1]", b"null", b'"text"', b"{", b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_an_error_without_a_status(body):
    with ScriptedPeer([Answer(body=body)]) as peer, pytest.raises(ThalovantAPIError, match="HTTP 200") as caught:
        api_at(peer.url).list_hubs()
    assert caught.value.status_code is None
    assert not isinstance(caught.value, ThalovantConnectionError)


@pytest.mark.parametrize("portal", [HTML, Answer(body=b"  <!DOCTYPE html>", content_type=""), Answer(status=511)])
def test_a_captive_portal_is_recognised(portal):
    with ScriptedPeer([portal]) as peer, pytest.raises(ThalovantAPIUnreachableError) as caught:
        api_at(peer.url).list_hubs()
    assert caught.value.cause is Cause.CAPTIVE_PORTAL
    assert caught.value.status_code is None


def test_an_answer_without_end_is_not_kept():
    with ScriptedPeer([Answer(body=b" " * (9 << 20))]) as peer, pytest.raises(ThalovantAPIError, match="8 MiB"):
        api_at(peer.url).list_hubs()


def test_a_server_that_drips_its_answer_is_left_in_time(peer):
    peer.put_in_the_way(Answer(body=b'{"data": []}' + b" " * 500, drip=0.05))
    with pytest.raises(ThalovantAPIUnreachableError) as caught:
        api_at(peer.url, timeout=0.3).list_hubs()
    assert caught.value.cause is Cause.NO_ANSWER
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("fault", "cause"), [(Answer(delay=5), Cause.NO_ANSWER), (DROP, Cause.DROPPED)], ids=["late", "dropped"]
)
def test_an_answer_that_does_not_come_is_a_reason_to_wait(peer, fault, cause):
    peer.put_in_the_way(fault)
    with pytest.raises(ThalovantAPIUnreachableError) as caught:
        api_at(peer.url, timeout=0.3).list_hubs()
    assert str(caught.value) == "Could not reach the Thalovant API."
    assert caught.value.cause is cause
    assert caught.value.__cause__ is None
    assert api_at(peer.url).list_hubs() == {"data": [], "meta": {"next": None}}


def test_a_closed_port_and_an_unknown_name_are_told_apart():
    causes = []
    for url in (f"http://127.0.0.1:{free_port()}", "https://api.thalovant.invalid"):
        with pytest.raises(ThalovantAPIUnreachableError) as caught:
            api_at(url, timeout=5).list_hubs()
        causes.append(caught.value.cause)
    assert causes == [Cause.PORT_CLOSED, Cause.DNS]


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), "\ud800"])
def test_what_is_no_json_is_not_sent(peer, value):
    with pytest.raises(ThalovantAPIError, match="cannot be written as JSON"):
        api_at(peer.url).create_client_identity({"id": "hub-1"}, name="kiosk", spec={"extra": value})
    assert peer.requests == []


def test_a_header_that_is_none_is_not_sent(peer):
    for etag in ("a\r\nb", "\N{SNOWMAN}"):
        with pytest.raises(ThalovantAPIError, match="unusable address or header"):
            api_at(peer.url).delete_client("client-1", etag=etag)
    assert peer.requests == []


# ------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def secure(tmp_path: Path):
    ca = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with ControlPlane(tls=context) as plane:
        yield plane, ca


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_whom_to_trust(secure, variable, monkeypatch):
    plane, ca = secure
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv(variable, str(ca))
    assert ThalovantControlPlane(plane.url).list_public_hubs()["data"] == []


def test_an_unknown_authority_is_not_trusted(secure, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(ThalovantAPIUnreachableError) as caught:
        api_at(secure[0].url).list_hubs()
    assert caught.value.cause is Cause.TLS_UNTRUSTED
    assert secure[0].requests == []


def test_certificates_that_are_not_there_are_named(secure, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ThalovantAPIError, match=r"/nowhere/ca\.pem, which does not exist"):
        api_at(secure[0].url).list_hubs()
