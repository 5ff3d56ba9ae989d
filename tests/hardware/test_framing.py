from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.facts import DeviceError
from hardware.framing import Code, CodeFramer, Refused


def cut(stream, cuts):
    edges = sorted({0, len(stream), *(at for at in cuts if at < len(stream))})
    return [stream[a:b] for a, b in pairwise(edges)]


def frames(framer, *reads):
    return [frame for read in reads for frame in framer.feed(read)]


def values(framer, *reads):
    return [frame.value if isinstance(frame, Code) else frame.reason for frame in frames(framer, *reads)]


ENDS = {
    b"\r": [b"\r", b"\r\n"],
    b"\n": [b"\n", b"\r\n"],
    b"\r\n": [b"\r\n"],
    b"\t": [b"\t"],
    b"\x03": [b"\x03"],
    b"\r\r": [b"\r\r"],
}


@st.composite
def scanned(draw):
    """A terminator, codes that do not contain it, and the stream a scanner would make of them."""
    terminator = draw(st.sampled_from(sorted(ENDS)))
    # Few different bytes, so that line ends, GS and spaces meet often.
    alphabet = st.sampled_from([b"\r", b"\n", b"\t", b" ", b"\x1d", b"A", b"7", "ä".encode()])
    codes = []
    for code in draw(st.lists(st.lists(alphabet, min_size=1, max_size=12).map(b"".join), max_size=8)):
        # What would be taken for an end, or for a part of one, is no part of a code in that setting.
        if terminator == b"\r":
            code = code.replace(b"\r", b"").lstrip(b"\n")
        elif terminator in {b"\n", b"\r\n", b"\r\r"}:
            code = code.replace(terminator, b"").strip(b"\r").replace(terminator, b"")
        else:
            code = code.replace(terminator, b"")
        if code:
            codes.append(code)
    stream = b"".join(code + draw(st.sampled_from(ENDS[terminator])) for code in codes)
    return terminator, codes, stream


@given(scanned(), st.lists(st.integers(0, 120)))
def test_how_the_reads_are_cut_never_changes_the_codes(scan, cuts):
    terminator, codes, stream = scan
    framer = CodeFramer(terminator, max_length=100)
    assert [frame.raw for frame in frames(framer, *cut(stream, cuts))] == codes


@given(
    st.sampled_from(sorted(ENDS)),
    st.lists(st.sampled_from([b"\r", b"\n", b"\t", b"\x03", b"A", b"BCD", b"\xff"]), max_size=60).map(b"".join),
    st.lists(st.integers(0, 200)),
)
def test_how_the_reads_are_cut_changes_nothing_for_any_bytes_at_all(terminator, stream, cuts):
    whole = CodeFramer(terminator, max_length=5)
    pieces = CodeFramer(terminator, max_length=5)
    assert frames(pieces, *cut(stream, cuts)) == frames(whole, stream)
    assert len(pieces._pending) <= 5 + 2


@given(st.lists(st.binary(max_size=64), max_size=200))
def test_a_scanner_gone_mad_never_fills_the_memory(reads):
    framer = CodeFramer(max_length=32)
    for read in reads:
        framer.feed(read)
        assert framer.pending <= 32


@pytest.mark.parametrize("terminator", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("split", range(16))
def test_cr_lf_is_one_end_wherever_it_is_split(terminator, split):
    stream = b"4006381\r\nINV-2\r\n"
    assert values(CodeFramer(terminator), stream[:split], stream[split:]) == ["4006381", "INV-2"]


def test_the_lf_left_by_whoever_had_the_port_before_is_no_part_of_the_first_code():
    assert values(CodeFramer(), b"\nINV-1\r") == ["INV-1"]


def test_only_the_suffix_is_cut_off():
    (code,) = frames(CodeFramer(), b" ]d20104012345678901\x1d10LOT7 \x1d\r")
    assert code.raw == b" ]d20104012345678901\x1d10LOT7 \x1d"
    assert code.value == " ]d20104012345678901\x1d10LOT7 \x1d"


def test_a_terminator_of_cr_lf_leaves_single_line_ends_inside_a_code():
    assert values(CodeFramer(b"\r\n"), b"BEGIN:VCARD\nN:M\rEND:VCARD\r\n") == ["BEGIN:VCARD\nN:M\rEND:VCARD"]


def test_empty_frames_are_no_codes_and_no_faults():
    assert values(CodeFramer(), b"\r\r\r\n\r", b"", b"\n") == []


def test_two_hundred_scans_in_one_read():
    stream = b"".join(b"INV-%d\r" % number for number in range(200))
    assert values(CodeFramer(), stream) == [f"INV-{number}" for number in range(200)]


def test_the_largest_qr_symbol_passes_and_one_byte_more_is_refused():
    assert [frame.raw for frame in frames(CodeFramer(), b"7" * 2953 + b"\r")] == [b"7" * 2953]
    assert frames(CodeFramer(), b"7" * 2954 + b"\r") == [Refused("too long", b"7" * 2953)]


@pytest.mark.parametrize("step", [1, 7, 512, 8192])
def test_a_code_too_long_is_refused_once_and_its_tail_is_no_code(step):
    stream = b"X" * 8192 + b"\rINV-1\r"
    reads = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert frames(CodeFramer(max_length=20), *reads) == [Refused("too long", b"X" * 20), Code(b"INV-1", "INV-1")]


def test_a_code_too_long_is_refused_before_its_end_comes():
    assert frames(CodeFramer(max_length=4), b"12345") == [Refused("too long", b"1234")]


@pytest.mark.parametrize(
    ("encoding", "raw", "value"),
    [
        ("utf-8", "Straße 7 €".encode(), "Straße 7 €"),
        ("latin-1", b"Stra\xdfe", "Straße"),
        ("gbk", "条码".encode("gbk"), "条码"),
        ("shift_jis", "バーコード".encode("shift_jis"), "バーコード"),
    ],
)
def test_each_scanner_has_its_encoding(encoding, raw, value):
    assert frames(CodeFramer(encoding=encoding), raw + b"\r") == [Code(raw, value)]


def test_what_does_not_decode_is_refused_with_its_bytes_and_the_next_code_is_read():
    stream = b"\xc3\xa4\xff\x00\rINV-1\r"
    assert frames(CodeFramer(), stream) == [Refused("undecodable", b"\xc3\xa4\xff\x00"), Code(b"INV-1", "INV-1")]


def test_half_a_code_of_an_unplugged_scanner_is_forgotten():
    framer = CodeFramer(max_length=10)
    assert values(framer, b"HALF") == []
    framer.reset()
    assert values(framer, b"INV-1\r") == ["INV-1"]
    assert values(framer, b"X" * 30) == ["too long"]
    framer.reset()
    assert values(framer, b"INV-2\r") == ["INV-2"]


@pytest.mark.parametrize(
    "settings",
    [{"terminator": b""}, {"max_length": 0}, {"encoding": "utf-99"}, {"encoding": "hex"}, {"encoding": "utf-16"}],
)
def test_settings_that_cannot_work_are_refused_at_once(settings):
    with pytest.raises(DeviceError):
        CodeFramer(**settings)
