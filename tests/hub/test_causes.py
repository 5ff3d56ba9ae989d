"""Each reason a client may have for not reaching its hub is made to happen, is named, and gives no secret away."""

from __future__ import annotations

import base64
import datetime
import json
import logging
import os
import shutil
import ssl
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from agent.hub.client import ThalovantClient
from agent.hub.errors import ThalovantError
from agent.hub.identity import ThalovantIdentity
from agent.hub.protocol.causes import Cause
from tests.peers.certificates import make_certificates
from tests.peers.http_peer import HTML, HttpPeer
from tests.peers.rig.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime.timedelta(days=1)


class Portal(HttpPeer):
    """Answers anything with its own page."""

    def respond(self, request):
        return HTML


@pytest.fixture
def mapping(hub):
    """The identity of the hub's device, as a mapping to change."""
    return json.loads(hub.identity().read_text())


@pytest.fixture
def client(hub, tmp_path):
    """Make a client of an identity, with keys of its own or those in `folder`."""
    made = []

    def make(mapping, protocol, folder=tmp_path / "keys"):
        made.append(ThalovantClient(ThalovantIdentity.from_mapping(mapping), protocol=protocol, noise_state_dir=folder))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """A TLS server at localhost with a certificate as told, and its authority trusted; its port."""
    peers = []

    def serve(**certificate):
        folder = tmp_path / "tls"
        folder.mkdir()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificates(folder, **certificate)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        peers.append(Portal(tls=context).__enter__())
        return peers[-1].port

    yield serve
    for peer in peers:
        peer.__exit__(None, None, None)


@pytest.fixture
def named(caplog, capsys):
    """Have a client examined: it names `cause`, and nothing that was said anywhere holds a secret of its identity."""
    caplog.set_level(logging.DEBUG)

    def check(client, cause):
        report = client.doctor()
        said = [str(report), json.dumps(report.as_dict()), repr(report), repr(client), repr(client.identity)]
        try:
            client.connect()
        except ThalovantError as error:
            said += [str(error), repr(error), "".join(traceback.format_exception(error))]
        assert report.cause is cause, str(report)
        assert cause.sentence in str(report) or cause is Cause.TYPE_DENIED
        said += [caplog.text, *capsys.readouterr()]
        for record in caplog.records:
            said.append(json.dumps(vars(record), default=str))
        identity = client.identity
        secrets = [identity.access_key, identity.password]
        # As it stands in the query of a URL, whatever comes before it there.
        secrets += [base64.b64encode(b"x" * shift + identity.access_key.encode()).decode()[4:-4] for shift in range(3)]
        if identity.mqtt:
            secrets += [identity.mqtt.password, identity.mqtt.topic_prefix or "no prefix"]
        for text in said:
            for secret in secrets:
                assert secret not in text

    return check


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_certificate_for_another_name(client, mapping, serving, named, protocol):
    port = serving(name="elsewhere.example")
    mapping["data_plane_endpoints"] = {protocol: f"{protocol}://localhost:{port}"}
    named(client(mapping, protocol), Cause.TLS_NAME)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_certificate_that_has_expired(client, mapping, serving, named, protocol):
    port = serving(begins=-2 * DAY, ends=-DAY)
    mapping["data_plane_endpoints"] = {protocol: f"{protocol}://localhost:{port}"}
    named(client(mapping, protocol), Cause.TLS_DATE)


def test_a_clock_that_is_behind_the_certificate(client, mapping, serving, named):
    port = serving(begins=DAY, ends=2 * DAY)
    mapping["data_plane_endpoints"] = {"wss": f"wss://localhost:{port}"}
    named(client(mapping, "wss"), Cause.CLOCK)


def test_a_certificate_nobody_here_trusts(client, mapping, serving, named, monkeypatch):
    port = serving()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")  # what is left, SSL_CERT_FILE, names the hub's own authority
    mapping["data_plane_endpoints"] = {"wss": f"wss://localhost:{port}"}
    named(client(mapping, "wss"), Cause.TLS_UNTRUSTED)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_captive_portal(client, mapping, serving, named, protocol):
    mapping["data_plane_endpoints"] = {protocol: f"{protocol}://localhost:{serving()}"}
    named(client(mapping, protocol), Cause.CAPTIVE_PORTAL)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_nothing_that_listens(client, mapping, named, protocol):
    mapping["data_plane_endpoints"] = {protocol: f"{protocol}://localhost:{free_port()}"}
    named(client(mapping, protocol), Cause.PORT_CLOSED)


def test_no_broker_that_listens(client, mapping, named):
    mapping["mqtt"]["endpoint"] = f"mqtts://localhost:{free_port()}"
    named(client(mapping, "mqtt"), Cause.PORT_CLOSED)


def test_a_broker_that_refuses_the_login(client, mapping, named):
    mapping["mqtt"]["password"] = "another password"
    named(client(mapping, "mqtt"), Cause.BROKER_REFUSED)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_password_the_hub_does_not_hold(client, mapping, named, protocol):
    mapping["password"] = "another password"
    named(client(mapping, protocol), Cause.WRONG_PASSWORD)


@pytest.mark.parametrize("protocol", ["wss", "https"])
def test_a_client_no_hub_has_admitted_yet(client, mapping, named, protocol):
    mapping["access_key"] = "f" * 32
    named(client(mapping, protocol), Cause.NOT_ADMITTED)


# What follows changes the hub: each test has one device of its own.


@pytest.fixture(scope="module")
def changed(start_hub):
    """A hub that is changed as nobody else's may be."""
    return start_hub(devices=4)


def own(hub, device):
    return json.loads(hub.identity(device).read_text())


def test_a_type_the_hub_does_not_let_it_send(changed, client, named):
    changed.allow("speak")
    named(client(own(changed, 1), "wss"), Cause.TYPE_DENIED)
    changed.allow("recognizer_loop:utterance")


def test_a_key_the_hub_does_not_know_any_more(changed, client, named):
    known = client(own(changed, 2), "wss")
    known.connect()
    known.close()
    changed.forget(2)
    named(known, Cause.UNKNOWN_KEY)


def test_a_key_of_its_own_that_the_hub_did_not_pin(changed, client, named, tmp_path):
    first = client(own(changed, 3), "wss", tmp_path / "first")
    first.connect()
    first.close()
    named(client(own(changed, 3), "wss", tmp_path / "second"), Cause.CLIENT_KEY_REJECTED)


def test_a_hub_with_another_key_than_before(changed, client, named):
    known = client(own(changed, 4), "wss")
    known.connect()
    known.close()
    changed.change_key()
    named(known, Cause.HUB_KEY_CHANGED)


# A network of one's own, where there is one to be had.

IN_A_NETWORK = """
import json, sys
from agent import ThalovantClient, ThalovantIdentity
identity = ThalovantIdentity.from_mapping(json.loads(sys.argv[1]))
client = ThalovantClient(identity, protocol="wss", noise_state_dir=sys.argv[2], connect_timeout=2)
print(client.doctor().cause)
client.close()
"""
BARE = ""
WITH_CABLE = "ip link add eth9 type veth peer name far9; ip link set eth9 up; ip link set far9 up;"
WITH_ADDRESS = f"{WITH_CABLE} ip address add 10.9.9.2/24 dev eth9; ip route add default via 10.9.9.1;"


@pytest.mark.parametrize(
    ("network", "host", "cause"),
    [
        (BARE, "192.0.2.1", Cause.NO_CARRIER),
        (WITH_CABLE, "192.0.2.1", Cause.NO_ADDRESS),
        (f"{WITH_ADDRESS} ip route add unreachable 192.0.2.0/24", "192.0.2.1", Cause.NO_ROUTE),
        (WITH_ADDRESS, "hub.invalid", Cause.DNS),
    ],
)
def test_a_network_that_does_not_lead_to_the_hub(mapping, tmp_path, network, host, cause):
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("a network namespace needs root, unshare and ip")
    mapping |= {"data_plane_endpoints": {"wss": f"wss://{host}:443"}, "mqtt": None}
    script = f'mount -t sysfs sysfs /sys && ip link set lo up; {network}\nexec "$@"'
    ran = subprocess.run(
        [
            *("unshare", "--net", "--mount", "sh", "-c", script, "sh"),
            *(sys.executable, "-c", IN_A_NETWORK, json.dumps(mapping), str(tmp_path / "keys")),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.returncode and ran.stderr.startswith(("unshare:", "mount:")):  # it never came to what is tested
        pytest.skip(f"this machine gives no network of one's own: {ran.stderr.strip()}")
    assert (ran.stdout.strip(), ran.stderr) == (cause, "")
