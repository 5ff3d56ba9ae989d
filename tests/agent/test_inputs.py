from __future__ import annotations

import pytest

from agent.config import ButtonConfig, ChordConfig, Config, DeviceConfig, KnobConfig, OutboxConfig, ScannerConfig
from agent.events import Requested
from agent.inputs import Inputs, title
from hardware.facts import ButtonPressed, CodeScanned
from hardware.reading import CodeReader
from hardware.routing import Rule
from tests.agent.stores import STAMP


@pytest.fixture
def inputs():
    config = Config(
        device=DeviceConfig(language="de-de", session="device"),
        outbox=OutboxConfig(expires_hours=2.0, action_expires_seconds=9.0),
        scanners=(
            ScannerConfig(name="counter", port="/dev/a", kind="invoice", label="Invoice", repeat_seconds=1.0),
            ScannerConfig(name="gate", port="/dev/b", language="en-us", session="gate", repeat_seconds=0),
        ),
        buttons=(
            ButtonConfig(name="help", pin=17, payload="/help", title="Help"),
            ButtonConfig(name="light", pin=27, payload="/light", replay=True),
        ),
    )
    numbers = iter(range(1000))
    return Inputs(config, lambda: STAMP, lambda: f"id-{next(numbers)}")


def scanned(value, at=0.0, scanner="counter"):
    return CodeScanned(scanner, value, value.encode(), at)


def test_a_scan_becomes_a_message_that_may_be_sent_again_for_hours(inputs):
    one = inputs.scan(scanned("INV-1"))
    assert (one.request_id, one.kind, one.origin, one.replay, one.lifetime) == ("id-0", "code", "counter", True, 7200.0)
    assert one.made == STAMP
    assert one.message.request_id == "id-0"
    assert one.message.data["input"] == {"kind": "invoice", "label": "Invoice", "value": "INV-1", "exact": True}
    assert one.message.data["lang"] == "de-de"
    assert one.message.session_id is None, "the device's own conversation is the link's to name"


def test_an_input_may_have_its_own_language_and_conversation(inputs):
    message = inputs.scan(scanned("A", scanner="gate")).message
    assert (message.data["lang"], message.session_id) == ("en-us", "gate")


def test_the_bytes_of_a_code_travel_beside_its_text(inputs):
    raw = b" 0104012345\x1d"
    one = inputs.scan(CodeScanned("gate", raw.decode(), raw, 0.0))
    assert bytes.fromhex(one.message.context["input_raw"]["hex"]) == raw


@pytest.mark.parametrize(
    ("reads", "kept"),
    [
        ([("A", 0.0), ("A", 0.9)], ["A"]),
        ([("A", 0.0), ("A", 1.0)], ["A", "A"]),
        ([("A", 0.0), ("A", 0.9), ("A", 1.8), ("A", 2.7)], ["A"]),  # still held there
        ([("A", 0.0), ("B", 0.1), ("A", 0.2)], ["A", "B", "A"]),
    ],
)
def test_a_code_held_before_the_scanner_is_one_scan(inputs, reads, kept):
    parcels = [inputs.scan(scanned(code, at)) for code, at in reads]
    assert [title(one) for one in parcels if one] == kept


def test_scanners_do_not_hold_back_each_others_codes(inputs):
    assert inputs.scan(scanned("A", 0.0))
    assert inputs.scan(scanned("A", 0.1, "gate"))
    assert inputs.scan(scanned("A", 0.2, "gate")), "this one sends every read"


def test_a_press_is_sent_once_unless_it_is_said_to_do_no_harm(inputs):
    press, light = inputs.press(ButtonPressed("help", 0.0)), inputs.press(ButtonPressed("light", 0.0))
    assert (press.kind, press.replay, press.lifetime, title(press)) == ("action", False, 9.0, "Help")
    assert press.message.context["input"] == {"kind": "action", "title": "Help", "payload": "/help"}
    assert (light.replay, title(light)) == (True, "/light")


@pytest.mark.parametrize(
    ("kind", "replay", "lifetime"), [("code", True, 7200.0), ("action", False, 9.0), ("utterance", False, 9.0)]
)
def test_a_request_is_treated_as_an_input_of_its_kind(inputs, kind, replay, lifetime):
    one = inputs.request(Requested(ticket="1", kind=kind, text="hello", session_id="mine", language="en-us"))
    assert (one.kind, one.replay, one.lifetime, one.origin) == (kind, replay, lifetime, "request")
    assert (one.message.session_id, one.message.data["lang"]) == ("mine", "en-us")
    assert title(one) == "hello"


@pytest.mark.parametrize("kind", ["code", "action", "utterance"])
def test_an_empty_request_is_refused(inputs, kind):
    with pytest.raises(ValueError, match="must be a text that is not empty"):
        inputs.request(Requested(ticket="1", kind=kind, text=" "))


LABEL = b"]C1010950600013435210LOT7\x1d1726123110SECOND"


def mapped(*rules, **tables):
    numbers = iter(range(1000))
    scanners = (
        ScannerConfig(name="counter", port="/dev/a", kind="invoice", label="Invoice", repeat_seconds=0),
        ScannerConfig(name="gate", port="/dev/b", repeat_seconds=0),
    )
    return Inputs(Config(scanners=scanners, rules=rules, **tables), lambda: STAMP, lambda: f"id-{next(numbers)}")


def read(raw, scanner="counter"):
    fact = CodeReader(scanner).read(raw, 0.0)
    assert isinstance(fact, CodeScanned)
    return fact


def test_what_the_scanner_knew_of_a_code_travels_beside_it():
    context = mapped().scan(read(LABEL)).message.context
    assert context["input_symbology"] == {"name": "gs1-128", "aim": "]C1"}
    assert list(context["input_gs1"].items()) == [("01", "09506000134352"), ("10", "LOT7"), ("17", "261231")]
    assert bytes.fromhex(context["input_raw"]["hex"]) == LABEL
    plain = mapped().scan(scanned("INV-1")).message.context
    assert not {"input_symbology", "input_gs1", "input_raw"} & set(plain)


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        (Rule(symbologies=("gs1-128",), kind="article"), ("article", "Invoice", LABEL[3:].decode())),
        (Rule(symbologies=("]C1",), label="Goods"), ("invoice", "Goods", LABEL[3:].decode())),
        (Rule(identifiers=("01", "10"), value="{01}/{10}"), ("invoice", "Invoice", "09506000134352/LOT7")),
        (Rule(identifiers=("21",), kind="article"), ("invoice", "Invoice", LABEL[3:].decode())),
        (Rule(scanner="gate", kind="article"), ("invoice", "Invoice", LABEL[3:].decode())),
        (Rule(pattern="01.*", value="{21}"), ("invoice", "Invoice", LABEL[3:].decode())),  # nothing is not sent
    ],
)
def test_a_rule_says_what_a_code_is(rule, sent):
    given = mapped(rule).scan(read(LABEL)).message.data["input"]
    assert (given["kind"], given["label"], given["value"]) == sent


def test_a_rule_may_give_a_code_a_conversation_of_its_own():
    assert mapped(Rule(pattern="A.*", session="returns")).scan(scanned("A1")).message.session_id == "returns"


def test_the_first_rule_that_fits_holds():
    inputs = mapped(Rule(pattern="A.*", kind="first"), Rule(pattern="A1", kind="second"))
    assert inputs.scan(scanned("A1")).message.data["input"]["kind"] == "first"


def test_a_printed_code_may_be_a_button():
    one = mapped(Rule(pattern="GO-(?P<door>[0-9]+)", action="/open {door}", label="Door")).scan(scanned("GO-7"))
    assert (one.kind, one.replay, one.origin) == ("action", False, "counter"), "a wish of the moment, like a press"
    assert one.message.data["utterances"] == ["/open 7"]
    assert one.message.context["input"] == {"kind": "action", "title": "Door", "payload": "/open 7"}


def test_a_code_of_spaces_has_nothing_to_send():
    with pytest.raises(ValueError, match="must be a text that is not empty"):
        mapped().scan(scanned("  "))


@pytest.mark.parametrize(
    ("name", "gesture", "payload"),
    [
        ("help", "press", "/help"),
        ("help", "long", "/staff"),
        ("both", "chord", "/both"),
        ("volume", "clockwise", "/up"),
        ("volume", "counterclockwise", "/down"),
    ],
)
def test_each_gesture_has_its_action(name, gesture, payload):
    inputs = mapped(
        buttons=(
            ButtonConfig(name="help", pin=17, payload="/help", title="Help", gestures={"long": "/staff"}),
            ButtonConfig(name="next", pin=22, gestures={"click": "/next"}),
        ),
        chords=(ChordConfig(name="both", buttons=("help", "next"), payload="/both"),),
        knobs=(KnobConfig(name="volume", a=5, b=6, clockwise="/up", counterclockwise="/down"),),
    )
    one = inputs.press(ButtonPressed(name, 0.0, gesture))
    assert (one.message.context["input"]["payload"], one.origin) == (payload, name)
    assert title(one) == ("Help" if gesture == "press" else payload), "the title is what a press means"
