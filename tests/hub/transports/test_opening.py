"""What each carrier says of an address where no hub is: the cause a person can act on, and in bounded time."""

from __future__ import annotations

import datetime
import time

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierClosed, CarrierFailed
from tests.hub.transports.carriers import CARRIERS, KEY, transport
from tests.peers.certificates import make_certificates
from tests.peers.listeners import silent_listener, talking_listener
from tests.peers.rig.ports import free_port

PORTAL = b"<html>Welcome to the hotel, please log in</html>"
DAYS = datetime.timedelta(days=1)

each_carrier = pytest.mark.parametrize("carrier", CARRIERS)


def failure(carrier: str, port: int, *, timeout: float = 2.0, **options) -> CarrierFailed:
    """What opening it raises; the carrier's own secrets are in nothing that is said."""
    with pytest.raises(CarrierFailed) as caught:
        transport(carrier, port, **options).open(timeout)
    assert caught.value.__cause__ is None
    assert KEY not in str(caught.value)
    assert "authorization" not in str(caught.value)
    return caught.value


@each_carrier
def test_nobody_listens(carrier):
    assert failure(carrier, free_port()).cause is Cause.PORT_CLOSED


@each_carrier
@pytest.mark.parametrize("tls", [False, True])
def test_a_listener_that_never_answers_is_given_up_in_time(carrier, tls):
    with silent_listener() as port:
        began = time.monotonic()
        assert failure(carrier, port, timeout=0.5, tls=tls, host="localhost").cause is Cause.NO_ANSWER
        assert time.monotonic() - began < 2


@each_carrier
def test_a_name_nobody_knows(carrier):
    assert failure(carrier, 443, host="hub.invalid").cause is Cause.DNS


@each_carrier
@pytest.mark.parametrize(
    ("certificate", "cause"),
    [
        (("localhost", -DAYS, DAYS), Cause.TLS_UNTRUSTED),
        (("other.example", -DAYS, DAYS), Cause.TLS_NAME),
        (("localhost", -2 * DAYS, -DAYS), Cause.TLS_DATE),
        (("localhost", DAYS, 2 * DAYS), Cause.CLOCK),
    ],
    ids=["untrusted", "other name", "expired", "not valid yet"],
)
def test_a_certificate_that_is_no_good(carrier, certificate, cause, tmp_path, monkeypatch):
    name, begins, ends = certificate
    ca = make_certificates(tmp_path, name=name, begins=begins, ends=ends)
    if cause is not Cause.TLS_UNTRUSTED:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
    with talking_listener(certificates=tmp_path) as port:
        assert failure(carrier, port, tls=True, host="localhost").cause is cause


@each_carrier
def test_a_server_that_speaks_no_tls(carrier):
    with talking_listener(b"220 welcome to the mail server\r\n") as port:
        assert failure(carrier, port, tls=True, host="localhost").cause is Cause.TLS


@pytest.mark.parametrize("carrier", ["wss", "https"])
@pytest.mark.parametrize(
    "status", ["200 OK", "302 Found", "307 Temporary Redirect", "511 Network Authentication Required"]
)
def test_a_sign_in_page(carrier, status):
    head = f"HTTP/1.1 {status}\r\nLocation: http://portal.invalid/\r\nContent-Type: text/html\r\n"
    page = f"{head}Content-Length: {len(PORTAL)}\r\n\r\n".encode() + PORTAL
    with talking_listener(page) as port:
        assert failure(carrier, port).cause is Cause.CAPTIVE_PORTAL


@pytest.mark.parametrize("carrier", ["wss", "https"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_refuses(carrier, status):
    said = f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    with talking_listener(said) as port, pytest.raises(CarrierClosed) as caught:
        transport(carrier, port).open(2)
    assert (caught.value.refused, caught.value.status) == (True, status)


@pytest.mark.parametrize("carrier", ["wss", "https"])
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_in_trouble(carrier, status):
    with talking_listener(f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\n{{}}".encode()) as port:
        assert failure(carrier, port).cause is Cause.SERVER


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (2, Cause.BROKER_REFUSED),
        (3, Cause.SERVER),
        (4, Cause.BROKER_REFUSED),
        (5, Cause.BROKER_REFUSED),
    ],
)
def test_a_broker_that_refuses_says_so(code, cause):
    with talking_listener(bytes((0x20, 2, 0, code))) as port:
        assert failure("mqtt", port).cause is cause


def test_a_broker_that_lets_nobody_hear_the_hub_is_a_refusal():
    connack, suback = bytes((0x20, 2, 0, 0)), bytes((0x90, 4, 0, 1, 0x80, 1))
    with talking_listener(connack + suback) as port:
        assert failure("mqtt", port).cause is Cause.BROKER_REFUSED


def test_a_broker_that_takes_the_connection_and_then_says_nothing():
    with talking_listener(bytes((0x20, 2, 0, 0))) as port:
        assert failure("mqtt", port, timeout=0.5).cause is Cause.NO_ANSWER
