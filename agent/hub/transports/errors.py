"""What a carrier can say went wrong. `agent.hub.dialling` and `agent.hub.connection` turn these into the library's
errors."""

from __future__ import annotations

from agent.hub.protocol.causes import Cause


class CarrierFailed(Exception):  # noqa: N818 - it names what happened
    """It could not be opened, or failed on the way; the far side said nothing."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(detail or cause.sentence)
        self.cause = cause


class CarrierClosed(Exception):  # noqa: N818 - it names what happened
    """The far side ended it."""

    def __init__(
        self,
        reason: str = "",
        *,
        code: int | None = None,
        status: int | None = None,
        gone: bool = False,
        refused: bool = False,
        code_late_seconds: float = 0.0,
    ) -> None:
        super().__init__(reason or "the far side ended the connection")
        self.reason = reason
        """What it said, without secrets."""
        self.code = code
        """The WebSocket close code; None where there was none."""
        self.status = status
        """The HTTP status, where there was one."""
        self.gone = gone
        """The hub holds no such session (any more): HTTPS says so, MQTT by an `offline` that is not ours."""
        self.refused = refused
        """The credentials were turned away in words: 401 or 403."""
        self.code_late_seconds = code_late_seconds
        """How long after the close its code was learnt."""
