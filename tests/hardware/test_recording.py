from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import profile
from hardware.answers import Answer
from hardware.board import Board
from hardware.buttons import Buttons, ButtonSpec
from hardware.facts import ButtonPressed, CodeScanned, DeviceError, DeviceFound, DeviceLost, ScanRefused
from hardware.framing import Framing
from hardware.gestures import BUTTON_GESTURES, Chord
from hardware.keying import KeyMachine
from hardware.recording import HEADER, Record, read, replay
from hardware.scanning import ScanMachine
from hardware.serial_scanner import SerialScanner
from hardware.stopping import StopEvent
from tests.peers.pins import Pins
from tests.peers.waiting import eventually

KINDS = ("bytes", "quiet", "edge", "level", "key", "command", "lost", "broken")
NAMES = st.text(min_size=1).filter(
    lambda name: name.isprintable() and not name.startswith("#") and name.strip() == name
)


@given(st.floats(0, 1e9), st.sampled_from(KINDS), st.sampled_from(["", "0d", "1", "28:1"]), NAMES)
def test_a_record_written_and_read_again_is_the_same(at, kind, data, name):
    record = Record(at, kind, data, name)
    assert list(read([record.line + "\n"])) == [record]


def test_what_is_for_people_is_left_out_and_so_is_a_last_line_cut_short():
    lines = [f"{HEADER}\n", "\n", "# a shop\n", "1.5 quiet - gate\n", "1.6 byt"]
    assert list(read(lines)) == [Record(1.5, "quiet", "", "gate")]


@pytest.mark.parametrize("line", ["x bytes 00 gate", "1.0 tea 00 gate", "1.0 bytes 00", "hello"])
def test_a_line_that_is_none_is_refused_by_its_number(line):
    with pytest.raises(DeviceError, match="line 2"):
        list(read([f"{HEADER}\n", f"{line}\n", "1.0 quiet - gate\n"]))


def facts_of(records, scanners=(), board=None):
    machines = {machine.name: machine for machine in scanners}
    return [fact for _, facts in replay(records, machines, board or Board()) for fact in facts]


@pytest.mark.parametrize(("kind", "data"), [("bytes", "0x"), ("bytes", "abc"), ("key", "28"), ("key", "a:b")])
def test_a_record_that_its_scanner_cannot_read_is_refused(kind, data):
    with pytest.raises(DeviceError, match="gate cannot read"):
        facts_of([Record(1.0, kind, data, "gate")], [ScanMachine("gate") if kind == "bytes" else KeyMachine("gate")])


def test_keys_of_a_serial_scanner_are_refused():
    with pytest.raises(DeviceError, match="cannot read"):
        facts_of([Record(1.0, "key", "28:1", "gate")], [ScanMachine("gate")])


def test_what_is_not_on_this_device_completes_nothing():
    records = [Record(1.0, "bytes", b"A\r".hex(), "other"), Record(1.0, "edge", "1", "other")]
    assert facts_of(records, [ScanMachine("gate")]) == []


def test_everything_a_scanner_told_is_told_again_bit_for_bit(pty_scanner):
    framing = Framing(terminators=(b"\r",), idle_seconds=0.05)
    commands = profile.load("de2120").commands
    told: list = []
    recorded: list = []
    stop = StopEvent()
    scanner = SerialScanner(
        "gate",
        pty_scanner.port,
        framing=framing,
        commands=commands,
        at_start=("trigger",),
        record=recorded.append,
        look_seconds=0.1,
    )
    thread = threading.Thread(target=scanner.run, args=(told.append, stop))
    thread.start()

    def codes():
        return [fact for fact in told if isinstance(fact, CodeScanned | ScanRefused)]

    eventually(lambda: any(isinstance(fact, DeviceFound) for fact in told))
    eventually(lambda: pty_scanner.received(0.1))
    pty_scanner.types(b"\x06]E04006381333931\r]E0400638133393")
    eventually(lambda: len(codes()) == 2)  # the second one ended by silence
    pty_scanner.types(b"2\r\xff\rHALF")
    eventually(lambda: len(codes()) >= 4)
    pty_scanner.unplug()
    eventually(lambda: any(isinstance(fact, DeviceLost) for fact in told))
    pty_scanner.plug_in()
    eventually(lambda: sum(isinstance(fact, DeviceFound) for fact in told) == 2)
    pty_scanner.types(b"INV-1\r")
    eventually(lambda: codes()[-1].raw == b"INV-1")
    stop.set()
    thread.join(10)

    lines = [record.line + "\n" for record in recorded]
    again = facts_of(read(lines), [ScanMachine("gate", framing, None, commands)])
    assert [fact for fact in again if not isinstance(fact, Answer)] == codes()
    assert Answer("accepted", b"\x06") in again


@st.composite
def happenings(draw):
    """What a scanner might do to its reader: bytes at odd times, silences, commands, unplugging."""
    now, events = draw(st.floats(0, 1e6)), []
    for _ in range(draw(st.integers(0, 30))):
        now += draw(st.sampled_from([0.0, 1e-6, 0.004, 0.05, 0.3, 7.0]) | st.floats(0, 2))
        kind = draw(st.sampled_from(["bytes", "bytes", "bytes", "quiet", "command", "lost", "broken"]))
        data = draw(st.lists(st.sampled_from(PIECES), max_size=4).map(b"".join)) if kind == "bytes" else b""
        events.append((kind, data, now))
    return events


PIECES = [b"\r", b"\n", b"\x02", b"\x03", b"]E04006381333931", b"]C10109506000134352", b"A", b"\xff", b"\x06", b"\x15"]
FRAMINGS = [
    Framing(),
    Framing(terminators=(b"\r", b"\t"), idle_seconds=0.05, max_length=20),
    Framing(terminators=(b"\x03",), start=b"\x02"),
    Framing(line_seconds=0.005),
]


@given(st.sampled_from(FRAMINGS), happenings())
def test_whatever_a_scanner_did_it_is_told_again_bit_for_bit(framing, events):
    commands = profile.load("de2120").commands
    live, facts, lines = ScanMachine("gate", framing, None, commands), [], [f"{HEADER}\n"]
    for kind, data, now in events:
        word = "trigger" if kind == "command" else data.hex()
        lines.append(Record(now, kind, word, "gate").line + "\n")
        match kind:
            case "bytes":
                facts += live.feed(data, now)
            case "quiet":
                facts += live.quiet(now)
            case "command":
                live.sent("trigger", now)
            case "lost":
                live.reset()
            case _:
                facts += live.broken(now)
    assert facts_of(read(lines), [ScanMachine("gate", framing, None, commands)]) == facts


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "knob/a", "knob/b"]), st.booleans(), st.floats(0, 3)), max_size=60),
    st.floats(0, 1e6),
)
def test_whatever_was_done_to_buttons_it_is_told_again_bit_for_bit(edges, now):
    def board():
        made = Board([Chord(name="both", buttons=frozenset({"a", "b"}))])
        for name in ("a", "b"):
            made.add_button(name, sorted(BUTTON_GESTURES))
        made.add_knob("knob")
        return made

    live, facts, lines = board(), [], []
    for contact, level, gap in edges:
        now += gap
        while (due := live.due()) is not None and due <= now:  # as whoever waits for the next edge does
            facts += live.tick(due)
        at, made = live.edge(contact, level, now)
        facts += made
        lines.append(Record(at, "edge", str(int(level)), contact).line + "\n")
    while edges and (due := live.due()) is not None and due <= now + 1.0:
        facts += live.tick(due)
    assert facts_of(read(lines), board=board()) == facts


def test_everything_buttons_told_is_told_again_bit_for_bit():
    pins = Pins()
    told: list = []
    recorded: list = []
    spec = ButtonSpec(name="help", pin=17, gestures=("press", "click", "double", "long", "release"))
    buttons = Buttons([spec], told.append, factory=pins, clock=pins.ticks, record=recorded.append)
    buttons.open()
    for seconds in (0.1, 0.15, 1.2, 0.02):
        pins.push(17, seconds=seconds, bounces=3)
        pins.advance(0.9)
        buttons.turn()
    buttons.close()
    board = Board()
    board.add_button("help", spec.gestures, spec.timing)
    presses = [fact for fact in told if isinstance(fact, ButtonPressed)]
    assert len(presses) > 10
    assert facts_of(read([record.line + "\n" for record in recorded]), board=board) == presses
