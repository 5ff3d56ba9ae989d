"""An established session: envelopes become sealed frames, sealed frames become what the hub said.

Wire reference, noise.md section 8. Each direction counts its frames, and a frame opens at its own number alone. So
frames must leave in the order they were sealed, and a frame that was lost, repeated or changed ends the session:
"there is no recovery: drop the carrier and start over".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.hub.protocol import binary, frames, wire
from agent.hub.protocol.binary import Binary
from agent.hub.protocol.noise import MAX_MESSAGE, CipherState, NoiseError
from agent.hub.protocol.wire import WireError


class SessionBroken(Exception):  # noqa: N818 - it names what happened
    """The session is over: a frame was lost, repeated, reordered, tampered with, or makes no sense.

    `hub_started_anew`: the frame was a cleartext HELLO; the hub has no such session, or no longer.
    """

    def __init__(self, message: str, *, hub_started_anew: bool = False) -> None:
        super().__init__(message)
        self.hub_started_anew = hub_started_anew


class Session:
    """Both directions of one session. For one thread, which also hands the frames to the carrier."""

    def __init__(self, send: CipherState, receive: CipherState) -> None:
        self._send = send
        self._receive = receive
        self._assembler = frames.Assembler()
        self._broken = False

    @property
    def sealed(self) -> int:
        """How many frames were made."""
        return self._send.counter

    @property
    def opened(self) -> int:
        """How many frames of the peer decrypted; as long as it is 0, the peer has not proved to have this session."""
        return self._receive.counter

    def seal(self, envelope: Mapping[str, Any]) -> list[bytes]:
        """The frames that carry `envelope`: all of them must leave, in this order, before the next are made.

        Raises SessionBroken, and before anything is sealed TypeError for what JSON cannot say and ValueError for more
        than 32 MiB: after these two the session lives on.
        """
        return self.seal_body(wire.encode(envelope).encode())

    def seal_body(self, body: bytes, *, binary: bool = False) -> list[bytes]:
        """As `seal`, for an envelope that is encoded already, or with `binary` for a WIRE-1 frame."""
        if self._broken:
            raise SessionBroken("the session is over")
        return [self._send.encrypt(plaintext) for plaintext in frames.split(body, binary=binary)]

    def open(self, frame: str | bytes) -> dict[str, Any] | Binary | None:
        """What the frame says: an envelope, a binary, or None while chunks are missing.

        Raises SessionBroken, after which nothing can be opened or sealed. Cleartext, which some carriers deliver as
        str, always breaks a session.
        """
        if self._broken:
            raise SessionBroken("the session is over")
        try:
            if isinstance(frame, str):
                raise WireError("cleartext within a session")
            whole = self._assembler.add(self._receive.decrypt(frame))
            if whole is None:
                return None
            is_binary, body = whole
            return binary.decode(body) if is_binary else wire.decode(body)
        except (NoiseError, WireError) as error:
            self._broken = True
            raise SessionBroken(str(error), hub_started_anew=_is_hello(frame)) from error


def _is_hello(frame: str | bytes) -> bool:
    """Whether a frame that broke the session was the hub's cleartext HELLO."""
    # Asked after decrypting failed: one sealed frame in 128 begins like JSON by chance.
    if len(frame) > MAX_MESSAGE:
        return False
    try:
        return bool(wire.decode(frame)["msg_type"] == "hello")
    except WireError:
        return False
