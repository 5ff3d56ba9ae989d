"""An account of the control plane: signing in, staying signed in while asking for things, and signing out.

Wire reference, control-plane.md section 3. The token is kept in memory and nowhere else, and there is no other one to
renew it with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from agent.hub.api_session import DEFAULT_TIMEOUT, ApiSession, segment
from agent.hub.device_login import (
    DEFAULT_LIMIT,
    DeviceLogin,
    DeviceRequest,
    await_approval,
    begin_request,
    read_refusal,
)
from agent.hub.errors import ThalovantAPIError, ThalovantAuthError
from agent.hub.sign_in import ApiToken, password_request

DEFAULT_API_URL = "https://api.thalovant.com"


class ApiAccount:
    """Whoever is signed in at `base_url`, or nobody yet. Closes its connections at the end of a `with`."""

    def __init__(
        self,
        base_url: str = DEFAULT_API_URL,
        *,
        access_token: str | None = None,
        token_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        user_agent: str = "ThalovantAgent",
    ) -> None:
        """`access_token` is an API token made elsewhere, `token_id` its name for `logout`; `timeout` is in seconds.

        Raises ThalovantAPIError when `base_url` is no address that secrets may go to.
        """
        self._session = ApiSession(base_url, user_agent=user_agent, timeout=timeout)
        self.access_token = access_token
        self.token_id = token_id

    @property
    def base_url(self) -> str:
        """The address of the API, as requests are built on it."""
        return self._session.base_url

    def close(self) -> None:
        """Close the connections. The token stays: this is no `logout`."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def login(
        self,
        email: str,
        password: str,
        scope: str | None = None,
        *,
        otp_code: str | None = None,
        recovery_code: str | None = None,
    ) -> ApiToken:
        """Sign in with a password, and stay signed in for about an hour.

        An account with a second factor needs one of the codes; `wants_code(error)` tells that refusal from others.
        Raises ThalovantAuthError when the API does not accept it.
        """
        body = password_request(email, password, scope=scope, otp_code=otp_code, recovery_code=recovery_code)
        return self._signed_in(self._public("POST", "v1/auth/token", body=body))

    def begin_device_login(
        self, scopes: Sequence[str] = (), *, client_name: str | None = None, client_id: str | None = None
    ) -> DeviceLogin:
        """Begin the sign-in of a machine without a browser: show what is returned, then poll for its approval.

        Without `scopes` the API chooses them. `client_name` is what the person approving sees; `client_id` is for
        apps that are registered with the platform.
        """
        body = begin_request(scopes, client_name, client_id)
        return DeviceLogin.from_answer(self._public("POST", "v1/auth/device/authorize", body=body))

    def poll_device_login(self, login: DeviceLogin) -> ApiToken | None:
        """Ask once whether the person has approved: the token, and signed in, or None for not yet.

        Wait `login.interval` seconds before each call; it grows when the API asks to slow down. Raises
        ThalovantDeviceLoginExpiredError and ThalovantDeviceLoginDeniedError when it is over.
        """
        try:
            answer = self._public("POST", "v1/auth/device/token", body={"device_code": login.device_code})
        except ThalovantAPIError as error:
            read_refusal(login, error)
            return None
        return self._signed_in(answer)

    def login_with_device(
        self,
        show: Callable[[DeviceLogin], object],
        scopes: Sequence[str] = (),
        *,
        client_name: str | None = None,
        client_id: str | None = None,
        timeout: float = DEFAULT_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> ApiToken:
        """Sign in by a code that `show` shows and a person approves elsewhere, within `timeout` seconds.

        Raises ThalovantTimeoutError when nobody did, and what `poll_device_login` raises.
        """
        login = self.begin_device_login(scopes, client_name=client_name, client_id=client_id)
        show(login)
        return await_approval(login, self.poll_device_login, timeout=timeout, clock=clock, sleep=sleep)

    def describe_device_login(self, user_code: str) -> DeviceRequest:
        """What the device that shows `user_code` asks for, to decide about it. A code nobody can approve is a 404."""
        path = f"v1/auth/device/codes/{segment(user_code, 'the code')}"
        return DeviceRequest.from_answer(self._private("GET", path))

    def revoke_api_token(self, token_id: str | None = None) -> None:
        """End a token for good: the one named, else the one in use, which is then forgotten.

        To revoke the token in use is never refused: one that has ended already cannot sign its own end. Raises
        ThalovantAPIError when no token is named and the one in use has no id.
        """
        own = token_id is None or token_id == self.token_id
        named = token_id or self.token_id
        self._token()
        if named is None:
            raise ThalovantAPIError("this access token has no id to revoke it by; it ends by itself")
        try:
            self._private("DELETE", f"v1/auth/api-tokens/{segment(named, 'the token id')}")
        except ThalovantAuthError as error:
            if not own or error.status_code != 401:
                raise
        if own:
            self.access_token = self.token_id = None

    def logout(self) -> None:
        """Sign out: revoke the token if it can be, and forget it. Signing out twice is fine.

        A password's session token cannot be revoked and is only forgotten. When the API cannot be reached the token
        is kept, so that signing out can be tried again, and ThalovantAPIUnreachableError raised.
        """
        if self.access_token and self.token_id:
            self.revoke_api_token()
        self.access_token = self.token_id = None

    def get_profile(self) -> dict[str, Any]:
        """Who is signed in, as the API answers: `data` has `id`, `email`, `display_name` and `role`."""
        return self._private("GET", "v1/users/profile")

    # For the calls built on this

    def _signed_in(self, answer: Mapping[str, Any]) -> ApiToken:
        token = ApiToken.from_answer(answer)
        self.access_token, self.token_id = token.access_token, token.token_id
        return token

    def _token(self) -> str:
        token = (self.access_token or "").strip()
        if not token:
            raise ThalovantAuthError("Missing Thalovant API access token")
        return token

    def _public(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self._session.call(method, path, **more)

    def _private(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self._session.call(method, path, token=self._token(), **more)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, signed in: {'yes' if self.access_token else 'no'})"
