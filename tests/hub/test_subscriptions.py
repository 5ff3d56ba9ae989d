from __future__ import annotations

import logging
import queue
import threading
import time

import pytest

from agent.hub.dispatcher import Dispatcher
from agent.hub.errors import ThalovantConnectionError, ThalovantRuntimeError
from agent.hub.subscriptions import Channel, EventStream, Mailbox, Subscriptions
from tests.peers.waiting import eventually

SPEAK = "speak"


@pytest.fixture
def dispatcher():
    made = Dispatcher()
    yield made
    made.close(time.monotonic() + 5)


@pytest.fixture
def subscriptions(dispatcher):
    return Subscriptions(dispatcher)


def stream(subscriptions, *, limit=8, seconds=5.0, max_events=None, predicate=None, wanted=lambda _: True):
    mailbox, subscription = subscriptions.add_mailbox(Channel.BUS, SPEAK, limit, wanted)
    deadline = None if seconds is None else time.monotonic() + seconds
    return EventStream(mailbox, subscription, deadline=deadline, max_events=max_events, predicate=predicate)


def tell(subscriptions, *items):
    for item in items:
        subscriptions.tell(Channel.BUS, SPEAK, item)


def test_handlers_are_called_in_the_order_of_what_the_hub_said(subscriptions):
    called: queue.Queue = queue.Queue()
    subscriptions.add_handler(Channel.BUS, SPEAK, lambda item: called.put(("first", item)))
    subscriptions.add_handler(Channel.BUS, SPEAK, lambda item: called.put(("second", item)))
    tell(subscriptions, 1, 2)
    assert [called.get(timeout=5) for _ in range(4)] == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_a_name_is_heard_on_its_own_channel_only(subscriptions):
    called: queue.Queue = queue.Queue()
    subscriptions.add_handler(Channel.HIVE, "broadcast", lambda item: called.put(("hive", item)))
    subscriptions.add_handler(Channel.BUS, "broadcast", lambda item: called.put(("bus", item)))
    subscriptions.tell(Channel.BINARY, "", "a frame nobody listens to")
    subscriptions.tell(Channel.BUS, "broadcast", 1)
    subscriptions.tell(Channel.HIVE, "broadcast", 2)
    assert [called.get(timeout=5) for _ in range(2)] == [("bus", 1), ("hive", 2)]
    assert called.empty()


@pytest.mark.parametrize("cancel", ["close", "cancel", "unsubscribe", "__call__"])
def test_a_cancelled_handler_is_not_called_again_not_even_with_what_waits_for_it(subscriptions, cancel):
    called: list = []
    busy, go_on = threading.Event(), threading.Event()

    def slow(_):
        busy.set()
        go_on.wait(5)

    subscriptions.add_handler(Channel.BUS, SPEAK, slow)
    subscription = subscriptions.add_handler(Channel.BUS, SPEAK, called.append)
    done = threading.Event()
    tell(subscriptions, 1)
    assert busy.wait(5)
    getattr(subscription, cancel)()
    subscription.close()  # a second time does nothing
    go_on.set()
    subscriptions.add_handler(Channel.BUS, SPEAK, lambda _: done.set())
    tell(subscriptions, 2)
    assert done.wait(5)
    assert called == []


def test_a_subscription_ends_with_its_with_block(subscriptions):
    with subscriptions.add_handler(Channel.BUS, SPEAK, print) as subscription:
        assert subscription.active
        assert subscriptions.has_handlers
    assert not subscription.active
    assert not subscriptions.has_handlers


def test_a_failing_handler_is_logged_and_the_others_go_on(subscriptions, caplog):
    called: queue.Queue = queue.Queue()

    def fail(_):
        raise KeyError("mine")

    subscriptions.add_handler(Channel.BUS, SPEAK, fail)
    subscriptions.add_handler(Channel.BUS, SPEAK, called.put)
    with caplog.at_level(logging.ERROR, "agent.hub.dispatcher"):
        tell(subscriptions, 1)
        assert called.get(timeout=5) == 1
    assert [record.message for record in caplog.records] == ["a handler of a hub event failed"]


def test_handlers_slower_than_the_hub_lose_the_newest_and_the_log_says_so_once(dispatcher, caplog):
    busy, go_on = threading.Event(), threading.Event()
    called: list = []

    def slow():
        busy.set()
        go_on.wait(5)

    dispatcher.call_soon(slow)
    assert busy.wait(5)
    with caplog.at_level(logging.WARNING, "agent.hub.dispatcher"):
        for number in range(2000):
            dispatcher.call_soon(lambda number=number: called.append(number))
    go_on.set()
    eventually(lambda: len(called) == 1024)
    assert called == list(range(1024))
    assert len(caplog.records) == 1


def test_closing_from_within_a_handler_does_not_wait_for_itself():
    dispatcher = Dispatcher()
    closed = threading.Event()

    def close():
        dispatcher.close(time.monotonic() + 60)
        closed.set()

    dispatcher.call_soon(close)
    assert closed.wait(5)


def test_a_dispatcher_closed_and_used_again_goes_on(dispatcher):
    ran = threading.Event()
    dispatcher.call_soon(lambda: None)
    dispatcher.close(time.monotonic() + 5)
    dispatcher.call_soon(ran.set)
    assert ran.wait(5)


def test_a_stream_yields_what_came_since_it_was_made_up_to_max_events(subscriptions):
    events = stream(subscriptions, max_events=2)
    tell(subscriptions, 1, 2, 3)
    assert list(events) == [1, 2]
    tell(subscriptions, 4)
    assert list(events) == []


def test_a_stream_of_no_events_ends_at_once(subscriptions):
    assert list(stream(subscriptions, max_events=0)) == []


def test_a_stream_ends_quietly_at_its_timeout(subscriptions):
    events = stream(subscriptions, seconds=0.05)
    tell(subscriptions, 1)
    assert list(events) == [1]


def test_what_a_predicate_rejects_does_not_count(subscriptions):
    events = stream(subscriptions, max_events=1, predicate=lambda item: item > 1)
    tell(subscriptions, 1, 2)
    assert list(events) == [2]


def test_what_is_not_wanted_takes_no_room(subscriptions):
    events = stream(subscriptions, limit=1, max_events=1, wanted=lambda item: item > 1)
    tell(subscriptions, 1, 1, 1, 2)
    assert list(events) == [2]


def test_a_stream_that_is_not_read_ends_with_an_error_behind_what_it_holds(subscriptions):
    events = stream(subscriptions, limit=2)
    tell(subscriptions, 1, 2, 3, 4)
    assert [next(events), next(events)] == [1, 2]
    with pytest.raises(ThalovantRuntimeError, match="more than 2 events"):
        next(events)
    assert list(events) == []


def test_a_stream_ends_with_the_link_behind_what_came_before(subscriptions):
    events = stream(subscriptions, seconds=None)
    tell(subscriptions, 1)
    subscriptions.lost(ThalovantConnectionError("gone"))
    assert next(events) == 1
    with pytest.raises(ThalovantConnectionError, match="gone"):
        next(events)


def test_handlers_outlive_the_link(subscriptions):
    called: queue.Queue = queue.Queue()
    subscriptions.add_handler(Channel.BUS, SPEAK, called.put)
    subscriptions.lost(ThalovantConnectionError("gone"))
    tell(subscriptions, 1)
    assert called.get(timeout=5) == 1


def test_a_stream_closed_by_another_thread_ends_for_the_one_who_reads_it(subscriptions):
    events = stream(subscriptions, seconds=60)
    timer = threading.Timer(0.05, events.close)
    timer.start()
    assert list(events) == []
    timer.join()


def test_a_stream_that_nobody_holds_is_not_kept(subscriptions):
    stream(subscriptions, limit=1)
    stream(subscriptions, limit=1).close()
    with stream(subscriptions, limit=1):
        pass
    assert subscriptions._hearers == {}
    assert subscriptions._mailboxes == []


def test_a_mailbox_ends_once():
    mailbox: Mailbox[int] = Mailbox(2)
    mailbox.end(ThalovantConnectionError("first"))
    mailbox.end(ThalovantConnectionError("second"))
    mailbox.put(1)
    for _ in range(2):
        with pytest.raises(ThalovantConnectionError, match="first"):
            mailbox.get(None)
