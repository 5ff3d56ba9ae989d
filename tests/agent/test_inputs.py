from __future__ import annotations

import pytest

from agent.config import ButtonConfig, Config, DeviceConfig, OutboxConfig, ScannerConfig
from agent.events import Requested
from agent.inputs import Inputs, title
from hardware.facts import ButtonPressed, CodeScanned
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
