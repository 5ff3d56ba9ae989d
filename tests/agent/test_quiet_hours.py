from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.quiet_hours import QuietHours, Span, local_minute


def minute(text):
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


@pytest.mark.parametrize(
    ("now", "quiet"),
    [("21:59", False), ("22:00", True), ("00:00", True), ("05:59", True), ("06:00", False), ("13:30", True)],
)
def test_a_span_may_go_past_midnight_and_its_end_is_not_in_it(now, quiet):
    assert QuietHours(["22:00-06:00", "13:00-14:00"]).hold(minute(now)) is quiet


def test_without_spans_or_a_clock_nothing_is_quiet():
    assert not any(QuietHours([]).hold(now) for now in range(1440))
    assert not QuietHours(["00:00-23:59"]).hold(None)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_a_span_and_the_one_from_its_end_to_its_start_share_the_day(start, end, now):
    def written(minutes):
        return f"{minutes // 60:02}:{minutes % 60:02}"

    one, other = f"{written(start)}-{written(end)}", f"{written(end)}-{written(start)}"
    if start != end:
        assert Span().problem(one) is None
        assert QuietHours([one]).hold(now) != QuietHours([other]).hold(now)


@pytest.mark.parametrize("text", ["", "22-06", "24:00-06:00", "22:60-06:00", "22:00-22:00", "22:00 - 06:00"])
def test_what_is_no_span_is_refused(text):
    assert Span().problem(text) == 'a time such as "22:00-06:00"'


def test_the_minute_is_the_one_of_local_time():
    noon = time.mktime((2026, 7, 1, 12, 34, 56, 0, 0, -1))
    assert local_minute(lambda: noon) == 12 * 60 + 34
    assert local_minute(lambda: 3600.0) is None
