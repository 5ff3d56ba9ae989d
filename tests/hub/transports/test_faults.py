"""What goes wrong below a carrier, in words a person can act on."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
import requests
import websocket

from agent.hub.protocol.causes import Cause
from agent.hub.transports.faults import cause_of, clock_is_unset, local_network_cause

NOW = 1_795_000_000.0  # November 2026
ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT = "{}\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
LAN = "{}\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
SELF_ASSIGNED = "{}\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"


def certificate_error(code):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Cause.PORT_CLOSED),
        (OSError(errno.ENETUNREACH, "unreachable"), Cause.NO_ROUTE),
        (OSError(errno.EHOSTUNREACH, "unreachable"), Cause.NO_ROUTE),
        (TimeoutError("timed out"), Cause.NO_ANSWER),
        (OSError(errno.ETIMEDOUT, "timed out"), Cause.NO_ANSWER),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Cause.DROPPED),
        (BrokenPipeError(errno.EPIPE, "broken pipe"), Cause.DROPPED),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Cause.DNS),
        (socket.gaierror(socket.EAI_AGAIN, "no answer from DNS"), Cause.DNS),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), Cause.TLS),
        (ssl.SSLEOFError(8, "EOF occurred"), Cause.DROPPED),
        (certificate_error(62), Cause.TLS_NAME),
        (certificate_error(64), Cause.TLS_NAME),
        (certificate_error(18), Cause.TLS_UNTRUSTED),
        (certificate_error(20), Cause.TLS_UNTRUSTED),
        (requests.ConnectTimeout("slow"), Cause.NO_ANSWER),
        (requests.ReadTimeout("slow"), Cause.NO_ANSWER),
        (requests.exceptions.ProxyError("Tunnel connection failed: 407"), Cause.NO_ROUTE),
        (websocket.WebSocketTimeoutException("slow"), Cause.NO_ANSWER),
        (websocket.WebSocketProtocolException("rsv"), Cause.PROTOCOL),
        (websocket.WebSocketProxyException("407"), Cause.NO_ROUTE),
        (RuntimeError("something new"), Cause.DROPPED),
    ],
)
def test_each_error_has_its_cause(error, cause):
    assert cause_of(error, wall=NOW) is cause


def test_the_cause_is_found_however_deep_a_library_buried_it():
    outer = requests.ConnectionError(RuntimeError("max retries"))
    outer.args[0].reason = RuntimeError("new connection")
    outer.args[0].reason.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert cause_of(outer) is Cause.PORT_CLOSED
    outer.__cause__ = outer  # and whatever goes in circles
    assert cause_of(outer) is Cause.PORT_CLOSED


@pytest.mark.parametrize(
    ("code", "wall", "cause"),
    [
        (10, NOW, Cause.TLS_DATE),
        (10, 0.0, Cause.CLOCK),
        (9, NOW, Cause.CLOCK),
        (9, 0.0, Cause.CLOCK),
    ],
)
def test_a_date_in_a_certificate_is_doubted_only_with_a_clock_that_was_set(code, wall, cause):
    assert cause_of(certificate_error(code), wall=wall) is cause


def test_a_clock_from_before_this_software_was_never_set():
    assert clock_is_unset(0.0)
    assert clock_is_unset(1_700_000_000.0)
    assert not clock_is_unset(NOW)


# ------------------------------------------------------------------------------------------------- this side


@pytest.fixture
def machine(tmp_path):
    """Ask a machine whose interfaces are name to carrier ("1", "0" or None for one that is down)."""

    def ask(interfaces, routes="", ipv6="", host="hub.example"):
        sysfs, proc = tmp_path / "sysfs", tmp_path / "proc"
        proc.mkdir()
        for name, carrier in {"lo": "1", **interfaces}.items():
            (sysfs / name).mkdir(parents=True)
            if carrier is not None:
                (sysfs / name / "carrier").write_text(f"{carrier}\n")
        (proc / "route").write_text(ROUTES + routes)
        (proc / "ipv6_route").write_text(ipv6)
        (proc / "if_inet6").write_text("")
        return local_network_cause(host, sysfs=sysfs, routes=proc)

    return ask


def route6(interface, destination="0" * 32, size="00"):
    source, gateway = "0" * 32, "fe80" + "0" * 28
    return f"{destination} {size} {source} 00 {gateway} 00000400 00000001 00000000 00000003 {interface}\n"


@pytest.mark.parametrize("interfaces", [{}, {"eth0": "0"}, {"eth0": None, "wlan0": "0"}])
def test_no_interface_with_a_carrier_is_no_network(machine, interfaces):
    assert machine(interfaces, DEFAULT.format("eth0")) is Cause.NO_CARRIER


@pytest.mark.parametrize("routes", ["", SELF_ASSIGNED.format("eth0"), LAN.format("docker0"), DEFAULT.format("wlan0")])
def test_a_carrier_without_an_address_of_the_networks_is_no_address(machine, routes):
    assert machine({"eth0": "1", "docker0": "0", "wlan0": "0"}, routes) is Cause.NO_ADDRESS


@pytest.mark.parametrize(
    ("routes", "ipv6"),
    [
        (DEFAULT.format("eth0") + LAN.format("eth0"), ""),
        (LAN.format("eth0"), ""),  # a network of its own, with the hub in it and no way out
        ("", route6("eth0")),
        ("", route6("eth0", "fd" + "0" * 30, "40")),
    ],
)
def test_a_carrier_and_an_address_are_all_this_side_can_do(machine, routes, ipv6):
    assert machine({"eth0": "1"}, routes, ipv6) is None


@pytest.mark.parametrize("ipv6", [route6("lo"), route6("eth0", "fe80" + "0" * 28, "40")])
def test_what_every_interface_gives_itself_is_no_address(machine, ipv6):
    assert machine({"eth0": "1"}, "", ipv6) is Cause.NO_ADDRESS


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_hub_on_this_machine_needs_no_network(machine, host):
    assert machine({}, host=host) is None


def test_a_system_that_does_not_tell_is_not_blamed(tmp_path):
    assert local_network_cause("hub.example", sysfs=tmp_path / "none", routes=tmp_path) is None
