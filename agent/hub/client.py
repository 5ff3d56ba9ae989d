"""The client of one hub: ask it, tell it, listen to it.

    with ThalovantClient.from_identity_file("identity.json") as client:
        print(client.ask("What can this hub do?").text)

Wire reference, messages.md. Every call connects when there is no link, in a few tries, and only as long as nothing was
published: a message is never sent twice. Any thread may call, the handlers of `on` included. Times are seconds.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from agent.hub import messages
from agent.hub.connection import Incoming
from agent.hub.context import request_context
from agent.hub.doctor import PROBE_TYPE, ThalovantDoctorReport, examine
from agent.hub.endpoints import PROTOCOLS, protocol_name
from agent.hub.errors import (
    ThalovantConnectionError,
    ThalovantPolicyDeniedError,
    ThalovantUnansweredError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.events import EVENT_POLICY_DENIED, HIVE_KINDS, ThalovantEvent, from_envelope
from agent.hub.exchanges import Exchange, Exchanges
from agent.hub.health import ThalovantConnectionInfo, ThalovantHealth
from agent.hub.identity import ThalovantIdentity
from agent.hub.listening import Listening
from agent.hub.messages import DEFAULT_LANG, BusMessage
from agent.hub.protocol import bus, wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.replies import Ending
from agent.hub.reach import Reach, Reaching, deadline_after
from agent.hub.reply import ThalovantBinary, ThalovantReply, failure_error, reply_from
from agent.hub.subscriptions import Channel
from agent.hub.telling import Telling
from agent.hub.turns import ThalovantConversation

_CLOSE_SECONDS = 5.0
_PROBE_SECONDS = 5.0
"""How long a healthy hub may take to answer a probe; far more than it does."""


class ClientOptions(TypedDict, total=False):
    """The constructor's arguments after the identity, for what makes a client of something else."""

    protocol: str | None
    useragent: str | None
    connect_timeout: float
    handshake_timeout: float
    send_timeout: float
    auto_reconnect: bool
    reconnect_attempts: int
    noise_state_dir: str | os.PathLike[str] | None


class ThalovantClient(Telling, Listening):
    """A client of the hub in `identity`. It connects when it is first used, and closes in a `with`."""

    def __init__(
        self,
        identity: ThalovantIdentity,
        *,
        protocol: str | None = None,
        useragent: str | None = None,
        connect_timeout: float = 4.0,
        handshake_timeout: float = 20.0,
        send_timeout: float = 8.0,
        auto_reconnect: bool = True,
        reconnect_attempts: int = 1,
        noise_state_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        """`protocol` is "wss", "https" or "mqtt", and is used whatever the identity's flags claim; None takes the first
        of them that can be used. `useragent`, a product token without a colon, is who the hub thinks calls.

        The timeouts are for opening the carrier, for the negotiation behind it, and for the carrier to take a message.
        `auto_reconnect` redials a lost link for the sake of handlers; `reconnect_attempts` is how often a call tries
        again when connecting failed. `noise_state_dir` is the folder of the keys, where it is not the identity's own.
        Raises ThalovantUnsupportedProtocolError for a protocol there is not.
        """
        if protocol is not None and protocol_name(protocol) not in PROTOCOLS:
            raise ThalovantUnsupportedProtocolError(f"there is no protocol {protocol!r}; there are wss, https and mqtt")
        agent = _user_agent() if useragent is None else useragent.strip()
        if not agent or ":" in agent:
            raise ValueError("useragent must be a product token such as Kiosk/1.2, without a colon")
        self.identity = identity
        self._user_agent = agent
        self._exchanges = Exchanges()
        terms = Reaching(
            protocol=None if protocol is None else protocol_name(protocol),
            user_agent=agent,
            connect_seconds=connect_timeout,
            handshake_seconds=handshake_timeout,
            send_seconds=send_timeout,
            retries=reconnect_attempts,
            redial=auto_reconnect,
            key_folder=None if noise_state_dir is None else Path(noise_state_dir),
        )
        super().__init__(
            Reach(
                identity,
                terms,
                heard=self._heard,
                lost=self._lost,
                wants_link=lambda: self._subscriptions.has_handlers,
            )
        )

    @classmethod
    def from_identity_file(cls, path: str | os.PathLike[str], **options: Unpack[ClientOptions]) -> Self:
        """A client of the identity in a file; `options` are the constructor's. Raises ThalovantIdentityError."""
        return cls(ThalovantIdentity.from_file(path), **options)

    @classmethod
    def from_config(
        cls, path: str | os.PathLike[str] | None = None, *, profile: str | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """A client of a profile of a config file, as `ThalovantIdentity.from_config` reads it."""
        return cls(ThalovantIdentity.from_config(path, profile), **options)

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """A client of the identity in THALOVANT_* environment variables."""
        return cls(ThalovantIdentity.from_env(), **options)

    # -- the link

    @property
    def protocol(self) -> str | None:
        """The protocol in use, else the one to be tried first; None when the identity has none."""
        return self._reach.protocol

    @property
    def session_id(self) -> str:
        """The conversation of every message that names none."""
        return self._reach.session_id

    def connect(self, timeout: float | None = None) -> None:
        """Return once the hub has answered over an authenticated session; at once when there is one. Also opens a
        client that was closed.

        Raises ThalovantConnectionError and its kinds, each with a `cause`, ThalovantTimeoutError,
        ThalovantIdentityError and ThalovantUnsupportedProtocolError. So does every call that needs the link.
        """
        self._reach.connect(None if timeout is None else deadline_after(timeout), reopen=True)

    def close(self, timeout: float | None = None) -> None:
        """Say goodbye to the hub and stop, within `timeout` seconds, 5 unless given. Idempotent.

        Whoever waits for the hub on another thread gets ThalovantConnectionError; handlers are called no more.
        """
        deadline = time.monotonic() + (_CLOSE_SECONDS if timeout is None else max(timeout, 0.0))
        self._reach.close(deadline)
        self._dispatcher.close(deadline)

    disconnect = close

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def connection_info(self) -> ThalovantConnectionInfo:
        """The connection there is, or the last one; connects nothing."""
        return self._reach.info

    def healthcheck(self) -> ThalovantHealth:
        """Connect if needed, and ask the hub whether it is there, for at most 5 s. Raises as `connect` does."""
        self._reach.connect()
        answered = self._reach.probe(time.monotonic() + _PROBE_SECONDS)
        up, info = self._reach.up, self._reach.info
        return ThalovantHealth(
            connected=up,
            handshake_complete=up,
            transport_alive=answered,
            last_error=info.last_error,
            connection=info,
        )

    def doctor(self) -> ThalovantDoctorReport:
        """Find out what keeps this client from its hub; connects if needed, and raises nothing. Made to be printed."""

        def connected() -> ThalovantConnectionInfo:
            self._reach.connect(reopen=True)
            return self._reach.info

        def allowed() -> Sequence[str] | None:
            answers: queue.SimpleQueue[ThalovantPolicyDeniedError] = queue.SimpleQueue()

            def denied(event: ThalovantEvent) -> None:
                error = failure_error(event)
                if isinstance(error, ThalovantPolicyDeniedError) and error.denied_type == PROBE_TYPE:
                    answers.put(error)

            with self.on(EVENT_POLICY_DENIED, denied):
                self.emit(PROBE_TYPE)
                with contextlib.suppress(queue.Empty):
                    return answers.get(timeout=_PROBE_SECONDS).allowed
            return None

        return examine(
            self.identity,
            self._reach.protocol,
            keyring=self._reach.keyring,
            connect=connected,
            probe=lambda: self._reach.probe(time.monotonic() + _PROBE_SECONDS),
            allowed=allowed,
        )

    # -- asking

    def ask(
        self,
        text: str,
        *,
        timeout: float = 12.0,
        lang: str = DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        stt_lang: str | None = None,
        pipeline: Iterable[str] | None = None,
        location: Mapping[str, Any] | None = None,
    ) -> ThalovantReply:
        """Say `text` to the hub and collect its answer; connecting counts towards `timeout`.

        Turns of one session carry the conversation on. Raises ThalovantPolicyDeniedError and ThalovantUnansweredError
        for what the hub says instead, ThalovantTimeoutError when it says nothing, and ThalovantConnectionError when
        the link was lost meanwhile: the hub may have heard it.
        """
        hints = request_context(context, stt_lang=stt_lang, pipeline=pipeline, location=location)
        message = self._spoken(
            messages.utterance, text, lang=lang, context=hints, session_id=session_id, request_id=request_id
        )
        deadline = deadline_after(timeout)
        session = self._exchanges.carry(message.session_id, bus.session_of(message.context))
        turn = self._stamped(
            BusMessage(type=message.type, data=message.data, context={**message.context, "session": session})
        )
        with self._exchanges.asking(str(turn.request_id), session_id=message.session_id, deadline=deadline) as exchange:
            self._reach.publish(wire.envelope("bus", turn.as_payload()), deadline, before=exchange.begin)
            reply = self._answer(exchange, session_id=turn.session_id, request_id=str(turn.request_id))
            exchange.returned_session_id = reply.session_id
        return reply

    def query(
        self,
        text: str,
        *,
        timeout: float = 12.0,
        lang: str = DEFAULT_LANG,
        context: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        request_id: str | None = None,
        query_id: str | None = None,
    ) -> ThalovantReply:
        """Put `text` to the hub as a query, which hubs above it may answer too; needs the right to escalate.

        Ends when the hub says the answer is complete. Raises as `ask` does; a policy's refusal shows as a timeout,
        since it does not name the query.
        """
        session = session_id or messages.new_session_id()
        message = self._stamped(
            self._spoken(
                messages.utterance, text, lang=lang, context=context, session_id=session, request_id=request_id
            )
        )
        deadline = deadline_after(timeout)
        name = query_id or str(message.request_id)
        inner = wire.envelope("bus", message.as_payload())
        with self._exchanges.querying(name, deadline=deadline) as exchange:
            self._reach.publish(
                wire.envelope("query", inner, metadata={"query_id": name}), deadline, before=exchange.begin
            )
            return self._answer(exchange, session_id=session, request_id=str(message.request_id))

    def conversation(
        self, *, session_id: str | None = None, lang: str = DEFAULT_LANG, context: Mapping[str, Any] | None = None
    ) -> ThalovantConversation:
        """Related turns: calls that share a session, new unless given, a language and a context."""
        return ThalovantConversation(self, session_id=session_id, lang=lang, context=context)

    # -- how it is done

    def _answer(self, exchange: Exchange, *, session_id: str | None, request_id: str) -> ThalovantReply:
        outcome = exchange.outcome()
        if outcome.ending is Ending.SILENT:
            self._reach.suspect()
        if outcome.ending is Ending.UNANSWERED and outcome.failure is None:
            raise ThalovantUnansweredError
        return reply_from(outcome, session_id=session_id, request_id=request_id)

    def _heard(self, message: Incoming) -> None:
        """The hub sent something. On the pump's thread: hands out, and waits for nobody."""
        if isinstance(message, Binary):
            frame = ThalovantBinary(kind=message.kind, data=message.data, metadata=message.metadata)
            self._subscriptions.tell(Channel.BINARY, "", frame)
            return
        kind = message["msg_type"]
        if kind in {"query", "cascade"}:
            self._exchanges.heard_query(message)
        elif kind in HIVE_KINDS:
            self._subscriptions.tell(Channel.HIVE, kind, message)
        event = from_envelope(message, site_id=self.identity.site_id)
        if event is not None:
            self._exchanges.heard(event)
            self._subscriptions.tell(Channel.BUS, event.name, event)

    def _lost(self, error: ThalovantConnectionError) -> None:
        self._exchanges.lost(error)
        self._subscriptions.lost(error)

    def __repr__(self) -> str:
        return f"ThalovantClient({self.identity!r}, protocol={self.protocol!r}, phase={self._reach.info.phase!r})"


def _user_agent() -> str:
    try:
        return f"ThalovantAgent/{version('thalovant-agent')}"
    except PackageNotFoundError:
        return "ThalovantAgent/0"
