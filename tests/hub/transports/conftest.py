"""What the tests of all carriers need: how a failure looks, a descriptor to wake by, and servers that say nothing."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Iterator

import pytest

from agent.hub.transports.errors import CarrierClosed, CarrierFailed

KEY = "a-very-secret-access-key"
PASSWORD = "a-very-secret-broker-password"


@pytest.fixture(autouse=True)
def _no_proxy_and_no_trust(monkeypatch, request):
    """Only what a test sets counts. A real hub's fixture sets its own."""
    if "hub" in request.fixturenames:
        return
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def wake() -> Iterator[int]:
    """A descriptor that is readable."""
    descriptor = os.eventfd(1)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def fails():
    """Call, and return the CarrierFailed or CarrierClosed it raised, in which no secret is left."""

    def call(action, *arguments, **more):
        with pytest.raises((CarrierFailed, CarrierClosed)) as caught:
            action(*arguments, **more)
        text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        for secret in (KEY, PASSWORD, "authorization="):
            assert secret not in text
        return caught.value

    return call
