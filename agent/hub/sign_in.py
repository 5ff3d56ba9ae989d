"""What a sign-in brings: the token, and what is told with it.

Wire reference, control-plane.md section 3. A token is kept in memory only; where it goes from there is its caller's
decision, and there is no other token to renew it with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.hub.api_problems import code_of, detail_of
from agent.hub.errors import ThalovantAPIError
from agent.record import field, record

_CODE_WANTED = "mfa_required"


@record(kw_only=True)
class ApiToken:
    """An access token of the control plane, as a sign-in answered with it."""

    access_token: str = field(repr=False)
    token_type: str = "bearer"
    scopes: tuple[str, ...] = ()
    """What it may do; empty when the answer did not say."""
    token_id: str | None = None
    """Names the token to revoke it. A password's session token has none."""
    expires_at: str | None = None
    """When it ends, as the API wrote it."""
    expires_in: float | None = None
    """Seconds it lives from the answer on."""

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> ApiToken:
        """Read the answer of any sign-in. Raises ThalovantAPIError, without a status, when it holds no token."""
        token = _text(answer.get("access_token"))
        if token is None:
            raise ThalovantAPIError(
                "the Thalovant API answered the sign-in without an access token",
                code=code_of(answer),
                detail=detail_of(answer),
            )
        scopes = answer.get("scopes", answer.get("scope"))
        lifetime = answer.get("expires_in")
        return cls(
            access_token=token,
            token_type=_text(answer.get("token_type")) or "bearer",
            scopes=tuple(map(str, scopes)) if isinstance(scopes, list) else tuple((_text(scopes) or "").split()),
            token_id=_text(answer.get("token_id")),
            expires_at=_text(answer.get("expires_at")),
            expires_in=lifetime if isinstance(lifetime, int | float) and not isinstance(lifetime, bool) else None,
        )


def password_request(
    email: str, password: str, *, scope: str | None, otp_code: str | None, recovery_code: str | None
) -> dict[str, str]:
    """The body of a sign-in with a password; what was not given is not in it."""
    more = {"scope": scope, "otp_code": otp_code, "recovery_code": recovery_code}
    return {"email": email, "password": password} | {name: text for name, text in more.items() if text}


def wants_code(error: ThalovantAPIError) -> bool:
    """True when a sign-in was refused for want of a one-time code: sign in again with `otp_code` or `recovery_code`.

    The status and the shape of that answer are not documented, so its word is looked for wherever a word can be.
    """
    return any(_CODE_WANTED in text for text in (error.code, error.detail) if text)


def _text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None
