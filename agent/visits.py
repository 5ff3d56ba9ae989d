"""Who is being served: with `session = "visit"`, inputs that follow each other are one person's, until a pause.

A visit begins with its first input and gives all its inputs one session id, so that the hub's skills hear one
conversation; what the hub wants carried from one turn to the next is carried, as long as the visit lasts. It ends after
a pause, or with a button made for that. What the hub says to somebody who has left is nobody else's business.

Without visits everybody is the same person, who never leaves. Pure: seconds come in as `now`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from agent.hub import messages
from agent.hub.conversation import Conversations
from agent.hub.events import EVENT_UTTERANCE_HANDLED, ThalovantEvent
from agent.hub.protocol.bus import session_of
from agent.parcel import Parcel
from agent.record import replace

VISIT = "visit"
"""The session name that stands for a session of each visitor's own."""
_ELSEWHERE = "request"
"""The origin of what somebody at the command line sends; such a person is not seen here."""


class Visits:
    """The visit of now, if there is one. Not thread-safe: the core's."""

    def __init__(
        self,
        session: str,
        idle_seconds: float,
        *,
        ending: Collection[str] = (),
        new_session_id: Callable[[], str] = messages.new_session_id,
    ) -> None:
        """`session` is the device's session name, `ending` the buttons that end a visit."""
        self._counts = session == VISIT
        self._idle_seconds = idle_seconds
        self._ending = frozenset(ending)
        self._new_session_id = new_session_id
        self._session_id = ""
        self._requests: set[str] = set()
        self._until: float | None = None
        self._conversations = Conversations(conversations=1)

    def deadline(self) -> float | None:
        """When the visit ends unless something happens before, or None."""
        return self._until

    def over(self, now: float) -> bool:
        """Whether the visit's pause has been long enough to end it."""
        return self._until is not None and now >= self._until

    def go_on(self, now: float) -> None:
        """Somebody is there: a visit begins, or lasts longer."""
        if not self._counts:
            return
        if self._until is None:
            self._session_id = self._new_session_id()
        self._until = now + self._idle_seconds

    def take(self, parcel: Parcel, now: float) -> Parcel:
        """The input as one of the visit: in its session, with what the conversation carries."""
        if not self._counts or parcel.origin == _ELSEWHERE:
            return parcel
        self.go_on(now)
        self._requests.add(parcel.request_id)
        message = parcel.message
        if message.session_id is not None:  # an input with a session of its own
            return parcel
        session = self._conversations.carry(self._session_id, session_of(message.context))
        context = {**message.context, "session": {**session, "session_id": self._session_id}}
        return replace(parcel, message=replace(message, context=context))

    def ends_with(self, parcel: Parcel) -> bool:
        """Whether this press is a goodbye."""
        return self._counts and parcel.kind == "action" and parcel.origin in self._ending

    def heard(self, event: ThalovantEvent, now: float) -> None:
        """The hub said something to somebody: whoever reads it is still there."""
        if event.request_id not in self._requests:
            return
        self.go_on(now)
        if event.name == EVENT_UTTERANCE_HANDLED:
            self._conversations.remember(session_of(event.context), [self._session_id, event.session_id])

    def stranger(self, request_id: str | None) -> bool:
        """Whether whoever asked this has left, so that nobody else may see what becomes of it."""
        return self._counts and request_id is not None and request_id not in self._requests

    @property
    def somebody(self) -> bool:
        """Whether anybody is being served, as far as is known."""
        return not self._counts or self._until is not None

    def end(self) -> None:
        """The visit is over."""
        self._until = None
        self._session_id = ""
        self._requests.clear()
        self._conversations = Conversations(conversations=1)
