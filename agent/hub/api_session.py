"""HTTP with the control plane: one request in, a JSON object or a typed error out.

Wire reference, control-plane.md section 1. This shell knows how requests travel safely, and nothing of what they ask.
The rule behind it is that a secret reaches one origin only: nothing secret leaves without TLS (a server on this very
machine excepted), redirects are errors, cookies are not kept, and neither `.netrc` nor a proxy meant for other hosts
adds anything.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlencode

import requests
import urllib3

from agent.hub.api_problems import json_object, refusal
from agent.hub.api_secrets import secret_values
from agent.hub.endpoints import is_loopback, split
from agent.hub.errors import ThalovantAPIError, ThalovantAPIUnreachableError
from agent.hub.protocol.causes import Cause
from agent.hub.transports.faults import cause_of
from agent.hub.transports.trust import ca_path

DEFAULT_TIMEOUT = 10.0

_LARGEST = 8 << 20  # bytes; a page of a hundred hubs has about 200 KB
_PORTS = {"https": 443, "http": 80}
_NOT_SENT = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
    urllib3.exceptions.LocationValueError,
    UnicodeError,
)


class ApiSession:
    """Connections to one API. One thread uses it at a time. Its repr holds no secret, nor does any error from it."""

    def __init__(self, base_url: str, *, user_agent: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        """`timeout` is in seconds for one request: to connect and get an answer, and again for the answer's body.

        Raises ThalovantAPIError when `base_url` is no usable address.
        """
        self.base_url = _normalise(base_url)
        self.timeout = timeout
        self._parts = _checked(self.base_url)
        self._user_agent = user_agent
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def close(self) -> None:
        """Close the connections. The next call opens new ones."""
        self._session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Make one request and return the answer's JSON object, `{}` when it had no body.

        `path` starts below the base and is escaped already (`segment`); members of `query` that are None or empty are
        left out. Raises ThalovantAPIUnreachableError when there is no answer, or one that is not the API's; the error
        of `api_problems.refusal` for any answer but a 2xx, redirects included; ThalovantAPIError for the rest.
        """
        url = self.base_url + path.removeprefix("/")
        if asked := _query(query):
            url += f"?{asked}"
        sent = {"accept": "application/json", "user-agent": self._user_agent, **(headers or {})}
        payload = None
        if body is not None:
            sent["content-type"] = "application/json"
            payload = _serialise(body)
        if token is not None:
            sent["authorization"] = f"Bearer {_checked_token(token)}"
        self._refuse_in_the_clear(secret=token is not None or body is not None)
        status, answer_headers, answer = self._exchange(method, url, sent, payload, timeout or self.timeout)
        if not 200 <= status < 300:
            if status == 511:  # Network Authentication Required: a captive portal that says so
                raise _unreachable(Cause.CAPTIVE_PORTAL)
            secrets = {*secret_values(body), *((token,) if token else ())}
            raise refusal(status, answer_headers, answer, secrets=secrets)
        if not answer.strip():
            return {}
        value = json_object(answer)
        if value is None and _is_page(answer_headers, answer):
            raise _unreachable(Cause.CAPTIVE_PORTAL)
        if value is None:
            raise ThalovantAPIError(f"the Thalovant API answered HTTP {status} with something that is no JSON object")
        return value

    def owns(self, parts: SplitResult) -> bool:
        """True when `parts` has this API's origin: scheme, host and port, and no user name."""
        return parts.username is None and parts.password is None and _origin(parts) == _origin(self._parts)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], payload: bytes | None, timeout: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        deadline = time.monotonic() + timeout
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=payload,
                # requests' own number would start anew for each step.
                timeout=urllib3.Timeout(total=timeout),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
                auth=_no_auth,
                proxies=self._proxies(),
                verify=_trust(),
            ) as response:
                return response.status_code, response.headers, _read(response, deadline)
        except ThalovantAPIError:
            raise
        # Nothing is chained here: the texts of these exceptions quote headers and addresses.
        except _NOT_SENT:
            raise ThalovantAPIError("the request to the Thalovant API has an unusable address or header") from None
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise _unreachable(cause_of(error)) from None

    def _refuse_in_the_clear(self, *, secret: bool) -> None:
        if self._parts.scheme == "https" or is_loopback(self._parts.hostname):
            return
        if secret:
            raise ThalovantAPIError(f"nothing secret is sent over http://; use https://{self._parts.hostname}")
        proxy = requests.utils.select_proxy(self.base_url, requests.utils.get_environ_proxies(self.base_url))
        if proxy and "@" in proxy:
            raise ThalovantAPIError("a proxy's password is not sent for an http:// address; use https://")

    def _proxies(self) -> dict[str, str] | None:
        # A proxy is another machine: what is for this one would travel to it in the clear.
        none: dict[str, Any] = {"http": None, "https": None, "all": None}
        return none if is_loopback(self._parts.hostname) else None

    def __repr__(self) -> str:
        return f"ApiSession({self.base_url!r})"


def segment(name: str, what: str) -> str:
    """`name` as one segment of a path. Raises ThalovantAPIError when it cannot be one; `what` names it there."""
    text = str(name).strip()
    if not text or text in (".", ".."):
        raise ThalovantAPIError(f"{what} must not be {repr(text) if text else 'empty'}")
    try:
        return quote(text, safe="")
    except UnicodeError:
        raise ThalovantAPIError(f"{what} holds characters that cannot be sent") from None


def _normalise(base_url: str) -> str:
    base = base_url.strip().rstrip("/")
    return base.removesuffix("/v1").rstrip("/") + "/"


def _checked(base_url: str) -> SplitResult:
    parts = split(base_url)
    if parts is None or parts.scheme not in _PORTS:
        raise ThalovantAPIError("the address of the Thalovant API must start with https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ThalovantAPIError("the address of the Thalovant API must not hold a user name or a password")
    if "?" in base_url or "#" in base_url:
        raise ThalovantAPIError("the address of the Thalovant API must not hold a query")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def _checked_token(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ThalovantAPIError("the Thalovant API access token holds characters that no token has")
    return token


def _query(query: Mapping[str, Any] | None) -> str:
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value).strip()
        for name, value in (query or {}).items()
        if value is not None
    }
    # Replaced, since a cursor is the API's own text, and JSON can hold half a character.
    return urlencode({name: text for name, text in texts.items() if text}, errors="replace")


def _serialise(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise ThalovantAPIError("the request to the Thalovant API cannot be written as JSON") from None


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, as it comes: a server that drips it byte by byte must not hold the caller beyond `deadline`."""
    raw = response.raw
    read = getattr(raw, "read1", raw.read)  # urllib3 1 has no read1: a dripping server then gets its time
    body = bytearray()
    while data := read(65_536, decode_content=True):
        body += data
        if len(body) > _LARGEST:
            raise ThalovantAPIError("the Thalovant API answered with more than 8 MiB")
        if time.monotonic() > deadline:
            raise _unreachable(Cause.NO_ANSWER)
    return bytes(body)


def _is_page(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "").lower() or body.lstrip()[:1] == b"<"


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking into .netrc, which it does whenever a request has no auth of its own."""
    return request


def _trust() -> str | bool:
    """The certificates to trust: those the environment names, else the system's, else those that requests brings.

    Wire reference, identity.md section 5. Raises ThalovantAPIError when the environment names what is not there.
    """
    given = ca_path()
    if given is not None:
        if not Path(given).exists():
            raise ThalovantAPIError(f"the certificates to trust are said to be in {given}, which does not exist")
        return given
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    if paths.capath and any(Path(paths.capath).iterdir()):
        return paths.capath
    return True


def _unreachable(cause: Cause | None) -> ThalovantAPIUnreachableError:
    return ThalovantAPIUnreachableError(cause=cause)
