from __future__ import annotations

import re
from pathlib import Path

import pytest

import hardware
from hardware import profile
from hardware.facts import DeviceError
from hardware.framing import CodeFramer
from hardware.reading import CodeReader

SHEET = (Path(hardware.__file__).parent / "wiring" / "scanners.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_can_be_used(name):
    known = profile.load(name)
    CodeFramer(known.framing)
    CodeReader("gate", known.reading)
    assert known.title
    assert all(command.send for command in known.commands.values())
    if name in {"gm65", "waveshare"}:
        answered = known.commands["trigger"]
        assert answered.is_answered
        assert answered.accepted[0].fits(bytes.fromhex("02 00 00 01 00 33 31"))
        assert answered.refused == ()  # a wrong command gets no answer


def test_the_sheet_names_every_profile():
    assert set(re.findall(r"`profile = \"([a-z0-9]+)\"`", SHEET)) == set(profile.names())


def test_the_frames_of_the_grow_modules_have_the_checksum_they_want():
    def crc(data):  # CRC-16/XMODEM over all but the two bytes of the head
        total = 0
        for byte in data:
            total ^= byte << 8
            for _ in range(8):
                total = (total << 1 ^ 0x1021 if total & 0x8000 else total << 1) & 0xFFFF
        return total.to_bytes(2, "big")

    for name, command in profile.load("gm65").commands.items():
        head, body, check = command.send[:2], command.send[2:-2], command.send[-2:]
        assert head == b"\x7e\x00"
        assert check in {crc(body), b"\xab\xcd"}, name  # or the mark for "not checked"


def test_a_profile_nobody_wrote_is_refused_with_those_there_are():
    for name in ("klingon", "../pyproject", "gm65.toml", ""):
        with pytest.raises(DeviceError, match="known: datalogic, de2120, gm65, honeywell, waveshare, zebra"):
            profile.load(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "title = 1\ncolour = 2",
        'title = "x"\nbaud = "fast"',
        'title = "x"\n[commands.a]\nsend = "zz"',
        'title = "x"\n[commands.a]\nsend = "00"\naccepted = ["zz"]',
        'title = "x"\n[commands.a]\nsend = "00"\nretries = 3',
        'title = "x"\ncommands = 3',
        "title = ",
    ],
)
def test_a_profile_that_is_wrong_says_so(text):
    with pytest.raises(DeviceError):
        profile.parse("mine", text)
