from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis.strategies import binary, booleans, integers, lists, tuples

from agent.hub.protocol.frames import CHUNK_BYTES, Assembler, Marker, split
from agent.hub.protocol.wire import MAX_MESSAGE_BYTES, WireError


def body(length: int) -> bytes:
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def markers(plaintexts: list[bytes]) -> list[int]:
    return [plaintext[0] for plaintext in plaintexts]


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, [0]),
        (1, [0]),
        (65000, [0]),
        (65001, [2, 5]),
        (130000, [2, 5]),
        (130001, [2, 4, 5]),
        (195000, [2, 4, 5]),
        (195001, [2, 4, 4, 5]),
    ],
)
def test_a_message_is_cut_at_every_65000_bytes(length: int, expected: list[int]) -> None:
    plaintexts = split(body(length))
    assert markers(plaintexts) == expected
    assert b"".join(plaintext[1:] for plaintext in plaintexts) == body(length)
    assert all(len(plaintext) == 1 + CHUNK_BYTES for plaintext in plaintexts[:-1])
    assert length == 0 or 1 < len(plaintexts[-1]) <= 1 + CHUNK_BYTES


def test_a_binary_frame_has_markers_of_its_own_where_it_begins() -> None:
    assert markers(split(body(5), binary=True)) == [1]
    assert markers(split(body(200_000), binary=True)) == [3, 4, 4, 5]


@settings(deadline=None)  # megabytes of frames, on a busy machine
@given(messages=lists(tuples(integers(0, 200_000), booleans()), min_size=1, max_size=4))
@example(messages=[(65000, False), (65001, True), (130000, False), (130001, False)])
def test_what_was_split_is_put_together_again_one_message_after_the_other(messages: list[tuple[int, bool]]) -> None:
    assembler = Assembler()
    for length, is_binary in messages:
        *first, last = split(body(length), binary=is_binary)
        assert [assembler.add(plaintext) for plaintext in first] == [None] * len(first)
        assert assembler.add(last) == (is_binary, body(length))


@given(message=binary(min_size=1, max_size=60), cuts=lists(integers(0, 60), max_size=6), is_binary=booleans())
def test_how_a_peer_cuts_a_message_never_changes_it(message: bytes, cuts: list[int], is_binary: bool) -> None:
    edges = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    pieces = [message[a:b] for a, b in pairwise(edges)]
    assembler = Assembler()
    assert assembler.add(bytes((Marker.FIRST_BINARY if is_binary else Marker.FIRST_JSON,))) is None
    for piece in pieces[:-1]:
        assert assembler.add(bytes((Marker.MIDDLE,)) + piece) is None
    assert assembler.add(bytes((Marker.LAST,)) + pieces[-1]) == (is_binary, message)


@pytest.mark.parametrize("marker", [0, 1, 2, 3])
def test_a_message_that_begins_inside_another_is_an_error(marker: int) -> None:
    assembler = Assembler()
    assembler.add(b"\x02{")
    with pytest.raises(WireError, match="inside another"):
        assembler.add(bytes((marker,)) + b"{}")


@pytest.mark.parametrize("plaintext", [b"", b"\x04}", b"\x05}", b"\x06{}", b"{}", b"\xff"])
def test_a_plaintext_that_begins_nothing_is_an_error(plaintext: bytes) -> None:
    with pytest.raises(WireError):
        Assembler().add(plaintext)


@given(plaintexts=lists(binary(max_size=6), max_size=8))
def test_any_plaintexts_are_a_message_or_an_error_and_never_a_crash(plaintexts: list[bytes]) -> None:
    assembler = Assembler()
    with suppress(WireError):
        for plaintext in plaintexts:
            assembler.add(plaintext)


def test_the_largest_message_passes_and_one_byte_more_is_an_error() -> None:
    largest = bytes(MAX_MESSAGE_BYTES)
    assembler = Assembler()
    *first, last = split(largest)
    for plaintext in first:
        assert assembler.add(plaintext) is None
    assert assembler.add(last) == (False, largest)

    for plaintext in first:
        assembler.add(plaintext)
    with pytest.raises(WireError, match="32 MiB"):
        assembler.add(last + b"!")
    with pytest.raises(ValueError, match="32 MiB"):
        split(largest + b"!")


def test_a_message_without_end_is_stopped_at_the_limit() -> None:
    assembler, chunk = Assembler(), b"\x04" + bytes(CHUNK_BYTES)
    assembler.add(b"\x02")
    for _ in range(MAX_MESSAGE_BYTES // CHUNK_BYTES):
        assembler.add(chunk)
    with pytest.raises(WireError, match="32 MiB"):
        assembler.add(chunk)
