from __future__ import annotations

import tomllib
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.facts import CodeScanned, DeviceError, Element
from hardware.framing import CodeFramer, Framing
from hardware.learning import CODES, SPEEDS, Learner, fits, is_readable, learned
from hardware.learning_session import learn_scanner
from hardware.reading import CodeReader
from hardware.scanning import ScanMachine
from hardware.stopping import StopEvent
from tests.hardware.modules import ModuleInHand, Setting, heard_at
from tests.peers.scanner import PtyScanner

MODULES: dict = {
    "out of the box": (Setting(), {}),
    "fast, AIM, CR LF, Cyrillic": (
        Setting(baud=115200, aim=True, tail=b"\r\n", encoding="iso8859-5"),
        {"baud": 115200, "encoding": "iso8859-5"},
    ),
    "Chinese, TAB": (
        Setting(baud=38400, tail=b"\t", encoding="gbk"),
        {"baud": 38400, "terminators": ["\t"], "encoding": "gbk"},
    ),
    "STX and ETX, Latin-1": (
        Setting(baud=57600, head=b"\x02", tail=b"\x03", aim=True, encoding="latin-1"),
        {"baud": 57600, "terminators": ["\x03"], "start": "\x02", "encoding": "latin-1"},
    ),
    "no suffix, Shift-JIS": (
        Setting(baud=19200, tail=b"", encoding="shift_jis", aim=True),
        {"baud": 19200, "terminators": [], "idle_seconds": 0.05, "encoding": "shift_jis"},
    ),
    "prefix, suffix, LF, GS written out, Windows": (
        Setting(baud=4800, head=b"*", tail=b"#\n", gs=b"^]", encoding="cp1251"),
        {"baud": 4800, "terminators": ["\n"], "prefix": "*", "suffix": "#", "gs": "^]", "encoding": "cp1251"},
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_settings_of_each_module_are_found_and_read_its_codes(name, tmp_path):
    setting, keys = MODULES[name]
    with ModuleInHand(tmp_path / "usb-module", setting) as module, PtyScanner(tmp_path / "usb-other") as other:
        port, found = learn_scanner([other.port, module.port], module.hear, StopEvent(), timeout=30)
    assert port == module.port
    table = tomllib.loads("\n".join(found.lines("till", port)))["scanner"][0]
    assert table == {"name": "till", "port": port} | keys
    assert (found.baud, found.sends_aim, found.sends_gs) == (setting.baud, setting.aim, True)
    assert found.identifiers == (("]E0", "]Q1", "]d2") if setting.aim else ())

    machine = ScanMachine("till", found.framing, found.reading)
    facts = [fact for code in range(3) for fact in machine.feed(setting.sends(code), code) + machine.quiet(code + 0.9)]
    assert [fact.value for fact in facts if isinstance(fact, CodeScanned)] == [
        CODES[0],
        CODES[1].encode(setting.encoding, "replace").decode(setting.encoding),
        CODES[2],
    ]
    assert isinstance(facts[2], CodeScanned)
    assert facts[2].elements == (Element("01", "04006381333931"), Element("10", "AB"), Element("21", "7"))


def test_the_six_modules_differ_in_speed_suffix_and_encoding():
    settings = [setting for setting, _ in MODULES.values()]
    for what in ("baud", "tail", "encoding"):
        assert len({getattr(setting, what) for setting in settings}) == len(settings) == 6, what


def test_another_code_is_asked_for_again_and_does_not_change_the_speed(tmp_path):
    with ModuleInHand(tmp_path / "usb", Setting(), first="5901234123457") as module:
        _, found = learn_scanner([module.port], module.hear, StopEvent(), timeout=30)
    assert [step.kind for step in module.told] == ["scan", "again", "scan", "scan", "done"]
    assert found.lines("a", "b") == ["[[scanner]]", 'name = "a"', 'port = "b"']


def test_a_scanner_at_a_speed_nobody_uses_is_given_up():
    learner, speeds = Learner(), set()
    step = learner.step
    while step.kind != "gave up":
        speeds.add(step.baud)
        step = learner.heard(heard_at(Setting().sends(0), 300, step.baud))
    assert speeds == set(SPEEDS)


def test_nothing_scanned_and_nothing_plugged_in_are_said(tmp_path):
    with ExitStack() as stack:
        port = stack.enter_context(PtyScanner(tmp_path / "usb")).port
        with pytest.raises(DeviceError, match="nothing was scanned in time"):
            learn_scanner([port], lambda step: None, StopEvent(), timeout=0.2)
    with pytest.raises(DeviceError, match="no serial port"):
        learn_scanner([], lambda step: None, StopEvent())
    with pytest.raises(DeviceError, match="there is no serial port"):
        learn_scanner([str(tmp_path / "gone")], lambda step: None, StopEvent())


def test_silence_is_told_once_for_each_code(tmp_path):
    told: list = []
    times = iter(range(0, 10_000, 5))
    with (
        PtyScanner(tmp_path / "usb") as scanner,
        pytest.raises(DeviceError, match="set the scanner to pose as a serial port"),
    ):
        learn_scanner([scanner.port], told.append, StopEvent(), timeout=60, clock=lambda: float(next(times)))
    assert [step.kind for step in told] == ["scan", "silent"]


def test_what_differs_around_the_codes_is_no_framing():
    with pytest.raises(DeviceError, match="code identifiers"):
        learned([b"A4006381333931\r", b"Qagent \xc3\xbc \xd0\x96 7\r", b"d010400638133393110AB\x1d217\r"], 9600)
    with pytest.raises(DeviceError, match="was another"):
        learned([b"1\r", b"2\r", b"3\r"], 9600)


def test_a_scanner_that_leaves_the_gs_out_is_told_so():
    setting = Setting(gs=b"")
    assert not learned([setting.sends(code) for code in range(3)], 9600).sends_gs


@given(st.sampled_from(SPEEDS), st.sampled_from(SPEEDS), st.binary(max_size=20))
def test_a_code_is_seen_at_its_own_speed_and_at_no_other(sent, listening, noise):
    heard = heard_at(noise + b"4006381333931\r", sent, listening)
    assert fits(0, heard) == (sent == listening)


def test_most_noise_of_a_wrong_speed_is_told_from_another_code():
    pairs = [(sent, listening) for sent in SPEEDS for listening in SPEEDS if sent != listening]
    readable = [pair for pair in pairs if is_readable(heard_at(b"4006381333931\r", *pair))]
    assert len(readable) <= len(pairs) / 5


def test_a_speed_at_which_noise_looks_like_text_is_left_after_one_more_try():
    learner = Learner()
    kinds = [learner.heard(b"KjJZZZ:").kind for _ in range(4)]
    assert kinds == ["again", "other speed", "again", "other speed"]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_whatever_is_heard_there_is_a_next_step(bursts):
    learner = Learner()
    for burst in bursts:
        step = learner.heard(burst)
        assert step.baud in SPEEDS
        if step.kind in {"done", "gave up"}:
            break


@given(
    st.sampled_from([b"", b"\x02", b"*", b"ID"]),
    st.sampled_from([b"\r", b"\r\n", b"\n", b"\t", b"\x03", b"", b"#\r", b";"]),
    st.booleans(),
    st.sampled_from(["utf-8", "gbk", "latin-1", "shift_jis"]),
)
def test_what_was_learned_reads_what_it_was_learned_from(head, tail, aim, encoding):
    setting = Setting(head=head, tail=tail, aim=aim, encoding=encoding)
    bursts = [setting.sends(code) for code in range(3)]
    found = learned(bursts, 9600)
    framer, reader = CodeFramer(found.framing), CodeReader("a", found.reading)
    for code, burst in enumerate(bursts):
        (frame,) = framer.feed(burst, float(code)) + framer.quiet(code + 0.5)
        assert isinstance(frame, bytes)
        fact = reader.read(frame, 0.0)
        assert isinstance(fact, CodeScanned)
        assert fact.value in {CODES[code], CODES[code].encode(encoding, "replace").decode(encoding)}
    assert isinstance(found.framing, Framing)
