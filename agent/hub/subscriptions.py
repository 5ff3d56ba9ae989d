"""Who hears what the hub says of its own accord: handlers, which are called, and streams, which are read.

The thread that hears the hub tells `Subscriptions`, and must never wait for anybody. So a stream has a bounded mailbox
that ends when it overflows, and handlers run one after the other on a thread of their own, where they may call whatever
waits for the hub.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from agent.hub.dispatcher import Dispatcher
from agent.hub.errors import ThalovantError, ThalovantRuntimeError

Item = TypeVar("Item")


class Channel(Enum):
    """The three kinds of things a hub sends by itself."""

    BUS = auto()
    """Events, by their name."""
    HIVE = auto()
    """Frames between hubs, by their kind."""
    BINARY = auto()
    """Binary frames, all under the name ""."""


class ThalovantSubscription:
    """Something that is listened to until it is cancelled: by `close`, by calling it, or at the end of a `with`."""

    def __init__(self, event_name: str, remove: Callable[[], None]) -> None:
        self.event_name = event_name
        self._remove = remove
        self._active = True

    @property
    def active(self) -> bool:
        """False once it is cancelled; a handler is not called any more then."""
        return self._active

    def close(self) -> None:
        """Stop listening. Idempotent, from any thread; a handler that is running is not waited for."""
        self._active = False
        self._remove()

    cancel = unsubscribe = close

    def __call__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Mailbox(Generic[Item]):
    """A bounded queue that ends: with what came before, and then the reason. Any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._ended = False
        self._reason: ThalovantError | None = None
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Add an item; one too many ends the mailbox, since what a reader gets must have no holes. Never waits."""
        if len(self._items) >= self._limit:
            self.end(ThalovantRuntimeError(f"more than {self._limit} events came and were not read"))
        with self._changed:
            if not self._ended:
                self._items.append(item)
                self._changed.notify()

    def end(self, reason: ThalovantError | None) -> None:
        """Nothing more will come, and this is why; None: because nobody wants it. The first end stands."""
        with self._changed:
            if not self._ended:
                self._ended, self._reason = True, reason
                self._changed.notify()

    def get(self, deadline: float | None) -> Item | None:
        """The next item; None at `deadline`, in seconds of `time.monotonic()`, and at an end without a reason.

        Raises the reason the mailbox ended with, if there is one.
        """
        with self._changed:
            while not self._items:
                if self._reason is not None:
                    raise copy.copy(self._reason)
                left = None if deadline is None else deadline - time.monotonic()
                if self._ended or (left is not None and left <= 0):
                    return None
                self._changed.wait(left)
            return self._items.popleft()


class Subscriptions:
    """All that is listened to on one client. Any thread; `tell` and `lost` never wait."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._lock = threading.Lock()
        self._hearers: dict[tuple[Channel, str], list[Callable[[Any], None]]] = {}
        self._mailboxes: list[Mailbox[Any]] = []
        self._handlers = 0

    @property
    def has_handlers(self) -> bool:
        """Whether anybody waits to be called, and so for the link to be there."""
        return self._handlers > 0

    def add_handler(self, channel: Channel, name: str, handler: Callable[[Any], object]) -> ThalovantSubscription:
        """Call `handler` with everything told under `name`, until the subscription is cancelled. Outlives the link."""
        subscription: ThalovantSubscription

        def call(item: Any) -> None:
            if subscription.active:
                handler(item)

        def hear(item: Any) -> None:
            self._dispatcher.call_soon(lambda: call(item))

        def remove() -> None:
            with self._lock:
                if self._drop(channel, name, hear):
                    self._handlers -= 1

        subscription = ThalovantSubscription(name, remove)
        with self._lock:
            self._hearers.setdefault((channel, name), []).append(hear)
            self._handlers += 1
        return subscription

    def add_mailbox(
        self, channel: Channel, name: str, limit: int, wanted: Callable[[Any], bool]
    ) -> tuple[Mailbox[Any], ThalovantSubscription]:
        """Keep what is told under `name` and `wanted`, until the subscription is cancelled or the link ends.

        `wanted` runs on the thread that hears the hub, and must not wait.
        """
        mailbox: Mailbox[Any] = Mailbox(limit)

        def hear(item: Any) -> None:
            if wanted(item):
                mailbox.put(item)

        def remove() -> None:
            with self._lock:
                if self._drop(channel, name, hear):
                    self._mailboxes.remove(mailbox)
            mailbox.end(None)  # for whoever is reading it

        with self._lock:
            self._hearers.setdefault((channel, name), []).append(hear)
            self._mailboxes.append(mailbox)
        return mailbox, ThalovantSubscription(name, remove)

    def tell(self, channel: Channel, name: str, item: Any) -> None:
        """The hub sent this."""
        with self._lock:
            hearers = list(self._hearers.get((channel, name), ()))
        for hear in hearers:
            hear(item)

    def lost(self, error: ThalovantError) -> None:
        """The link ended: streams end with it, for they would have a hole; handlers hear of the next one."""
        with self._lock:
            mailboxes = list(self._mailboxes)
        for mailbox in mailboxes:
            mailbox.end(error)

    def _drop(self, channel: Channel, name: str, hear: Callable[[Any], None]) -> bool:
        hearers = self._hearers.get((channel, name), [])
        if hear not in hearers:
            return False
        hearers.remove(hear)
        if not hearers:
            del self._hearers[channel, name]
        return True


class EventStream(Iterator[Item]):
    """The events of one `listen`, from the call on. Iterate over it; `close` it, or use it in a `with`, to stop early.

    It ends quietly at its timeout or after `max_events`. Overflow raises ThalovantRuntimeError, the end of the link
    ThalovantConnectionError, either after the events that came before.
    """

    def __init__(
        self,
        mailbox: Mailbox[Item],
        subscription: ThalovantSubscription,
        *,
        deadline: float | None,
        max_events: int | None,
        predicate: Callable[[Item], bool] | None,
    ) -> None:
        self._mailbox = mailbox
        self._subscription = subscription
        self._deadline = deadline
        self._left = max_events
        self._predicate = predicate

    def __next__(self) -> Item:
        while self._subscription.active and (self._left is None or self._left > 0):
            try:
                item = self._mailbox.get(self._deadline)
            except ThalovantError:
                self.close()
                raise
            if item is None:
                break
            if self._predicate is None or self._predicate(item):
                if self._left is not None:
                    self._left -= 1
                return item
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
