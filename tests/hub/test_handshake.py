from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, integers, lists, none, sampled_from, text

from agent.hub.protocol import wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.handshake import (
    Established,
    Handshake,
    HandshakeRefused,
    HubKeyChanged,
    HubStartedAnew,
    NeedPsk,
    Order,
    SendText,
    StorePin,
)
from agent.hub.protocol.noise import AES, CHACHA, KK, XX
from agent.hub.protocol.primitives import public_key
from agent.hub.protocol.psk import derive_psk
from agent.hub.protocol.session import Session
from agent.hub.protocol.wire import WireError
from tests.hub import noise_vectors as vectors
from tests.hub.noise_vectors import HandshakeVector
from tests.peers.responder import OTHER_KEY, Aborted, HubConnection, HubSide

CLIENT, CLIENT_PUBLIC = vectors.CLIENT_STATIC, vectors.CLIENT_STATIC_PUBLIC
OTHER_CLIENT = bytes(range(1, 33))
WRONG_PSK = bytes(32)


@dataclass
class Client:
    """Carries a handshake's orders out, as a link would, and remembers them."""

    pin: bytes | None = None
    force_xx: bool = False
    psk: bytes = vectors.PSK
    static_private: bytes = CLIENT
    hello: dict[str, Any] | None = None
    ephemeral: bytes | None = None
    orders: list[Order] = field(default_factory=list)
    session: Session | None = None

    def __post_init__(self) -> None:
        self.handshake = Handshake(
            static_private=self.static_private,
            pin=self.pin,
            force_xx=self.force_xx,
            hello=self.hello,
            ephemeral=self.ephemeral,
        )

    def connect(self, hub: HubSide) -> HubConnection:
        """The whole handshake over a perfect carrier."""
        self.connection = hub.connect()
        self._carry_out(self.handshake.start(), self.connection)
        for frame in self.connection.greet():
            self._carry_out(self.handshake.receive(frame), self.connection)
        return self.connection

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(order.text) for order in self.orders if isinstance(order, SendText)]

    def _carry_out(self, orders: list[Order], connection: HubConnection) -> None:
        for order in orders:
            self.orders.append(order)
            match order:
                case NeedPsk():
                    self._carry_out(self.handshake.use_psk(self.psk), connection)
                case SendText(sent):
                    for answer in connection.receive(sent):
                        self._carry_out(self.handshake.receive(answer), connection)
                case StorePin(key):
                    self.pin = key
                case Established(session):
                    self.session = session


def kinds(orders: list[Order]) -> list[type]:
    return [type(order) for order in orders]


def pinned_hub(**changed: Any) -> HubSide:
    """A hub that knows the client's key."""
    return HubSide(client_pin=CLIENT_PUBLIC, **changed)


# -------------------------------------------------------------------------------------------- it works


def test_at_first_contact_the_pin_is_stored_before_message_3_leaves() -> None:
    client, hub = Client(), HubSide()
    connection = client.connect(hub)
    assert kinds(client.orders) == [NeedPsk, SendText, StorePin, SendText, Established]
    assert client.orders[0] == NeedPsk("node-alpha")
    assert client.pin == hub.key
    assert hub.client_pin == connection.client_key == CLIENT_PUBLIC
    established = client.orders[-1]
    assert isinstance(established, Established)
    assert (established.hub_key, established.pattern) == (hub.key, XX)
    assert client.handshake.hub_key == hub.key


def test_a_hub_that_is_known_on_both_sides_is_met_under_kk_and_nothing_is_stored() -> None:
    hub = pinned_hub()
    client = Client(pin=hub.key)
    client.connect(hub)
    assert kinds(client.orders) == [NeedPsk, SendText, Established]
    assert client.handshake.pattern == KK
    assert client.session is not None


@pytest.mark.parametrize("mqtt_hello", [None, {"session": {"session_id": "s"}, "site_id": "kiosk-1"}])
def test_after_the_handshake_both_sides_understand_each_other(mqtt_hello: dict[str, Any] | None) -> None:
    hub = HubSide(answer=lambda envelope: [wire.envelope("bus", {"type": "speak", "data": envelope["payload"]})])
    for expected in (XX, KK):
        client = Client(pin=hub.key if expected == KK else None, hello=mqtt_hello)
        connection = client.connect(hub)
        assert connection.cleartext_hello == mqtt_hello
        assert client.session is not None
        hello = wire.envelope("hello", {"session": {"session_id": "s"}, "site_id": "kiosk-1"})
        answers: list[Any] = []
        for envelope in (hello, wire.rendezvous(), wire.envelope("bus", {"type": "t"})):
            for frame in client.session.seal(envelope):
                answers += [client.session.open(answer) for answer in connection.receive(frame)]
        assert connection.received == [hello, wire.rendezvous(), wire.envelope("bus", {"type": "t"})]
        assert [answer["msg_type"] for answer in answers] == ["rendezvous", "bus"]
        clip = [client.session.open(frame) for frame in connection.say_binary(bytes(70_000), kind=6)]
        assert clip == [None, Binary("tts_audio", bytes(70_000), {})]
    assert hub.patterns_seen == [XX, KK]


# The hub of the vectors offers both suites, so no client chooses AES-GCM there; test_noise has that one.
@pytest.mark.parametrize("vector", [vector for vector in vectors.HANDSHAKES if vector.suite == CHACHA], ids=str)
def test_the_messages_on_the_wire_are_those_of_the_vectors(vector: HandshakeVector) -> None:
    client = Handshake(
        static_private=CLIENT,
        pin=vectors.HUB_STATIC_PUBLIC if vector.pattern == KK else None,
        ephemeral=vectors.CLIENT_EPHEMERAL,
    )
    assert client.start() == []
    assert client.receive(json.dumps({"msg_type": "hello", "payload": vectors.HELLO})) == []
    assert client.receive(json.dumps({"msg_type": "shake", "payload": vectors.OFFER})) == [NeedPsk("node-alpha")]
    (first,) = client.use_psk(vectors.PSK)
    assert isinstance(first, SendText)
    assert json.loads(first.text) == {
        "msg_type": "shake",
        "payload": {"noise": {"pattern": vector.pattern, "suite": vector.suite, "msg": vector.messages[0]}},
    }
    message_2 = {"msg_type": "shake", "payload": {"noise": {"msg": vector.messages[1]}}}
    *others, established = client.receive(json.dumps(message_2).encode())
    if vector.pattern == XX:
        store, third = others
        assert store == StorePin(vectors.HUB_STATIC_PUBLIC)
        assert isinstance(third, SendText)
        assert json.loads(third.text) == {"msg_type": "shake", "payload": {"noise": {"msg": vector.messages[2]}}}
    assert isinstance(established, Established)
    assert [frame.hex() for frame in established.session.seal_body(b"{}")] == [vector.client_to_hub]


# ------------------------------------------------------------------------------------------- the choice


def offer(patterns: Any, suites: Any, **more: Any) -> str:
    return json.dumps({"msg_type": "shake", "payload": {"noise": {"patterns": patterns, "suites": suites}, **more}})


HELLO = json.dumps({"msg_type": "hello", "payload": vectors.HELLO})


@pytest.mark.parametrize(
    ("pinned", "force_xx", "patterns", "expected"),
    [
        (True, False, [XX, KK], KK),
        (True, False, [XX], XX),
        (True, True, [KK, XX], XX),
        (False, False, [KK, XX], XX),
        (True, False, [KK], KK),
        (True, False, [7, None, KK, {"a": 1}], KK),
    ],
)
def test_kk_is_chosen_when_there_is_a_pin_it_is_offered_and_xx_not_forced(
    pinned: bool, force_xx: bool, patterns: list[Any], expected: str
) -> None:
    handshake = Handshake(static_private=CLIENT, pin=HubSide().key if pinned else None, force_xx=force_xx)
    handshake.receive(HELLO)
    assert handshake.pattern is None
    handshake.receive(offer(patterns, [CHACHA]))
    assert handshake.pattern == expected


@pytest.mark.parametrize(
    ("suites", "expected"), [([AES, CHACHA], CHACHA), ([CHACHA], CHACHA), ([AES], AES), (["x", 1, AES], AES)]
)
def test_the_suite_is_the_first_of_ours_that_is_offered(suites: list[Any], expected: str) -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    handshake.receive(HELLO)
    handshake.receive(offer([XX], suites))
    (first,) = handshake.use_psk(vectors.PSK)
    assert isinstance(first, SendText)
    assert json.loads(first.text)["payload"]["noise"]["suite"] == expected


@pytest.mark.parametrize(("pattern", "suite"), list(product((XX, KK), (CHACHA, AES))))
def test_every_pattern_and_suite_leads_to_a_session(pattern: str, suite: str) -> None:
    hub = pinned_hub(suites=(suite,), patterns=(pattern,))
    client = Client(pin=hub.key)
    connection = client.connect(hub)
    assert client.session is not None
    connection.receive(client.session.seal(wire.rendezvous())[0])
    assert connection.received == [wire.rendezvous()]


@pytest.mark.parametrize(
    ("patterns", "suites"),
    [
        ([], [CHACHA]),
        ([KK], [CHACHA]),
        ([XX], []),
        ([XX], ["25519_ChaChaPoly_BLAKE2s"]),
        ("XXpsk2", [CHACHA]),
        (None, 1),
    ],
)
def test_a_hub_that_offers_nothing_we_have_is_an_error(patterns: Any, suites: Any) -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    handshake.receive(HELLO)
    with pytest.raises(WireError, match="offers no"):
        handshake.receive(offer(patterns, suites))


def test_members_nobody_knows_are_part_of_what_both_sides_hash() -> None:
    hub = HubSide(node_id="ключ\n\x01")
    client = Client(psk=derive_psk(hub.password, hub.node_id))
    client.connect(hub)
    assert client.session is not None

    # The same negotiation with one member of the offer taken out on the way.
    connection, victim = hub.connect(), Handshake(static_private=CLIENT, pin=None)
    hello, offered = connection.greet()
    victim.receive(hello)
    tampered = json.loads(offered)
    del tampered["payload"]["ciphers"]
    victim.receive(json.dumps(tampered))
    (first,) = victim.use_psk(client.psk)
    assert isinstance(first, SendText)
    with pytest.raises(Aborted):
        connection.receive(first.text)


# ------------------------------------------------------------------------------------- what can be wrong


def test_a_wrong_password_is_seen_by_the_client_under_xx() -> None:
    client = Client(psk=WRONG_PSK)
    with pytest.raises(HandshakeRefused):
        client.connect(HubSide())
    assert client.handshake.sent_first
    assert client.handshake.hub_key is None


def test_a_wrong_password_or_a_changed_hub_key_is_seen_by_the_hub_alone_under_kk() -> None:
    for hub in (pinned_hub(password="another"), pinned_hub(static_private=OTHER_KEY)):
        client = Client(pin=HubSide().key)
        with pytest.raises(Aborted):
            client.connect(hub)
        assert (client.handshake.sent_first, client.handshake.pattern) == (True, KK)


def test_after_kk_failed_xx_tells_a_changed_password_from_a_changed_key() -> None:
    with pytest.raises(HandshakeRefused):
        Client(pin=HubSide().key, force_xx=True).connect(pinned_hub(password="another"))
    client, hub = Client(pin=HubSide().key, force_xx=True), pinned_hub(static_private=OTHER_KEY)
    with pytest.raises(HubKeyChanged) as caught:
        client.connect(hub)
    assert caught.value.hub_key == client.handshake.hub_key == hub.key


def test_a_hub_with_a_changed_key_never_sees_ours_and_nothing_is_pinned() -> None:
    client, hub = Client(pin=public_key(OTHER_KEY)), HubSide()
    with pytest.raises(HubKeyChanged):
        client.connect(hub)
    assert kinds(client.orders) == [NeedPsk, SendText]
    assert client.pin == public_key(OTHER_KEY)
    assert client.connection.client_key is None
    assert hub.client_pin is None


def test_a_hub_that_forgot_this_client_is_met_under_xx_with_the_pin_checked() -> None:
    hub = HubSide()
    client = Client(pin=hub.key)
    client.connect(hub)
    assert kinds(client.orders) == [NeedPsk, SendText, SendText, Established]


@pytest.mark.parametrize("pattern", [XX, KK])
def test_a_message_2_that_does_not_authenticate_is_a_refusal(pattern: str) -> None:
    hub = pinned_hub(forged=frozenset({pattern}))
    with pytest.raises(HandshakeRefused):
        Client(pin=hub.key, force_xx=pattern == XX).connect(hub)


def test_a_client_key_the_hub_did_not_pin_is_turned_away_only_after_the_client_believes_itself_connected() -> None:
    client, hub = Client(static_private=OTHER_CLIENT), HubSide(client_pin=CLIENT_PUBLIC, patterns=(XX,))
    with pytest.raises(Aborted, match="contradicts"):
        client.connect(hub)
    assert kinds(client.orders) == [NeedPsk, SendText, StorePin, SendText]


def test_a_hub_that_does_not_pin_takes_any_key() -> None:
    hub = HubSide(pins=False)
    for key in (CLIENT, OTHER_CLIENT):
        Client(static_private=key).connect(hub)
    assert hub.client_pin is None


def to_hello(handshake: Handshake) -> None:
    """Nothing was heard yet."""


def to_offer(handshake: Handshake) -> None:
    handshake.receive(HELLO)


def to_psk(handshake: Handshake) -> None:
    handshake.receive(HELLO)
    handshake.receive(offer([XX], [CHACHA]))


def to_message_2(handshake: Handshake) -> None:
    to_psk(handshake)
    handshake.use_psk(vectors.PSK)


STAGES = [to_hello, to_offer, to_psk, to_message_2]


@pytest.mark.parametrize("stage", STAGES[1:])
def test_a_second_hello_of_the_hub_means_that_it_started_anew(stage: Callable[[Handshake], None]) -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    stage(handshake)
    with pytest.raises(HubStartedAnew):
        handshake.receive(HELLO)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "frame",
    [
        "",
        "not JSON",
        "[]",
        '{"msg_type": "bus", "payload": {}}',
        '{"msg_type": "hello", "payload": []}',
        '{"msg_type": "hello", "payload": {}}',
        '{"msg_type": "hello", "payload": {"node_id": ""}}',
        '{"msg_type": "hello", "payload": {"node_id": 7}}',
        '{"msg_type": "hello"}',
        '{"msg_type": "shake"}',
        '{"msg_type": "shake", "payload": {"noise": {}}}',
        '{"msg_type": "shake", "payload": {"noise": {"msg": "xx"}}}',
        '{"msg_type": "shake", "payload": {"noise": {"msg": ""}}}',
        '{"msg_type": "shake", "payload": {"noise": {"msg": 7}}}',
        '{"msg_type": "shake", "payload": {"noise": ["XXpsk2"]}}',
        '{"msg_type": "shake", "payload": {"noise": {"msg": "' + "0" * 131072 + '"}}}',
        '{"msg_type": "shake", "payload": {"max_protocol_version": 2}}',
        b"\x00\x01\x02",
        b"\xff{",
    ],
    ids=lambda frame: repr(frame[:64]),
)
def test_what_the_negotiation_has_no_place_for_ends_the_attempt(
    stage: Callable[[Handshake], None], frame: str | bytes
) -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    stage(handshake)
    with pytest.raises(WireError):
        handshake.receive(frame)
    for again in (HELLO, offer([XX], [CHACHA])):
        with pytest.raises(WireError):
            handshake.receive(again)
    with pytest.raises(RuntimeError):
        handshake.use_psk(vectors.PSK)


def test_an_offer_with_text_that_is_no_unicode_is_an_error_before_anything_is_derived() -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    handshake.receive('{"msg_type": "hello", "payload": {"node_id": "\\ud800"}}')
    with pytest.raises(WireError, match="canonical"):
        handshake.receive(offer([XX], [CHACHA]))


def test_the_older_name_of_a_shake_is_understood() -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    handshake.receive(HELLO)
    assert kinds(handshake.receive(offer([XX], [CHACHA]).replace('"shake"', '"handshake"'))) == [NeedPsk]


def test_a_pin_that_is_nobodys_key_is_an_error_and_no_crash() -> None:
    handshake = Handshake(static_private=CLIENT, pin=bytes(32))
    handshake.receive(HELLO)
    handshake.receive(offer([KK], [CHACHA]))
    with pytest.raises(WireError):
        handshake.use_psk(vectors.PSK)


def test_every_truncation_of_message_2_ends_the_attempt() -> None:
    hub = HubSide(ephemeral=vectors.HUB_EPHEMERAL)
    for cut in range(0, 120, 3):
        connection, client = hub.connect(), Handshake(static_private=CLIENT, pin=None)
        for frame in connection.greet():
            client.receive(frame)
        (first,) = client.use_psk(vectors.PSK)
        assert isinstance(first, SendText)
        (answer,) = connection.receive(first.text)
        message = json.loads(answer)
        message["payload"]["noise"]["msg"] = message["payload"]["noise"]["msg"][: 2 * cut]
        with pytest.raises((WireError, HandshakeRefused)):
            client.receive(json.dumps(message))


ODD = none() | integers() | text(max_size=4) | lists(sampled_from([XX, KK, CHACHA, AES, 1]), max_size=3)
NOISE = dictionaries(sampled_from(["patterns", "suites", "msg", "pattern"]), ODD, max_size=3)
PAYLOADS = dictionaries(sampled_from(["node_id", "noise", "peer"]), ODD | NOISE, max_size=3)
FRAMES = dictionaries(
    sampled_from(["msg_type", "payload"]), sampled_from(["hello", "shake", "bus"]) | PAYLOADS, max_size=2
).map(json.dumps)


@given(frames=lists(FRAMES | binary(max_size=8), max_size=5))
def test_whatever_a_hub_says_is_an_order_or_an_error_and_never_a_crash(frames: list[str | bytes]) -> None:
    handshake = Handshake(static_private=CLIENT, pin=None)
    try:
        for frame in frames:
            for order in handshake.receive(frame):
                if isinstance(order, NeedPsk):
                    handshake.use_psk(vectors.PSK)
    except (WireError, HandshakeRefused):
        pass


def test_no_order_and_no_error_shows_a_secret() -> None:
    client = Client(hello={"session": {"session_id": "S3CRET"}})
    client.connect(HubSide())
    shown = repr(client.orders) + repr(client.handshake)
    assert "S3CRET" not in shown
    assert vectors.PSK.hex() not in shown
    assert repr(CLIENT)[2:-1] not in shown
