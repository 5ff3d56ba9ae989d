"""The loop in the middle: what happened goes in, the behaviour decides, the performer acts.

One round takes all that waits, has each event decided in its order, puts what must last on the disk at once and then
carries out the rest. It waits for nothing but the next event, and is the loop that feeds the watchdog: when it stands
still, nobody does.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from agent.behaviour import Behaviour
from agent.commits import Commits
from agent.effects import Effect
from agent.events import Event, Stopping, Tick
from agent.inbox import Inbox
from agent.performer import Performer
from agent.tasks import Task
from agent.watchdog import Watchdog

log = logging.getLogger(__name__)

_MOST_EVENTS = 64
"""Events of one round, and so of one commit: many enough for any burst, few enough that the first is not kept
waiting."""
_LONGEST_WAIT = 60.0
"""Between two looks at who makes progress; each wakes a board that could sleep."""
_SHORTEST_WAIT = 0.01
"""A moment that is always due must not keep the processor busy."""
_LAST_SECONDS = 0.7
"""For what is still in the inbox at the end."""


class Core:
    """The core of one agent. Its methods belong to the thread that calls `run`, but for `stop`."""

    def __init__(
        self,
        behaviour: Behaviour,
        commits: Commits,
        performer: Performer,
        inbox: Inbox[Event | Task],
        *,
        watchdog: Watchdog,
        each_round: Callable[[float], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`each_round` is called after each one, with the moment."""
        self._behaviour = behaviour
        self._commits = commits
        self._performer = performer
        self._inbox = inbox
        self._watchdog = watchdog
        self._each_round = each_round
        self._clock = clock
        self._waiting: deque[Event | Task] = deque()
        self._stopping = False

    def stop(self) -> None:
        """End `run` after the round it is in. From any thread and from a signal handler."""
        self._stopping = True
        self._inbox.put(Tick())  # a full inbox wakes it as well

    def begin(self) -> None:
        """Open the store and show the first screen."""
        now = self._clock()
        failed = self._commits.open(now)
        self._decide([failed or Tick()])

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopping:
            self.round(self._wait())

    def round(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for something to happen, and do what it leads to."""
        if not self._waiting:
            self._waiting += self._inbox.take(timeout)
        events = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_EVENTS))]
        now = self._clock()
        due = self._behaviour.deadline(now)
        if due is not None and due <= now:
            events.append(Tick())
        self._take([*events, *self._commits.tick(now)])
        now = self._clock()
        self._watchdog.tick(now)
        self._each_round(now)

    def finish(self) -> None:
        """Take what is left in the inbox, then say goodbye. The inputs must have ended; a hub may talk on and on."""
        ends = self._clock() + _LAST_SECONDS
        while (self._waiting or len(self._inbox)) and self._clock() < ends:
            self.round(0.0)
        self._decide([Stopping()])

    def _wait(self) -> float:
        now = self._clock()
        wanted = (self._behaviour.deadline(now), self._commits.deadline(), self._watchdog.due())
        moments = [moment for moment in wanted if moment is not None]
        return min(max(min(moments, default=now + _LONGEST_WAIT) - now, _SHORTEST_WAIT), _LONGEST_WAIT)

    def _take(self, happened: list[Event | Task]) -> None:
        """Decide on what happened, in its order. A task sees the store as what came before it has left it."""
        events: list[Event] = []
        for item in happened:
            if isinstance(item, Task):
                self._decide(events)
                events = []
                self._do(item)
            else:
                events.append(item)
        self._decide(events)

    def _decide(self, events: list[Event]) -> None:
        """Have the events decided and the orders carried out, and all that comes of it at once."""
        while events:
            orders = [self._handle(event) for event in events]
            events = self._performer.carry_out(orders, self._clock())

    def _handle(self, event: Event) -> list[Effect]:
        try:
            return self._behaviour.handle(event, self._clock())
        except Exception:  # one event nobody was prepared for must not end the device
            log.exception("an event could not be handled", extra={"event": type(event).__name__})
            return []

    def _do(self, task: Task) -> None:
        try:
            task.run(self._clock())
        except Exception:
            log.exception("a request could not be carried out")
