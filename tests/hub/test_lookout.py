from __future__ import annotations

from typing import Any

import pytest

from agent.hub.errors import ThalovantConnectionError
from agent.hub.lookout import Found, Lookout


class Jobs:
    """Runs what it is given when it is told to."""

    def __init__(self, *, takes=True):
        self.takes = takes
        self.jobs = []
        self.wakes = 0

    def spawn(self, _name, job):
        if self.takes:
            self.jobs.append(job)
        return self.takes

    def wake_up(self):
        self.wakes += 1


@pytest.fixture
def jobs():
    return Jobs()


@pytest.fixture
def lookout(jobs):
    return Lookout(jobs.spawn, jobs.wake_up)


def fails():
    raise ThalovantConnectionError


def test_what_was_found_is_fetched_once_and_wakes_the_link(lookout, jobs):
    connection: Any = object()
    lookout.look("mqtt", lambda: connection)
    assert (lookout.looking_at, lookout.fetch()) == ("mqtt", None)
    jobs.jobs[0]()
    assert jobs.wakes == 1
    assert lookout.fetch() == Found("mqtt", connection)
    assert (lookout.looking_at, lookout.fetch()) == (None, None)


def test_one_look_at_a_time_for_two_sessions_on_one_carrier_break_each_other(lookout, jobs):
    lookout.look("mqtt", fails)
    lookout.look("wss", fails)
    assert len(jobs.jobs) == 1
    assert lookout.looking_at == "mqtt"


def test_a_look_that_fails_is_told_and_frees_the_protocol(lookout, jobs):
    lookout.look("mqtt", fails)
    jobs.jobs[0]()
    assert lookout.fetch() == Found("mqtt", None)
    lookout.look("mqtt", fails)
    assert len(jobs.jobs) == 2


def test_a_mistake_of_ours_frees_the_protocol_too(lookout, jobs):
    def breaks():
        raise ValueError("a mistake")

    lookout.look("mqtt", breaks)
    with pytest.raises(ValueError, match="a mistake"):
        jobs.jobs[0]()
    assert lookout.fetch() == Found("mqtt", None)


def test_no_thread_to_be_had_is_no_look():
    none = Jobs(takes=False)
    lookout = Lookout(none.spawn, none.wake_up)
    lookout.look("mqtt", fails)
    assert lookout.looking_at is None
