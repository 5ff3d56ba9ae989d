from __future__ import annotations

import os
import signal
import threading

from agent.inbox import Inbox


def test_events_come_out_in_the_order_they_went_in():
    inbox: Inbox[int] = Inbox()
    assert all(inbox.put(number) for number in range(5))
    assert inbox.take(timeout=0) == [0, 1, 2, 3, 4]
    assert inbox.take(timeout=0) == []


def test_a_full_inbox_refuses_counts_and_takes_again_after_room_was_made():
    inbox: Inbox[int] = Inbox(capacity=2)
    assert [inbox.put(number) for number in range(4)] == [True, True, False, False]
    assert inbox.refused == 2
    assert inbox.take(timeout=0) == [0, 1]
    assert inbox.put(4)
    assert len(inbox) == 1


def test_taking_waits_for_the_first_event_only():
    inbox: Inbox[str] = Inbox()
    taken: list[list[str]] = []
    reader = threading.Thread(target=lambda: taken.append(inbox.take(timeout=30)))
    reader.start()
    inbox.put("press")
    reader.join(timeout=30)
    assert taken == [["press"]]


def test_a_negative_timeout_does_not_wait():
    assert Inbox[int]().take(timeout=-1) == []


def test_a_signal_that_arrives_while_the_reader_takes_gets_in():
    inbox: Inbox[str] = Inbox(capacity=10_000)
    previous = signal.signal(signal.SIGUSR1, lambda *_: inbox.put("signal"))
    try:
        seen = 0
        for _ in range(2000):
            inbox.put("event")
            os.kill(os.getpid(), signal.SIGUSR1)
            seen += len(inbox.take(timeout=0))
        seen += len(inbox.take(timeout=0))
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert seen == 4000


def test_many_writers_lose_nothing_and_keep_their_own_order():
    inbox: Inbox[tuple[int, int]] = Inbox(capacity=100_000)
    writers = [
        threading.Thread(target=lambda name=name: [inbox.put((name, n)) for n in range(1000)]) for name in range(4)
    ]
    for writer in writers:
        writer.start()
    seen: list[tuple[int, int]] = []
    while len(seen) < 4000 and (batch := inbox.take(timeout=30)):
        seen += batch
    for name in range(4):
        assert [n for writer, n in seen if writer == name] == list(range(1000))


def test_a_patient_writer_leaves_half_of_the_room_to_those_who_cannot_wait():
    inbox: Inbox[str] = Inbox(capacity=4)
    assert inbox.put_with_room("scan 1")
    assert inbox.put_with_room("scan 2")
    writer = threading.Thread(target=inbox.put_with_room, args=("scan 3",))
    writer.start()
    assert inbox.put("answer 1")
    assert inbox.put("answer 2")
    taken = inbox.take(1.0)
    writer.join(5.0)
    assert [*taken, *inbox.take(1.0)] == ["scan 1", "scan 2", "answer 1", "answer 2", "scan 3"]
    assert inbox.refused == 0
