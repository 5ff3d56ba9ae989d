"""What a person is told when the control plane says no or cannot be reached: what happened, and what to do."""

from __future__ import annotations

from agent.hub.errors import ThalovantAPIError, ThalovantAPIUnreachableError, ThalovantAuthError
from agent.hub.protocol.causes import Cause
from agent.status import DISTRIBUTION

_REASONS = {
    Cause.NO_ROUTE: "the network does not lead there; check the router",
    Cause.DNS: "its name is not found; check the network's DNS",
    Cause.PORT_CLOSED: "nothing listens at its address",
    Cause.NO_ANSWER: "it does not answer; a firewall may be in the way",
    Cause.TLS_NAME: "its certificate is for another name; a proxy or a sign-in page may be in the way",
    Cause.TLS_DATE: "its certificate has expired",
    Cause.TLS_UNTRUSTED: "its certificate is not from an authority this machine trusts",
    Cause.TLS: "the encrypted connection failed; a proxy may be in the way",
    Cause.DROPPED: "the connection was cut",
}
"""The causes whose own sentence speaks of a hub."""


def explain(error: ThalovantAPIError) -> str:
    """`error` in one sentence for a person, without a full stop."""
    if isinstance(error, ThalovantAPIUnreachableError):
        reason = "" if error.cause is None else f": {_REASONS.get(error.cause) or error.cause.sentence}"
        return str(error).rstrip(".") + reason
    if isinstance(error, ThalovantAuthError) and error.status_code in (None, 401):
        return f"{error}; sign in with: {DISTRIBUTION} login"
    if isinstance(error, ThalovantAuthError) and error.status_code == 403:
        return f"{error}; sign in with a token that may: {DISTRIBUTION} login"
    return str(error)
