"""What one turn of a conversation hands to the next.

A hub keeps nothing of a named session between turns; the client carries it. Wire reference, messages.md
section 7: which parts are carried is an allow-list, so that a part nobody has thought about cannot start
to replay itself, and the current turn's own values always win.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from agent.record import record

CARRIED_FIELDS = (
    "converse_handlers",
    "active_handlers",
    "active_skills",
    "context",
    "utterance_states",
    "response_mode",
)
MAX_CONVERSATIONS = 32
MAX_ALIASES = 8


def carried(session: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a hub's `session` that the next turn starts from."""
    return {key: copy.deepcopy(session[key]) for key in CARRIED_FIELDS if session.get(key)}


def carry_into(session: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """`session` with what `previous` carries, wherever the turn says nothing itself. An empty value says something."""
    return carried(previous) | dict(session)


class Conversations:
    """The carried parts of the latest conversations, each under every session id that may ask for it.

    A hub may answer under another session id than the request's, and a caller may go on under either; None
    stands for requests that name no session. Bounded in conversations and in ids; the least recently
    used goes first. Not for several threads.
    """

    def __init__(self, *, conversations: int = MAX_CONVERSATIONS, aliases: int = MAX_ALIASES) -> None:
        self._conversations = conversations
        self._aliases = aliases
        self._latest: OrderedDict[int, _Conversation] = OrderedDict()
        self._by_alias: dict[str | None, int] = {}
        self._count = 0

    def remember(self, session: Mapping[str, Any], aliases: Iterable[str | None]) -> None:
        """Keep what `session`, of a handled event, carries; forget the conversation when that is nothing."""
        names = list(dict.fromkeys(name or None for name in aliases))
        if not names:
            return
        known = next((self._by_alias[name] for name in names if name in self._by_alias), None)
        before = self._latest[known].aliases if known is not None else []
        kept = carried(session)
        if known is not None:
            self._forget(known)
        for name in names:
            self._detach(name)
        if not kept:
            return
        self._count += 1
        # The newest ids stand last, and the oldest go.
        all_names = [name for name in before if name not in names] + names
        self._latest[self._count] = _Conversation(parts=kept, aliases=all_names[-self._aliases :])
        self._by_alias.update(dict.fromkeys(self._latest[self._count].aliases, self._count))
        while len(self._latest) > self._conversations:
            self._forget(next(iter(self._latest)))

    def carry(self, session_id: str | None, session: Mapping[str, Any]) -> dict[str, Any]:
        """`session` of the next turn, with what the conversation `session_id` carries filled in."""
        known = self._by_alias.get(session_id or None)
        if known is None:
            return dict(session)
        self._latest.move_to_end(known)
        return carry_into(session, self._latest[known].parts)

    def _forget(self, number: int) -> None:
        for name in self._latest.pop(number).aliases:
            del self._by_alias[name]

    def _detach(self, name: str | None) -> None:
        """Take an id from the conversation that has it: it names another one from now on."""
        number = self._by_alias.pop(name, None)
        if number is not None:
            self._latest[number].aliases.remove(name)
            if not self._latest[number].aliases:
                del self._latest[number]

    def __len__(self) -> int:
        return len(self._latest)


@record(frozen=False, kw_only=True)
class _Conversation:
    parts: dict[str, Any]
    aliases: list[str | None]
