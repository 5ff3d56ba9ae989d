"""What is fuzzed: one function for each parser, which takes any bytes and raises only for a mistake of ours.

A parser may refuse anything, with the error it names. Where a promise can be checked besides, it is: that no cut of the
input matters, that what was read and written again is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware import check_digits, gs1, layout, profile, symbology
from hardware.answers import AnswerPattern, Expected
from hardware.board import Board
from hardware.facts import CodeScanned, DeviceError
from hardware.framing import CodeFramer, Framing
from hardware.gestures import BUTTON_GESTURES, Chord
from hardware.gs1 import Gs1Error
from hardware.keyboards import EventReader
from hardware.keying import KeyMachine
from hardware.learning import Learner
from hardware.reading import CodeReader, Reading
from hardware.recording import read, replay
from hardware.routing import Routes, Rule
from hardware.scanning import ScanMachine

Seeds = tuple[bytes, ...]

_CODES: Seeds = (
    b"]E04006381333931\r",
    b"4006381333931\r\n",
    b"\x02ABC\x03",
    b"]d20104012345678901\x1d10LOT7\r",
    b"]Q1BEGIN:VCARD\r\nN:M\r\nEND:VCARD\r",
    b"\xc3\xa4\xff\x00\r",
    b"\x02\x00\x00\x01\x003131INV-1\r",
    b"]Q2\\000026\xc3\xa4\\\\\r",
)
_FRAMINGS = (
    Framing(max_length=40),
    Framing(terminators=(b"\n", b"\t"), max_length=40),
    Framing(terminators=(b"\r\n",), prefix=b"]", suffix=b"1", max_length=40),
    Framing(terminators=(b"\x03",), start=b"\x02", max_length=40),
    Framing(line_seconds=0.005, max_length=40),
    Framing(terminators=(), idle_seconds=0.05, max_length=40),
)
_GM65 = Expected(5.0, (AnswerPattern("02 00 00 LL .. ?? ??"), AnswerPattern("* 06")), (AnswerPattern("15"),))


@dataclass(frozen=True, slots=True)
class Target:
    """One parser."""

    run: Callable[[bytes], object]
    seeds: Seeds


def framing(data: bytes) -> None:
    """A cut at any place, and reads of one byte, give the same codes as one read."""
    if not data:
        return
    first, data = data[0], data[1:]
    settings = _FRAMINGS[first % len(_FRAMINGS)]
    cut = first % (len(data) + 1)
    results = []
    for reads in ([data], [data[:cut], data[cut:]], [data[at : at + 1] for at in range(len(data))]):
        framer = CodeFramer(settings)
        if first & 0x80:
            framer.expect(_GM65)
        frames = [frame for one in reads for frame in framer.feed(one, 1.0)]
        results.append([*frames, *framer.quiet(2.0), *framer.quiet(9.0)])
    if any(result != results[0] for result in results):
        raise AssertionError("a cut changed the codes")


def reading(data: bytes) -> None:
    """A code or a refusal, with the bytes as they came; and a code has one way at most."""
    routes = Routes(
        [Rule(identifiers=("01",), kind="a", value="{01}"), Rule(pattern="(?P<x>.).*", action="{x}{value}")]
    )
    for settings in (Reading(check=("ean-13", "isbn-10", "upc-e")), Reading(encoding="gbk", gs="^]", gs1="strict")):
        fact = CodeReader("gate", settings).read(data or b"\x00", 1.0)
        if fact.raw != (data or b"\x00"):
            raise AssertionError("the bytes were changed")
        if isinstance(fact, CodeScanned):
            routes.route(fact)


def gs1_codes(data: bytes) -> None:
    """What was read, written and read again is the same."""
    try:
        elements = gs1.parse(data.decode("latin-1"))
    except Gs1Error:
        return
    if gs1.parse(gs1.encoded(elements)) != elements:
        raise AssertionError("written and read again, it is another code")


def numbers(data: bytes) -> None:
    """Every kind of number takes every text."""
    text = data.decode("utf-8", "replace")
    for kind in check_digits.KINDS:
        if check_digits.is_right(kind, text) and not check_digits.has_form(kind, text):
            raise AssertionError(f"it is right and has not the form of {kind}")


def eci(data: bytes) -> None:
    """Text, or the word that it cannot be decoded."""
    symbol, code = symbology.identify(data)
    if symbol is not None and symbol.name not in symbology.NAMES:
        raise AssertionError(f"{symbol.name} is no name")
    try:
        symbology.decode_eci(code, "utf-8")
    except UnicodeDecodeError:
        return


def keyboard(data: bytes) -> None:
    """Any events of the kernel's, in any layout."""
    layouts = ("us", "uk", "de", "fr")
    machine = KeyMachine("gate", layouts[data[0] % 4] if data else "us")
    for key in EventReader().feed(data[1:]):
        if key is None:
            machine.broken(1.0)
        else:
            machine.key(key.code, key.value, 1.0)


def recordings(data: bytes) -> None:
    """A recording, or the line that is none; it plays to its end."""
    board = Board([Chord(name="both", buttons=frozenset({"left", "right"}))])
    for name in ("left", "right"):
        board.add_button(name, sorted(BUTTON_GESTURES))
    board.add_knob("knob")
    machines: dict[str, ScanMachine] = {"gate": ScanMachine("gate"), "wedge": KeyMachine("wedge", "de")}
    try:
        for record, _ in replay(read(data.decode("utf-8", "replace").splitlines(keepends=True)), machines, board):
            if not abs(record.at) < 1e6:  # held for a million seconds, a button repeats a million times
                return
    except DeviceError:
        return


def profiles(data: bytes) -> None:
    """A profile, or what is wrong with it."""
    try:
        profile.parse("mine", data.decode("utf-8", "replace"))
    except DeviceError:
        return


def learning(data: bytes) -> None:
    """Any bursts, until it is done or gives up."""
    learner = Learner()
    for burst in data.split(b"\0"):
        step = learner.heard(burst)
        if step.kind in {"done", "gave up"}:
            break
    try:
        learned = learner.result()
    except (DeviceError, ValueError):
        return
    CodeFramer(learned.framing)
    learned.lines("a", "b")


def answers(data: bytes) -> None:
    """A pattern, or the word that it is none; and what fits it does so from its first byte to its last."""
    text, _, stream = data.partition(b"\n")
    try:
        pattern = AnswerPattern(text.decode("latin-1"))
    except DeviceError:
        return
    fitting = [length for length in range(len(stream) + 1) if pattern.fits(stream[:length])]
    if len(fitting) > 1:
        raise AssertionError("an answer goes on behind its end")


def screens(data: bytes) -> None:
    """Nothing but printable characters reaches a screen, in no more columns and rows than it has."""
    lines = layout.fit(data.decode("utf-8", "replace").split("\0"), 20, 4)
    if len(lines) > 4 or any(layout.width(line) > 20 or "\x1b" in line for line in lines):
        raise AssertionError("it does not fit, or is not printable")


def wire(data: bytes) -> None:
    """An envelope, or WireError; written and read again it is the same."""
    from agent.hub.protocol.wire import WireError, decode, encode

    try:
        envelope = decode(data)
        if decode(encode(envelope)) != envelope:
            raise AssertionError("written and read again, it is another envelope")
    except (WireError, ValueError):
        return


def binary(data: bytes) -> None:
    """A binary, an envelope, or WireError."""
    from agent.hub.protocol.binary import decode
    from agent.hub.protocol.wire import WireError

    try:
        decode(data)
    except WireError:
        return


def frames(data: bytes) -> None:
    """Chunks in any order, or WireError."""
    from agent.hub.protocol.frames import Assembler
    from agent.hub.protocol.wire import WireError

    assembler = Assembler()
    try:
        for chunk in data.split(b"\xff\xff"):
            assembler.add(chunk)
    except WireError:
        return


def handshake(data: bytes) -> None:
    """Any words of a hub, or one of the errors of a handshake."""
    from agent.hub.protocol.handshake import Handshake, HandshakeError
    from agent.hub.protocol.noise import NoiseError
    from agent.hub.protocol.wire import WireError

    talk = Handshake(static_private=bytes(range(32)), pin=None, ephemeral=bytes(range(1, 33)))
    try:
        talk.start()
        for word in data.split(b"\0"):
            talk.receive(word)
    except (HandshakeError, WireError, NoiseError):
        return


def configuration(data: bytes) -> None:
    """A configuration, or all that is wrong with it."""
    from agent.config import ConfigError, parse

    try:
        parse(data.decode("utf-8", "replace"), source=Path("/etc/agent.toml"))
    except ConfigError:
        return


def identity(data: bytes) -> None:
    """An identity in any of its shapes, or ThalovantIdentityError."""
    import json

    from agent.hub.errors import ThalovantIdentityError
    from agent.hub.identity import ThalovantIdentity

    try:
        mapping: Any = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return
    if isinstance(mapping, dict):
        try:
            ThalovantIdentity.from_mapping(mapping)
        except ThalovantIdentityError:
            return


_RECORDED: Seeds = (
    b"# thalovant recording 1\n1.0 bytes 5d4530 gate\n1.2 quiet - gate\n1.3 level 1 left\n1.4 edge 0 left\n",
    b"1.0 key 42:1 wedge\n1.1 key 30:1 wedge\n1.2 broken - wedge\n2.0 edge 1 right\n2.1 edge 0 knob/a\n3 lost - gate\n",
)
_HELLO = b'{"msg_type": "hello", "payload": {"node_id": "n", "handshake": true}}\0{"msg_type": "shake", "payload": {}}'
TARGETS: dict[str, Target] = {
    "framing": Target(framing, tuple(bytes([place]) + code for place, code in enumerate(_CODES * 2, 120))),
    "reading": Target(reading, tuple(code.rstrip(b"\r\n") for code in _CODES)),
    "gs1": Target(
        gs1_codes,
        (
            b"010950600013435210LOT7\x1d21A",
            b"(01)09506000134352(17)250100",
            b"https://id.gs1.org/01/09506000134352/10/A",
        ),
    ),
    "numbers": Target(numbers, (b"4006381333931", b"06543217", b"013937681X", b"00280836")),
    "eci": Target(eci, (b"]Q2A\\000003\xe4\\000026\xc3\xa4\\\\B", b"]d4\\000029\xcc\xf5")),
    "keyboard": Target(keyboard, (b"\x02" + b"\x00" * 16 + b"\x01\x00\x1e\x00\x01\x00\x00\x00",)),
    "recordings": Target(recordings, _RECORDED),
    "profiles": Target(profiles, (b'title = "x"\nbaud = 9600\n[commands.a]\nsend = "06"\naccepted = ["02 LL .."]\n',)),
    "learning": Target(learning, (b"4006381333931\r\0agent \xc3\xbc \xd0\x96 7\r\x00010400638133393110AB\x1d217\r",)),
    "answers": Target(answers, (b"02 00 00 LL .. ?? ??\n\x02\x00\x00\x01\x0031", b"* 06 21\nPREBK\x06!")),
    "screens": Target(screens, ("Grüße\0\x1b[31m条码\t7".encode(),)),
    "wire": Target(wire, (b'{"msg_type": "bus", "payload": {"type": "speak", "data": {}, "context": {}}}',)),
    "binary": Target(binary, (bytes.fromhex("80") + b"\x01" * 24, b"\xc0\x30\x00\x00")),
    "frames": Target(frames, (b"\x00{}", b"\x01ab\xff\xff\x02cd\xff\xff\x03ef")),
    "handshake": Target(handshake, (_HELLO,)),
    "configuration": Target(
        configuration, (b'[[scanner]]\nname = "a"\nport = "/dev/x"\nbaud = 9600\n[hub]\nin_flight = 1\n',)
    ),
    "identity": Target(
        identity, (b'{"access_key": "a", "password": "b", "default_master": "wss://h", "site_id": "s"}',)
    ),
}
