"""A device's link in this process: the production `Link`, and a core that knows nothing but one scan at a time.

with LinkedDevice(hub.identity(), folder, protocols=["mqtt"]) as device:
    device.wait_up()
    seconds = device.scan("INV-1")       # until the hub handled it, sent again after each loss, as the agent does
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.hub import messages
from agent.hub.dialling import Caller
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring
from agent.hub.link import Link
from agent.hub.link_events import HubSaid, LinkDown, LinkEvent, LinkOffer, LinkTrouble, LinkUp
from agent.hub.link_report import LinkSnapshot
from agent.hub.protocol.bus import HANDLED
from agent.hub.protocol.causes import Cause
from tests.peers.waiting import eventually

_SUSPICIOUS_SECONDS = 3.0  # as the agent's delivery: silence about a scan is worth a probe


class LinkedDevice:
    """One link on a thread of its own."""

    def __init__(
        self,
        identity: ThalovantIdentity | Path,
        folder: Path,
        *,
        protocols: Sequence[str] = ("mqtt", "wss", "https"),
        **options: Any,
    ) -> None:
        """`options` are the link's own."""
        if isinstance(identity, Path):
            identity = ThalovantIdentity.from_file(identity)
        self.keyring = Keyring(folder / "keys")
        self.events: list[LinkEvent] = []
        self.states: list[str] = []
        """The states the link was seen in, each change once."""
        self.beats = 0
        self.back_at = 0.0
        """When the link came up again after its last loss, in seconds since 1970; 0 when it was never lost or is
        lost."""
        self._news = threading.Condition()
        self._session = 0
        self._handled: set[str] = set()
        caller = Caller(
            identity=identity,
            keyring=self.keyring,
            user_agent="Tests/1",
            session_id=messages.new_session_id(),
            client_id=f"thalovant-{identity.access_key[:10]}",
        )
        self.link = Link(caller, protocols=protocols, emit=self._take, spawn=self._spawn, **options)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: self.link.run(self._stop, self._beat), name="link", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, timeout: float = 10.0) -> float:
        """Tell the link to end; the seconds it took."""
        began = time.monotonic()
        self._stop.set()
        self.link.wake()
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the link does not end"
        return time.monotonic() - began

    # -- what it is like

    @property
    def snapshot(self) -> LinkSnapshot:
        return self.link.snapshot()

    @property
    def causes(self) -> list[Cause]:
        """The troubles told, in order."""
        return [event.cause for event in list(self.events) if isinstance(event, LinkTrouble)]

    @property
    def ups(self) -> list[LinkUp]:
        return [event for event in list(self.events) if isinstance(event, LinkUp)]

    def wait_up(self, protocol: str | None = None, timeout: float = 20.0) -> None:
        """Until the link is up, over `protocol` if one is named."""

        def up() -> bool:
            now = self.snapshot
            return now.state == "up" and protocol in (None, now.protocol)

        eventually(up, timeout=timeout, what=f"the link up over {protocol or 'anything'}: {self.snapshot}")

    def wait_state(self, state: str, cause: Cause | None = None, timeout: float = 20.0) -> None:
        """Until the link is in `state`, for `cause` if one is named."""

        def there() -> bool:
            now = self.snapshot
            return now.state == state and cause in (None, now.cause)

        eventually(there, timeout=timeout, what=f"{state} for {cause}: {self.snapshot}")

    def wait_cause(self, cause: Cause, timeout: float = 20.0) -> None:
        """Until this was told as what is wrong."""
        eventually(lambda: cause in self.causes, timeout=timeout, what=f"{cause} in {self.causes}")

    # -- what a person does

    def scan(self, code: str, *, timeout: float = 60.0) -> float:
        """Scan, and wait until the hub has handled it; the seconds. Raises AssertionError after `timeout`."""
        message = messages.code(code)
        began = time.monotonic()
        self.link.hurry()
        sent_over, sent_at, probed = 0, began, False
        with self._news:
            while message.request_id not in self._handled:
                now = time.monotonic()
                assert now - began < timeout, f"{code} not answered within {timeout:g} s: {self.snapshot}"
                if self._session not in (0, sent_over):
                    sent_over, sent_at, probed = self._session, now, False
                    self.link.send(message, sent_over)
                elif sent_over and self._session == sent_over and now - sent_at > _SUSPICIOUS_SECONDS and not probed:
                    probed = True
                    self.link.probe_soon()
                self._news.wait(0.1)
        return time.monotonic() - began

    # -- on the link's thread

    def _beat(self) -> None:
        self.beats += 1
        self._note_state()

    def _note_state(self) -> None:
        state = self.snapshot.state
        if not self.states or self.states[-1] != state:
            self.states.append(state)

    def _take(self, event: LinkEvent) -> None:
        self.events.append(event)
        self._note_state()
        with self._news:
            match event:
                case LinkUp(session, _):
                    self._session = session
                    self.back_at = time.time() if session > 1 else 0.0
                case LinkDown():
                    self._session = 0
                    self.back_at = 0.0
                case LinkOffer():
                    self.link.take_offer()
                case HubSaid(said) if said.name == HANDLED and said.request_id is not None:
                    self._handled.add(said.request_id)
                    self.events.remove(event)
                case HubSaid():
                    self.events.remove(event)  # an hour of answers is no leak of the link's
            self._news.notify_all()

    def _spawn(self, name: str, job: Any) -> bool:
        threading.Thread(target=job, name=name, daemon=True).start()
        return True
