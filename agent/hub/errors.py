"""Everything the client library raises, under the names scripts for the published SDK already catch.

A class exists because a caller does something different for it. The link's errors carry a `cause`, so
that a display can say which of the closed list of reasons keeps the hub away. No message holds a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.record import record

if TYPE_CHECKING:
    from agent.hub.protocol.causes import Cause


class ThalovantError(Exception):
    """The root of everything the client library raises on purpose."""


class ThalovantIdentityError(ThalovantError):
    """A file of the identity or of its keys is missing, open to others or wrong: a person must mend it."""


class ThalovantUnsupportedProtocolError(ThalovantError):
    """This identity cannot be used over the protocol asked for; another one may do."""


class ThalovantConnectionError(ThalovantError):
    """The hub cannot be reached, or was lost. Waiting helps."""

    def __init__(self, message: str = "the hub cannot be reached", *, cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        """Why, from the closed list a person can act on; None when nobody looked."""


class ThalovantHubRefusedError(ThalovantConnectionError):
    """The hub turned the credentials away. Waiting helps while a new client is being admitted, then a person must."""


class ThalovantClientKeyRejectedError(ThalovantHubRefusedError):
    """The hub has pinned another key for this access key. Only an operator, or the right key folder, helps."""

    def __init__(
        self,
        message: str = "the hub knows this device by another key; reset its pin on the hub or restore the key folder",
        *,
        cause: Cause | None = None,
        key_folder: Path | None = None,
        other_key_folder: Path | None = None,
        certain: bool = True,
    ) -> None:
        super().__init__(message, cause=cause)
        self.certain = certain
        """False where the carrier has no word for it and something else may look the same; a second time tells."""
        self.key_folder = key_folder
        """The folder whose key the hub refused."""
        self.other_key_folder = other_key_folder
        """A folder on this machine that also holds a key for this hub, and may hold the right one."""


class ThalovantHubKeyChangedError(ThalovantConnectionError):
    """The hub's key is not the pinned one: it was made anew, or this is another hub. Only a person can tell."""


class ThalovantTimeoutError(ThalovantError):
    """What was waited for did not happen in time."""


class ThalovantRuntimeError(ThalovantError):
    """The hub was reached and could not do it. The link is fine; asking again may not be."""


@record(kw_only=True)
class IntentQuota:
    """The allowance a hub says is used up; a number it did not send is 0."""

    period: str = ""
    limit: int = 0
    used: int = 0
    reset_after: int = 0
    """Seconds until the allowance is whole again."""


class ThalovantPolicyDeniedError(ThalovantRuntimeError):
    """The hub's policy refused a message, and says why."""

    def __init__(
        self,
        message: str | None = None,
        *,
        denied_type: str = "",
        code: str = "",
        reason: str = "",
        allowed: Sequence[str] = (),
        quota: IntentQuota | None = None,
    ) -> None:
        super().__init__(
            message or f"the hub refused {denied_type or 'a message'}: {reason or code or 'no reason given'}"
        )
        self.denied_type = denied_type
        """The bus type that was refused, such as recognizer_loop:utterance."""
        self.code = code
        self.reason = reason
        self.allowed = tuple(allowed)
        """The types this client may publish, when the hub told them."""
        self.quota = quota


class ThalovantUnansweredError(ThalovantRuntimeError):
    """The hub heard the message and no skill took it."""

    def __init__(self, message: str = "the hub has no answer to this", *, said: str = "") -> None:
        super().__init__(message)
        self.said = said
        """What the hub says it heard."""


class ThalovantAPIError(ThalovantError):
    """The control plane said no, or said something that is no answer (wire reference, control-plane.md section 2)."""

    def __init__(
        self,
        message: str = "the Thalovant API request failed",
        *,
        status_code: int | None = None,
        problem: Mapping[str, Any] | None = None,
        code: str | None = None,
        detail: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        """The HTTP status; None for a local failure and for a 2xx that could not be used."""
        self.problem = problem
        """The whole body when it was a JSON object. It may echo what was sent: not for a log."""
        self.code = code
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    @property
    def status(self) -> int | None:
        """The same as `status_code`."""
        return self.status_code


class ThalovantAuthError(ThalovantAPIError):
    """Sign in again, unlock the account, or ask for the scope."""


class ThalovantPlanError(ThalovantAPIError):
    """The account's plan does not allow it."""


class ThalovantAlreadyLinkedError(ThalovantAPIError):
    """The hub already has such a connection: the client named here."""

    def __init__(
        self, message: str = "this hub is already linked", *, client_id: str | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.client_id = client_id


class ThalovantUnsupportedConnectionTypeError(ThalovantAPIError):
    """The API does not know the kind of connection asked for."""

    def __init__(
        self,
        message: str = "the API does not support this kind of connection",
        *,
        connection_type: str | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message, **fields)
        self.connection_type = connection_type


class ThalovantAPIUnreachableError(ThalovantAPIError, ThalovantConnectionError):
    """No answer came from the API: no network, DNS, TLS, proxy or time."""

    def __init__(self, message: str = "Could not reach the Thalovant API.", *, cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class ThalovantAdmissionFailedError(ThalovantAPIError):
    """The platform gave up carrying the new client to its hub; make another."""

    def __init__(
        self, message: str = "the hub did not admit the new client", *, error_code: str | None = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.error_code = error_code
        """The operation's own code; None when the answer had none."""


class ThalovantAdmissionTimeoutError(ThalovantAPIError, ThalovantConnectionError, ThalovantTimeoutError):
    """The client was not admitted in the time given. It may still be: keep the identity."""

    def __init__(
        self, message: str = "the hub did not admit the new client in time; it may still admit it later", **fields: Any
    ) -> None:
        super().__init__(message, **fields)
