from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.answers import Answer, AnswerPattern, Expected
from hardware.facts import DeviceError
from hardware.framing import CodeFramer, Framing, Refused


def cut(stream, cuts):
    edges = sorted({0, len(stream), *(at for at in cuts if at < len(stream))})
    return [stream[a:b] for a, b in pairwise(edges)]


def framer(*terminators, **settings):
    return CodeFramer(Framing(terminators=terminators or (b"\r",), **settings))


def frames(framer, *reads):
    return [frame for read in reads for frame in framer.feed(read)]


def values(framer, *reads):
    return [frame.decode() if isinstance(frame, bytes) else frame.reason for frame in frames(framer, *reads)]


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
    assert frames(framer(terminator, max_length=100), *cut(stream, cuts)) == codes


FRAMINGS = [
    Framing(max_length=5),
    Framing(terminators=(b"\n",), max_length=5),
    Framing(terminators=(b"\r\n",), max_length=5, prefix=b"A", suffix=b"D"),
    Framing(terminators=(b"\r", b"\t", b"\r\n"), max_length=5),
    Framing(terminators=(b"\x03",), start=b"\x02", max_length=5),
    Framing(terminators=(b"\r",), line_seconds=0.005, max_length=9),
    Framing(terminators=(b"CD", b"\r\r"), start=b"BC", max_length=5),
    Framing(terminators=(), idle_seconds=0.05, max_length=5),
]
BYTES = st.lists(
    st.sampled_from([b"\r", b"\n", b"\t", b"\x02", b"\x03", b"A", b"BCD", b"]C1", b"\x06", b"\xff"]), max_size=60
).map(b"".join)


@given(st.sampled_from(FRAMINGS), BYTES, st.lists(st.integers(0, 200)), st.booleans())
def test_how_the_reads_are_cut_changes_nothing_for_any_bytes_at_all(framing, stream, cuts, asked):
    whole, pieces = CodeFramer(framing), CodeFramer(framing)
    if asked:
        for one in (whole, pieces):
            one.expect(Expected(9.0, [AnswerPattern("06"), AnswerPattern("41 LL .. 42")], [AnswerPattern("* 0D 41")]))
    results = frames(pieces, *cut(stream, cuts)) + pieces.quiet(5.0) + pieces.quiet(10.0)
    assert results == frames(whole, stream) + whole.quiet(5.0) + whole.quiet(10.0)
    assert len(pieces._buffer) <= 25


@given(st.lists(st.binary(max_size=64), max_size=200))
def test_a_scanner_gone_mad_never_fills_the_memory(reads):
    mad = framer(max_length=32)
    for read in reads:
        mad.feed(read)
        assert mad.pending <= 32


@pytest.mark.parametrize("terminator", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("split", range(16))
def test_cr_lf_is_one_end_wherever_it_is_split(terminator, split):
    stream = b"4006381\r\nINV-2\r\n"
    assert values(framer(terminator), stream[:split], stream[split:]) == ["4006381", "INV-2"]


def test_the_lf_left_by_whoever_had_the_port_before_is_no_part_of_the_first_code():
    assert values(CodeFramer(), b"\nINV-1\r") == ["INV-1"]


def test_only_the_suffix_is_cut_off():
    (code,) = frames(CodeFramer(), b" ]d20104012345678901\x1d10LOT7 \x1d\r")
    assert code == b" ]d20104012345678901\x1d10LOT7 \x1d"


def test_a_terminator_of_cr_lf_leaves_single_line_ends_inside_a_code():
    assert values(framer(b"\r\n"), b"BEGIN:VCARD\nN:M\rEND:VCARD\r\n") == ["BEGIN:VCARD\nN:M\rEND:VCARD"]


def test_empty_frames_are_no_codes_and_no_faults():
    assert values(CodeFramer(), b"\r\r\r\n\r", b"", b"\n") == []


def test_two_hundred_scans_in_one_read():
    stream = b"".join(b"INV-%d\r" % number for number in range(200))
    assert values(CodeFramer(), stream) == [f"INV-{number}" for number in range(200)]


def test_the_largest_qr_symbol_passes_and_one_byte_more_is_refused():
    assert frames(CodeFramer(), b"7" * 2953 + b"\r") == [b"7" * 2953]
    assert frames(CodeFramer(), b"7" * 2954 + b"\r") == [Refused("too long", b"7" * 2953)]


@pytest.mark.parametrize("step", [1, 7, 512, 8192])
def test_a_code_too_long_is_refused_once_and_its_tail_is_no_code(step):
    stream = b"X" * 8192 + b"\rINV-1\r"
    reads = [stream[at : at + step] for at in range(0, len(stream), step)]
    assert frames(framer(max_length=20), *reads) == [Refused("too long", b"X" * 20), b"INV-1"]


def test_a_code_too_long_is_refused_before_its_end_comes():
    assert frames(framer(max_length=4), b"12345") == [Refused("too long", b"1234")]


def test_half_a_code_of_an_unplugged_scanner_is_forgotten():
    one = framer(max_length=10)
    assert values(one, b"HALF") == []
    one.reset()
    assert values(one, b"INV-1\r") == ["INV-1"]
    assert values(one, b"X" * 30) == ["too long"]
    one.reset()
    assert values(one, b"INV-2\r") == ["INV-2"]


def test_any_of_several_terminators_ends_a_code():
    assert values(framer(b"\r", b"\t", b"\r\n"), b"A\tB\r\nC\r\t\r\nD\r") == ["A", "B", "C", "D"]


def test_prefix_and_suffix_are_cut_off_where_they_are():
    assert values(framer(prefix=b"*", suffix=b"#"), b"*A#\r*B\rC#\r*#\r##\r") == ["A", "B", "C", "#"]


def test_the_longest_code_may_have_a_prefix_and_a_suffix_besides():
    assert values(framer(prefix=b"*", suffix=b"#", max_length=4), b"*1234#\r*12345\r") == ["1234", "too long"]


def test_between_stx_and_etx_everything_is_the_code_and_outside_nothing():
    one = framer(b"\x03", start=b"\x02")
    assert values(one, b"noise\x02BEGIN\r\nEND\x03\r\n\x02A\x03") == ["BEGIN\r\nEND", "A"]
    assert values(one, b"HALF\x02WHOLE\x03") == ["WHOLE"]


def test_noise_without_end_does_not_cost_the_code_behind_it():
    one = framer(b"\x03", start=b"\x02", max_length=20)
    assert values(one, b"n" * 5000, b"\x02CODE\x03") == ["too long", "CODE"]


def test_a_code_that_lacks_its_stx_is_taken_all_the_same():
    assert values(framer(b"\x03", start=b"\x02"), b"ABC\x03") == ["ABC"]


def test_without_a_terminator_a_silence_ends_the_code():
    one = CodeFramer(Framing(terminators=(), idle_seconds=0.05))
    assert one.due() is None
    assert one.feed(b"4006", 1.0) == []
    assert one.due() == pytest.approx(1.05)
    assert one.quiet(1.04) == []
    assert one.feed(b"381", 1.04) == []
    assert one.quiet(1.08) == []
    assert one.quiet(1.09) == [b"4006381"]
    assert one.due() is None


def test_time_that_passed_without_anybody_waiting_is_no_silence():
    one = CodeFramer(Framing(terminators=(), idle_seconds=0.05))
    assert one.feed(b"4006", 1.0) == []  # and then the reader was busy, and the port held the rest
    assert one.feed(b"381", 3.0) == []
    assert one.quiet(3.1) == [b"4006381"]


def test_a_silence_also_ends_a_code_whose_terminator_was_lost():
    one = framer(idle_seconds=0.05)
    assert one.feed(b"A\rB", 1.0) == [b"A"]
    assert one.quiet(1.06) == [b"B"]


@pytest.mark.parametrize("end", [b"\r", b"\r\n"])
def test_a_code_of_several_lines_is_one_when_they_follow_each_other_at_once(end):
    one = framer(line_seconds=0.005)
    vcard = b"BEGIN:VCARD\r\nN:M\r\nEND:VCARD"
    assert one.feed(vcard[:13], 1.000) == []  # ends in the middle of a line end
    assert one.feed(vcard[13:] + end, 1.004) == []
    assert one.quiet(1.006) == []
    assert one.quiet(1.010) == [vcard]
    assert one.feed(b"NEXT\r", 2.0) == []
    assert one.quiet(2.1) == [b"NEXT"]


def test_codes_of_several_lines_that_waited_in_the_port_are_told_apart_by_their_aim_identifiers():
    one = framer(line_seconds=0.005)
    stream = b"]Q1BEGIN\r\nEND\r]E04006381333931\r\n]Q1]A\r]b2\r"
    assert one.feed(stream, 1.0) + one.quiet(2.0) == [b"]Q1BEGIN\r\nEND", b"]E04006381333931", b"]Q1]A", b"]b2"]


def test_after_lost_bytes_the_tail_of_a_code_is_no_code():
    one = framer()
    one.feed(b"40063")
    one.skip(1.0)
    assert values(one, b"33931\rINV-1\r") == ["INV-1"]


def test_after_lost_bytes_a_silence_begins_a_new_code():
    one = framer()
    one.skip(1.0)
    assert one.feed(b"33931", 1.01) == []  # and its end was lost
    assert one.due() == pytest.approx(1.26)
    assert one.quiet(1.3) == []
    assert one.feed(b"INV-1\r", 1.4) == [b"INV-1"]


GM65 = Expected(1.5, [AnswerPattern("02 00 00 LL .. ?? ??")], [AnswerPattern("02 00 ?? LL .. ?? ??")])
ACK = Expected(1.5, [AnswerPattern("06")], [AnswerPattern("15")])


@pytest.mark.parametrize("split", range(30))
def test_an_answer_in_front_of_a_scan_is_an_answer_while_a_command_waits(split):
    one = framer()
    one.expect(GM65)
    stream = b"\x02\x00\x00\x01\x0d31]E04006381333931\r"  # CR among its bytes
    answer = Answer("accepted", b"\x02\x00\x00\x01\x0d31")
    assert frames(one, stream[:split], stream[split:]) == [answer, b"]E04006381333931"]


def test_the_same_bytes_are_a_code_when_no_command_waits():
    assert frames(framer(), b"\x06\r\x15ABC\r") == [b"\x06", b"\x15ABC"]


def test_a_scan_that_comes_before_the_answer_is_not_taken_for_it():
    one = framer()
    one.expect(ACK)
    assert frames(one, b"A\x06B\r\x15C\r") == [b"A\x06B", Answer("refused", b"\x15"), b"C"]


def test_a_command_sent_in_the_middle_of_a_scan_waits_for_its_end():
    one = framer()
    one.feed(b"4006", 1.0)
    one.expect(ACK)
    assert one.feed(b"\x06381\r\x06", 1.1) == [b"4006\x06381", Answer("accepted", b"\x06")]


def test_what_only_began_like_an_answer_is_a_code():
    one = framer()
    one.expect(Expected(1.5, [AnswerPattern("41 42 0D 43")], []))
    assert one.feed(b"AB\rD\r", 1.0) == [b"AB", b"D"]
    one.expect(Expected(1.5, [AnswerPattern("41 42 0D 43")], []))
    assert one.feed(b"AB\r", 1.0) == []  # held back
    assert one.due() == 1.5
    assert one.quiet(1.5) == [Answer("none", b""), b"AB"]


def test_an_answer_that_never_came_is_overdue_even_while_codes_come():
    one = framer()
    one.expect(ACK)
    assert one.feed(b"A\r", 2.0) == [Answer("none", b""), b"A"]
    assert one.feed(b"\x06\r", 2.1) == [b"\x06"]


@pytest.mark.parametrize(
    "settings",
    [
        {"terminators": (b"",)},
        {"terminators": ()},
        {"terminators": (), "idle_seconds": 0.05, "line_seconds": 0.005},
        {"idle_seconds": -1.0},
        {"max_length": 0},
        {"start": b"\r"},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings):
    with pytest.raises(DeviceError):
        CodeFramer(Framing(**settings))


@pytest.mark.parametrize("pattern", ["", "xx", "0600", "06 *", "..", "?? .. LL"])
def test_an_answer_that_cannot_be_written_is_refused(pattern):
    with pytest.raises(DeviceError):
        AnswerPattern(pattern)


@given(st.sampled_from(["06", "02 00 00 LL .. ?? ??", "* 06 21", "16 * 0D ?? 06"]), st.binary(max_size=12))
def test_an_answer_is_known_as_one_from_its_first_byte_on_and_not_beyond_its_last(pattern, data):
    shape = AnswerPattern(pattern)
    if shape.fits(data):
        assert all(shape.fits(data[:length]) is None for length in range(len(data)))
        assert shape.fits(data + b"!") is False
    if shape.fits(data) is False:
        assert shape.fits(data + b"!") is False
