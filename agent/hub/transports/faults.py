"""What an exception of the operating system, of TLS or of a library says about the network, from the closed list of
causes."""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from agent.hub.protocol.causes import Cause

_BUILT = 1_767_225_600.0
"""2026-01-01: a clock that says less was never set."""
_ERRNO = {
    errno.ECONNREFUSED: Cause.PORT_CLOSED,
    errno.ENETUNREACH: Cause.NO_ROUTE,
    errno.EHOSTUNREACH: Cause.NO_ROUTE,
    errno.ENETDOWN: Cause.NO_ROUTE,
    errno.EADDRNOTAVAIL: Cause.NO_ADDRESS,
    errno.ETIMEDOUT: Cause.NO_ANSWER,
    errno.ECONNRESET: Cause.DROPPED,
    errno.EPIPE: Cause.DROPPED,
}
_EXPIRED, _NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL
_PROXY_ERRORS = frozenset({"ProxyError", "WebSocketProxyException"})
_NONSENSE_ERRORS = frozenset({"WebSocketException", "WebSocketProtocolException", "WebSocketPayloadException"})
_NAMES = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def cause_of(error: BaseException, *, wall: float | None = None) -> Cause:
    """The cause behind an exception, its own causes included. `wall` is the time of day, for tests."""
    for each in _chain(error):
        cause = _cause(each, time.time() if wall is None else wall)
        if cause is not None:
            return cause
    if any(type(each).__name__ in _PROXY_ERRORS for each in _chain(error)):
        return Cause.NO_ROUTE
    return Cause.DROPPED


def clock_is_unset(wall: float) -> bool:
    """Whether a clock that says `wall` seconds since 1970 was never set."""
    return wall < _BUILT


def is_portal(status: int, *, html: bool) -> bool:
    """Whether an HTTP answer is a network's sign-in page: no hub redirects, and none speaks HTML unless something in
    front of it broke."""
    return status == 511 or 300 <= status < 400 or (html and status < 400)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it: what it was raised from, what it wraps as an argument."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting += [one for one in inner if isinstance(one, BaseException)]


def _cause(error: BaseException, wall: float) -> Cause | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
            wrong = clock_is_unset(wall) or error.verify_code == _NOT_YET_VALID
            return Cause.CLOCK if wrong else Cause.TLS_DATE
        return Cause.TLS_NAME if error.verify_code in _NAMES else Cause.TLS_UNTRUSTED
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Cause.DROPPED
    if isinstance(error, ssl.SSLError) and "timed out" not in str(error):
        return Cause.TLS
    if isinstance(error, socket.gaierror):
        return Cause.DNS
    if isinstance(error, UnicodeError) or type(error).__name__ in {"NameResolutionError", "WebSocketAddressException"}:
        return Cause.DNS  # UnicodeError: what cannot be a name, such as a..b
    if type(error).__name__ in _NONSENSE_ERRORS:
        return Cause.PROTOCOL
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return Cause.NO_ANSWER
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0)
    return None


def local_network_cause(
    host: str, *, sysfs: Path = Path("/sys/class/net"), routes: Path = Path("/proc/net")
) -> Cause | None:
    """What is wrong on this side of the cable, for a target that is not this machine itself; None when nothing seems to
    be.

    An interface with a carrier is needed, and on it an address from the network, seen by the route that comes with
    one. Not a default route: a hub may stand in a network that leads nowhere else.
    """
    if _is_loopback(host) or not sysfs.is_dir():
        return None
    connected = {path.name for path in sysfs.iterdir() if path.name != "lo" and _read(path / "carrier") == "1"}
    if not connected:
        return Cause.NO_CARRIER
    if not connected & (_routed(routes / "route") | _routed6(routes / "ipv6_route")):
        return Cause.NO_ADDRESS
    return None


def _is_loopback(host: str) -> bool:
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # "carrier" of an interface that is down cannot be read
        return ""


def _routed(path: Path) -> set[str]:
    """The interfaces with an IPv4 route; none by 169.254/16, which a machine gives itself when nobody answers."""
    routes = [line.split()[:2] for line in _read(path).splitlines()[1:]]
    alone = {name for name, target in routes if target == "0000FEA9"}
    return {name for name, target in routes if target != "0000FEA9" and not (name in alone and target == "00000000")}


def _routed6(path: Path) -> set[str]:
    """The interfaces with an IPv6 route beyond the link-local and multicast ones, which every interface has."""
    rows = (line.split() for line in _read(path).splitlines())
    return {row[9] for row in rows if len(row) > 9 and not row[0].startswith(("fe8", "ff"))}
