"""Who may ask the page's server what: its own page, on this device, and nobody else. Pure.

The server listens on loopback, so another machine reaches it only through the browser: a page from elsewhere that sends
requests here, or a name from elsewhere that was made to point here. Against the first stand the Origin, which a page
cannot choose, and a token in a header, which a foreign page can neither read nor send without being asked for leave
first; against the second stands the Host, which is the name the browser believes it is talking to.
"""

from __future__ import annotations

import hmac

from agent.page.http1 import Request, RequestRefusedError

TOKEN_HEADER = "x-page-token"
_JSON = "application/json"

HEADERS = {
    # Everything is from here, nothing may frame the page, and no string becomes mark-up: with `trusted-types 'none'`
    # the browser itself refuses innerHTML and its like.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), serial=(), payment=()",
    "Cache-Control": "no-store",
}
"""What goes with every response. There is no header that lets another origin read one."""


class Guard:
    """The rules for a server at `port` whose page holds `token`."""

    def __init__(self, port: int, token: str) -> None:
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        self._token = token.encode()

    def check(self, request: Request) -> None:
        """Raises RequestRefusedError for whoever is not the page."""
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            raise RequestRefusedError(421, "this server has another name")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise RequestRefusedError(403, "only the page from here may ask")
        # Sent by every browser of today; what a person types into the address bar is "none".
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise RequestRefusedError(403, "only the page from here may ask")
        if request.method in {"GET", "HEAD"}:
            return
        if request.method != "POST":
            raise RequestRefusedError(405, "GET and POST are all there is")
        if origin is None:
            raise RequestRefusedError(403, "only the page from here may ask")
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
            raise RequestRefusedError(415, "the body must be JSON")
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), self._token):
            raise RequestRefusedError(403, "the token is missing or old")
