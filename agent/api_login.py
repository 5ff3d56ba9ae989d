"""Being signed in to the control plane from one command to the next: a token in a file that is its owner's alone.

The file names the API the token is for, and the token goes nowhere else. Programs without a person take both from the
environment instead, as `THALOVANT_API_TOKEN` and `THALOVANT_API_URL`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import read_private, replace_file
from agent.hub.profiles import config_home
from agent.record import field, record

if TYPE_CHECKING:
    from agent.hub.control import ThalovantControlPlane

URL_VARIABLE = "THALOVANT_API_URL"
TOKEN_VARIABLE = "THALOVANT_API_TOKEN"


@record(kw_only=True)
class ApiLogin:
    """Who is signed in where."""

    api_url: str
    access_token: str = field(repr=False)
    token_id: str | None = None
    """Names the token to revoke it; None for one that only ends by itself."""


def login_path(environ: Mapping[str, str]) -> Path:
    """Where the token is kept."""
    return config_home(environ) / "thalovant" / "api-login.json"


def read_login(path: Path) -> ApiLogin | None:
    """The login kept at `path`; None when there is none. Raises ThalovantIdentityError for a file that is not one."""
    if not path.exists():
        return None
    text = read_private(path, "login file", environ={})
    try:
        kept = json.loads(text)
        return ApiLogin(
            api_url=str(kept["api_url"]), access_token=str(kept["access_token"]), token_id=kept.get("token_id")
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Not chained: the exception carries the token.
        raise ThalovantIdentityError(f"{path} is no login file; remove it and sign in again") from None


def write_login(path: Path, login: ApiLogin) -> None:
    """Keep `login` at `path`. Raises ThalovantIdentityError when it cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, json.dumps(asdict(login), indent=2).encode() + b"\n")
    except OSError as error:
        raise ThalovantIdentityError(f"login file {path} cannot be written: {error.strerror or error}") from error


def forget_login(path: Path) -> None:
    """Remove the login kept at `path`, if there is one."""
    path.unlink(missing_ok=True)


def connect(environ: Mapping[str, str], user_agent: str) -> ThalovantControlPlane:
    """The control plane the environment means, signed in if the environment or the login file can do it.

    Raises ThalovantAPIError for an address that is none, ThalovantIdentityError for a login file that is none.
    """
    from agent.hub.account import DEFAULT_API_URL
    from agent.hub.control import ThalovantControlPlane

    api = ThalovantControlPlane(environ.get(URL_VARIABLE, "").strip() or DEFAULT_API_URL, user_agent=user_agent)
    if given := environ.get(TOKEN_VARIABLE, "").strip():
        api.access_token = given
        return api
    login = read_login(login_path(environ))
    if login is not None and login.api_url == api.base_url:
        api.access_token, api.token_id = login.access_token, login.token_id
    return api
