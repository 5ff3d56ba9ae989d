"""Whom the three carriers trust, against real TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.transports.https import HttpsTransport
from agent.hub.transports.mqtt import MqttTransport
from agent.hub.transports.wss import WssTransport
from tests.hub.transports.conftest import KEY, PASSWORD
from tests.peers.certificates import make_certificates

CARRIERS = ["mqtt", "wss", "https"]
VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]


def transport_to(carrier, port):
    match carrier:
        case "wss":
            return WssTransport(f"wss://localhost:{port}", KEY, user_agent="Test/1")
        case "https":
            return HttpsTransport(f"https://localhost:{port}", KEY, user_agent="Test/1")
    return MqttTransport(
        host="localhost",
        port=port,
        tls=True,
        username=KEY,
        password=PASSWORD,
        topic_base=f"hivemind/{KEY}",
        qos=1,
        client_id="device-1",
    )


@pytest.fixture
def stranger(tmp_path):
    """An authority that certified nobody here."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    return make_certificates(folder)


@pytest.fixture
def server(tmp_path):
    """Serve TLS hanging up on whoever accepts it; returns its port and authority."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(2)
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                connection.close()

    def start():
        ca = make_certificates(tmp_path)
        context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
        serving.start()
        return listener.getsockname()[1], ca

    serving = threading.Thread(target=serve, name="tls-server", daemon=True)
    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    serving.join(5)


@pytest.mark.parametrize(("carrier", "variable"), [*zip(CARRIERS, VARIABLES, strict=True)])
def test_the_first_variable_that_is_set_names_the_authorities(
    carrier, variable, server, monkeypatch, *, fails, stranger
):
    port, ca = server()
    monkeypatch.setenv(variable, str(ca))
    for later in VARIABLES[VARIABLES.index(variable) + 1 :]:
        monkeypatch.setenv(later, str(stranger))
    assert fails(transport_to(carrier, port).open, 2).cause is Cause.DROPPED


@pytest.mark.parametrize("carrier", CARRIERS)
def test_nobody_else_is_trusted(carrier, server, stranger, monkeypatch, fails):
    port, _ = server()
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
    assert fails(transport_to(carrier, port).open, 2).cause is Cause.TLS_UNTRUSTED


@pytest.mark.parametrize("carrier", CARRIERS)
def test_authorities_may_be_a_folder(carrier, server, tmp_path, monkeypatch, fails):
    port, ca = server()
    folder = tmp_path / "authorities"
    folder.mkdir()
    digest = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(ca)], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / f"{digest}.0").write_bytes(ca.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    assert fails(transport_to(carrier, port).open, 2).cause is Cause.DROPPED


@pytest.mark.parametrize("carrier", CARRIERS)
def test_authorities_that_are_not_there_are_named(carrier, server, monkeypatch, fails):
    port, _ = server()
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/ca.pem")
    error = fails(transport_to(carrier, port).open, 2)
    assert error.cause is Cause.TLS_UNTRUSTED
    assert "/nowhere/ca.pem" in str(error)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_server_without_tls_is_told_apart(carrier, fails):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        assert fails(transport_to(carrier, listener.getsockname()[1]).open, 2).cause is Cause.TLS
        serving.join(2)


@pytest.mark.parametrize("module", CARRIERS)
def test_a_carriers_library_is_loaded_when_it_is_opened(module):
    libraries = {"paho", "websocket", "requests", "urllib3", "certifi"}
    script = f"import sys, agent.hub.transports.{module}; print(sorted({libraries!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "[]\n"
