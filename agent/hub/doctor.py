"""What keeps a client from its hub, found by trying: a report to print, and to read by program.

Wire reference, messages.md section 10. Unlike the published client's, the endpoint check judges the endpoint of the
protocol in question, so that identities made by the API, whose master is a wss:// URL, pass it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.hub.endpoints import protocol_name, redact, without_userinfo
from agent.hub.errors import (
    ThalovantConnectionError,
    ThalovantError,
    ThalovantHubRefusedError,
    ThalovantIdentityError,
    ThalovantTimeoutError,
    ThalovantUnsupportedProtocolError,
)
from agent.hub.health import ThalovantConnectionInfo, milliseconds
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring
from agent.hub.protocol.bus import UTTERANCE
from agent.hub.protocol.causes import Cause
from agent.record import record

PROBE_TYPE = "thalovant.client.doctor"
"""A type no hub allows by itself: its denial names all that it does allow, which nothing else tells."""


@record(kw_only=True)
class ThalovantDoctorCheck:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str
    """What was found; holds no secret."""
    duration_ms: float = 0.0
    cause: Cause | None = None
    """Why it failed, from the closed list a person can act on."""

    def as_dict(self) -> dict[str, Any]:
        """The check as JSON data."""
        return {
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "duration_ms": self.duration_ms,
            "cause": self.cause,
        }


@record(kw_only=True)
class ThalovantDoctorReport:
    """All checks of one client, in the order they were made."""

    identity: Mapping[str, Any]
    """The identity without its secrets."""
    protocol: str | None
    checks: tuple[ThalovantDoctorCheck, ...]

    @property
    def ok(self) -> bool:
        """True when every check passed."""
        return all(check.ok for check in self.checks)

    @property
    def cause(self) -> Cause | None:
        """The first cause found: what to mend first. None when there is none."""
        return next((check.cause for check in self.checks if check.cause is not None), None)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "ok": self.ok,
            "protocol": self.protocol,
            "identity": dict(self.identity),
            "checks": [check.as_dict() for check in self.checks],
        }

    def format(self) -> str:
        """The report for a person: a line for each check, and what to do where one failed."""
        site, over = self.identity.get("site_id"), f" over {self.protocol}" if self.protocol else ""
        lines = [f"{'ok' if self.ok else 'not ok'}: site {site}{over}"]
        for check in self.checks:
            lines.append(f"  {'ok  ' if check.ok else 'FAIL'}  {check.name:<11}  {check.detail}")
            if check.cause is not None and check.cause.sentence not in check.detail:
                lines.append(f"        {'':<11}  {check.cause.sentence}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.format()


def examine(
    identity: ThalovantIdentity,
    protocol: str | None,
    *,
    keyring: Callable[[], Keyring],
    connect: Callable[[], ThalovantConnectionInfo],
    probe: Callable[[], bool],
    allowed: Callable[[], Sequence[str] | None],
) -> ThalovantDoctorReport:
    """Check the identity, the endpoint of `protocol`, whether `connect` connects, whether the hub answers `probe`, and
    whether what it says to be `allowed` (None where it does not say) is enough to send anything.

    Takes as long as those two do, and raises nothing: what fails is in the report.
    """
    shown = identity.as_dict(include_secrets=False)

    def check_identity() -> str:
        keys = keyring()
        keys.static_private()
        return f"site_id={identity.site_id}, keys in {keys.folder}"

    def check_endpoint() -> str:
        if protocol is None:
            raise ThalovantUnsupportedProtocolError("the identity has no endpoint for wss, https or mqtt")
        return redact(without_userinfo(identity.address_for(protocol)) or "")

    def check_connect() -> str:
        try:
            info = connect()
        except ThalovantHubRefusedError as error:
            if error.cause is Cause.UNKNOWN_KEY and not keyring().knows_hubs:
                # No hub has ever taken this device's key: that is how a new client looks until it is admitted.
                raise ThalovantHubRefusedError(Cause.NOT_ADMITTED.sentence, cause=Cause.NOT_ADMITTED) from None
            raise
        took = "" if info.connect_ms is None else f" in {info.connect_ms:.0f} ms"
        return f"connected and handshake completed over {info.protocol}{took}"

    def check_transport() -> str:
        if not checks[-1].ok:
            raise ThalovantConnectionError("not connected", cause=checks[-1].cause)
        if not probe():
            raise ThalovantConnectionError(Cause.HUB_SILENT.sentence, cause=Cause.HUB_SILENT)
        return "the hub answers"

    def check_permissions() -> str:
        if not checks[-1].ok:
            raise ThalovantConnectionError("not connected", cause=checks[-1].cause)
        types = allowed()
        if types is None:
            return "the hub does not say what this client may send"
        if UTTERANCE not in types:
            named = ", ".join(types) or "nothing at all"
            raise ThalovantConnectionError(
                f"this client may send {named}; on the hub run: hivemind-core allow-msg {UTTERANCE} <client id>",
                cause=Cause.TYPE_DENIED,
            )
        return f"may send {', '.join(types)}"

    checks: list[ThalovantDoctorCheck] = []
    for name, look in (
        ("identity", check_identity),
        ("endpoint", check_endpoint),
        ("connect", check_connect),
        ("transport", check_transport),
        ("permissions", check_permissions),
    ):
        checks.append(_checked(name, look))
    return ThalovantDoctorReport(
        identity=shown, protocol=None if protocol is None else protocol_name(protocol), checks=tuple(checks)
    )


def _checked(name: str, look: Callable[[], str]) -> ThalovantDoctorCheck:
    began = time.monotonic()
    ok, cause = True, None
    try:
        detail = look()
    except ThalovantError as error:
        ok, cause = False, cause_of(error)
        detail = redact(str(error))
    return ThalovantDoctorCheck(
        name=name, ok=ok, detail=detail, duration_ms=milliseconds(time.monotonic() - began), cause=cause
    )


def cause_of(error: ThalovantError) -> Cause | None:
    """Which of the closed list of reasons an error stands for; None when it stands for none."""
    match error:
        case ThalovantConnectionError():
            return error.cause
        case ThalovantIdentityError():
            return Cause.KEY_FILES
        case ThalovantUnsupportedProtocolError():
            return Cause.NO_PROTOCOL
        case ThalovantTimeoutError():
            return Cause.NO_ANSWER
    return None
