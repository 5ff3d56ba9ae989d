"""Every fault of the way to the hub on every carrier it can happen on: the next scan is answered, soon, and none is
lost.

The production link in this process, a real hub and broker, and a network that can be broken between them.
"""

from __future__ import annotations

import time

import pytest

from agent.hub.protocol.causes import Cause
from agent.hub.protocol.keeping import PulseTerms, Terms
from tests.peers.bad_network import CARRIERS, BadNetwork
from tests.peers.hub import utterance
from tests.peers.linked import LinkedDevice
from tests.peers.proxy import DOWN, UP

each_carrier = pytest.mark.parametrize("carrier", CARRIERS)


@pytest.fixture(scope="module")
def hub(start_hub):
    return start_hub(devices=80)


@pytest.fixture(scope="module")
def network(hub):
    with BadNetwork(hub) as network:
        yield network


@pytest.fixture(autouse=True)
def _heal(network):
    yield
    network.heal()


@pytest.fixture
def link_over(hub, network, unused, tmp_path):
    """Start a link over one carrier: `with link_over("wss") as linked`. Each is another device."""

    def start(*carriers, **options):
        return LinkedDevice(network.identity(next(unused)), tmp_path, protocols=carriers, **options)

    return start


def answered(hub, linked, code, within):
    assert linked.scan(code, timeout=max(within * 2, 20)) <= within
    assert hub.received(utterance(code))


@each_carrier
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_ends(hub, network, link_over, carrier, reset):
    with link_over(carrier) as linked:
        linked.wait_up()
        network[carrier].drop(reset=reset)
        answered(hub, linked, f"ended-{carrier}-{reset}", 5)


@each_carrier
def test_a_cable_pulled_and_put_back(hub, network, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        network[carrier].drop(reset=True)
        network[carrier].refuse()
        linked.wait_cause(Cause.PORT_CLOSED)
        network[carrier].heal()
        answered(hub, linked, f"cable-{carrier}", 15)


@each_carrier
def test_a_slow_network(hub, network, link_over, carrier):
    network[carrier].delay(0.2)
    with link_over(carrier) as linked:
        linked.wait_up(timeout=30)
        answered(hub, linked, f"slow-{carrier}", 5)


@each_carrier
def test_a_narrow_network(hub, network, link_over, carrier):
    network[carrier].throttle(20_000)
    with link_over(carrier) as linked:
        linked.wait_up(timeout=30)
        answered(hub, linked, f"narrow-{carrier}", 5)


@each_carrier
@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("count", [400, 4200])
def test_a_connection_cut_at_some_byte(network, link_over, carrier, direction, count):
    network[carrier].cut_after(count, direction=direction, reset=count % 2 == 0)
    with link_over(carrier, terms=Terms(first=0.2, floor=0.2)) as linked:
        accepted = network[carrier].accepted
        while network[carrier].accepted == accepted:
            time.sleep(0.01)
        time.sleep(0.3)
        network[carrier].heal()
        linked.wait_up(timeout=40)
        answered(network.hub, linked, f"cut-{carrier}-{direction}-{count}", 30)


@each_carrier
def test_a_network_that_takes_and_never_answers_is_named(hub, network, link_over, carrier):
    network[carrier].freeze()
    with link_over(carrier) as linked:
        linked.wait_cause(Cause.NO_ANSWER, timeout=15)
        network[carrier].heal()
        answered(hub, linked, f"silent-{carrier}", 15)


@each_carrier
def test_a_half_open_connection_is_found_by_asking(hub, network, link_over, carrier):
    with link_over(carrier, pulse_terms=PulseTerms(doubt=0.5, dead=1.0)) as linked:
        linked.wait_up()
        network[carrier].forget()
        answered(hub, linked, f"asked-{carrier}", 15)


@pytest.mark.slow
@pytest.mark.timeout(90)
@each_carrier
def test_a_half_open_connection_in_use_is_found_within_30_seconds(hub, network, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        network[carrier].forget()
        answered(hub, linked, f"half-open-{carrier}", 30)


@each_carrier
def test_a_hub_killed_and_started(hub, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        hub.core.kill()
        time.sleep(0.5)
        hub.core.start()
        answered(hub, linked, f"hub-{carrier}", 10)


def test_a_broker_killed_and_started(hub, link_over):
    with link_over("mqtt") as linked:
        linked.wait_up()
        hub.broker.kill()
        time.sleep(0.5)
        hub.broker.start()
        answered(hub, linked, "broker", 10)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("first", ["hub", "broker"])
def test_hub_and_broker_killed_and_started_in_either_order(hub, link_over, first):
    with link_over("mqtt", "wss") as linked:
        linked.wait_up("mqtt")
        hub.core.kill()
        hub.broker.kill()
        hub.broker.start()
        if first == "broker":
            linked.wait_state("offline")
        hub.core.start()
        answered(hub, linked, f"both-{first}", 15)


@each_carrier
def test_a_frozen_hub_that_goes_on(hub, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        hub.core.pause()
        time.sleep(2)
        hub.core.resume()
        answered(hub, linked, f"frozen-{carrier}", 5)


@pytest.mark.slow
@pytest.mark.timeout(200)
@each_carrier
def test_a_hub_frozen_for_a_minute(hub, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        hub.core.pause()
        linked.link.probe_soon()
        time.sleep(60)
        assert linked.snapshot.drops == 1
        hub.core.resume()
        answered(hub, linked, f"frozen-long-{carrier}", 20)


@pytest.mark.slow
@pytest.mark.timeout(900)
@each_carrier
def test_a_network_away_for_ten_minutes(hub, network, link_over, carrier):
    with link_over(carrier) as linked:
        linked.wait_up()
        network[carrier].drop()
        network[carrier].refuse()
        time.sleep(600)
        network[carrier].heal()
        answered(hub, linked, f"ten-minutes-{carrier}", 15)


@each_carrier
def test_a_device_whose_plug_was_pulled_is_back_at_once(hub, network, unused, tmp_path, carrier):
    identity = network.identity(next(unused))
    with LinkedDevice(identity, tmp_path, protocols=[carrier]) as before:
        before.wait_up()
        network[carrier].forget()
        with LinkedDevice(identity, tmp_path, protocols=[carrier]) as after:
            answered(hub, after, f"plug-{carrier}", 5)


@each_carrier
def test_a_wrong_password_is_named(network, unused, tmp_path, carrier):
    identity = network.identity(next(unused), password="another-Horse-Battery-91x")
    with LinkedDevice(identity, tmp_path, protocols=[carrier]) as linked:
        linked.wait_state("attention", Cause.WRONG_PASSWORD)


@pytest.mark.parametrize("carriers", [("wss",), ("https",), ("mqtt", "wss", "https")], ids="-".join)
def test_an_unknown_key_is_a_device_that_waits_to_be_admitted(hub, network, unused, tmp_path, carriers):
    number = next(unused)
    hub.forget(number)
    with LinkedDevice(network.identity(number), tmp_path, protocols=carriers) as linked:
        linked.wait_state("awaiting admission", Cause.NOT_ADMITTED, timeout=60)
        assert linked.causes == [Cause.HUB_SILENT, Cause.NOT_ADMITTED][2 - len(carriers[:2]) :]


def test_a_device_removed_from_its_hub_is_named(hub, network, unused, tmp_path):
    number = next(unused)
    identity = network.identity(number)
    with LinkedDevice(identity, tmp_path, protocols=["wss"]) as linked:
        linked.wait_up()
        hub.forget(number)
        network["wss"].drop()
        linked.link.hurry()
        linked.wait_state("attention", Cause.UNKNOWN_KEY)
