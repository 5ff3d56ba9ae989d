"""After the beep the code reaches the hub: random lives of a device, its hub, its disk and its plug.

The core is the real one on a real store. Pulling the plug throws the core away in the middle of whatever it did and
starts another on the same store.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import integers, lists, sampled_from, tuples

from agent.behaviour import Behaviour
from agent.commits import Commits
from agent.config import ButtonConfig, Config, HubConfig, ScannerConfig
from agent.core import Core
from agent.events import Event
from agent.hub.events import ThalovantEvent
from agent.hub.link_events import HubSaid, LinkDown, LinkUp
from agent.hub.protocol.causes import Cause
from agent.inbox import Inbox
from agent.performer import Performer
from agent.stamps import Stamp
from agent.tasks import Task
from agent.watchdog import Notifier, Watchdog
from hardware.facts import ButtonPressed, CodeScanned
from tests.agent.stages import Recorder
from tests.agent.stores import Disk


class World:
    """A device, its disk and its hub. What is on the line when it breaks reaches the hub up to some message."""

    def __init__(self, folder, in_flight):
        self.config = Config(
            hub=HubConfig(in_flight=in_flight),
            scanners=(ScannerConfig(name="counter", port="/dev/null", repeat_seconds=0),),
            buttons=(ButtonConfig(name="help", pin=17, payload="/help"),),
        )
        self.now = 1000.0
        self.disk = Disk(folder)
        self.broken = False
        self.session = 0
        self.linked = False
        self.codes = 0
        self.accepted: list[str] = []
        self.arrived: list[tuple[str, str]] = []  # code or action, request id
        self.refused: list[str] = []
        self.open: list = []  # what the hub has and has not answered
        self.line: list = []  # what was sent and may still be lost
        self.restart()

    def restart(self):
        """Pull the plug and put it in again."""
        self.lose_link(0, told=False)
        if not self.broken:
            self.disk.outbox.close()  # SIGKILL: what is committed is there, nothing else
        self.recorder = Recorder()
        self.inbox: Inbox[Event | Task] = Inbox(1000)
        commits = Commits(self.disk.outbox, self.stamp)
        self.behaviour = Behaviour(self.config, self.stamp, chance=lambda: 0.0)
        performer = Performer(
            commits,
            link=self.recorder,
            outputs=self.recorder,
            answer=self.recorder.answer,
            report=self.recorder.report,
        )
        watchdog = Watchdog(Notifier(lambda _: True), interval=30.0)
        self.core = Core(self.behaviour, commits, performer, self.inbox, watchdog=watchdog, clock=lambda: self.now)
        self.core.begin()
        self.seen = 0

    def stamp(self):
        return Stamp(boot="boot", since_boot=self.now, wall=0.0, sure=False)

    def happens(self, *events):
        """The orders that came of these events."""
        for event in events:
            self.inbox.put(event)
        self.core.round(0.0)
        orders, self.seen = self.recorder.orders[self.seen :], len(self.recorder.orders)
        self.line += [order[1] for order in orders if order[0] == "send" and order[2] == self.session and self.linked]
        return orders

    # -- what may happen

    def scan(self, _=0):
        code = f"CODE-{self.codes}"
        self.codes += 1
        signals = self.happens(CodeScanned("counter", code, code.encode(), self.now))
        if ("signal", "accepted") in signals:
            self.accepted.append(code)
        else:
            assert ("signal", "refused") in signals, "neither accepted nor refused"
            self.refused.append(code)

    def press(self, _=0):
        self.happens(ButtonPressed("help", self.now))

    def wait(self, tenths):
        self.now += tenths / 10
        self.happens()

    def lose_link(self, received=0, *, told=True):
        self.receive(received)
        self.line.clear()
        self.open.clear()
        if self.linked:
            self.linked = False
            if told:
                self.happens(LinkDown(self.session, Cause.DROPPED))

    def gain_link(self, _=0):
        if not self.linked:
            self.session += 1
            self.linked = True
            self.happens(LinkUp(self.session, "mqtt"))

    def receive(self, count):
        for message in self.line[:count]:
            self.arrived.append((message.data["utterances"][0], message.request_id))
            self.open.append(message)
        del self.line[:count]

    def answer(self, count):
        """The hub takes and answers the oldest it has."""
        self.receive(count)
        for message in self.open[:count]:
            self.happens(HubSaid(ThalovantEvent(name="ovos.utterance.handled", context=dict(message.context))))
        del self.open[:count]

    def break_disk(self, _=0):
        if not self.broken:
            self.broken = True
            self.disk.fail()

    def mend_disk(self, _=0):
        if self.broken:
            self.broken = False
            self.disk.mend()
            self.wait(25)

    def end(self):
        """Everything works again and the hub answers all it is sent."""
        self.mend_disk()
        self.gain_link()
        for _ in range(10 * self.codes + 100):
            self.receive(len(self.line))
            if not self.open and not self.disk.outbox.counts().waiting:
                break
            self.answer(1)
            self.wait(5)


STEPS = lists(
    tuples(
        sampled_from(
            ["scan"] * 6
            + [
                "press",
                "wait",
                "gain_link",
                "gain_link",
                "answer",
                "answer",
                "answer",
                "receive",
                "lose_link",
                "restart",
            ]
        ),
        integers(0, 4),
    ),
    max_size=60,
)
FAULTS = lists(
    tuples(
        sampled_from(
            ["scan"] * 4 + ["press", "wait", "gain_link", "answer", "lose_link", "restart", "break_disk", "mend_disk"]
        ),
        integers(0, 4),
    ),
    max_size=50,
)
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def live(steps, in_flight):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), in_flight)
        for name, number in steps:
            if name == "restart":
                world.restart()
            else:
                getattr(world, name)(number)
        world.end()
        world.disk.outbox.close()
        return world


@quick
@given(steps=STEPS, in_flight=sampled_from([1, 1, 3]))
def test_whatever_happens_every_accepted_scan_arrives_in_order_and_under_one_id(steps, in_flight):
    world = live(steps, in_flight)
    assert world.refused == []
    codes = [(name, request_id) for name, request_id in world.arrived if name != "/help"]
    assert list(dict.fromkeys(name for name, _ in codes)) == world.accepted, "lost, or newer before older"
    assert len({name for name, _ in codes}) == len(set(codes)), "a repeat came under another id"
    kills = sum(name in ("restart", "lose_link") for name, _ in steps)
    assert len(codes) - len(world.accepted) <= kills * in_flight
    assert world.behaviour.delivery.in_flight == 0


@quick
@given(steps=STEPS, in_flight=sampled_from([1, 3]))
def test_whatever_happens_a_press_arrives_at_most_once(steps, in_flight):
    world = live(steps, in_flight)
    presses = Counter(request_id for name, request_id in world.arrived if name == "/help")
    assert all(count == 1 for count in presses.values())


@quick
@given(steps=FAULTS)
def test_with_a_disk_that_fails_a_scan_is_refused_or_it_arrives(steps):
    world = live(steps, 1)
    arrived = {name for name, _ in world.arrived}
    assert set(world.accepted) <= arrived
    assert not set(world.refused) & arrived, "refused to the person and sent all the same"
    presses = Counter(request_id for name, request_id in world.arrived if name == "/help")
    assert all(count == 1 for count in presses.values())


@pytest.mark.parametrize("in_flight", [1, 4])
def test_an_hour_of_scans_without_a_hub_arrives_in_order(tmp_path, in_flight):
    world = World(tmp_path, in_flight)
    for _ in range(300):
        world.scan()
        world.now += 12
    world.restart()
    world.end()
    world.disk.outbox.close()
    assert [name for name, _ in world.arrived] == world.accepted == [f"CODE-{number}" for number in range(300)]
