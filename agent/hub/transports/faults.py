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
_NAMES = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def cause_of(error: BaseException, *, wall: float | None = None) -> Cause:
    """The cause behind an exception, its own causes included. `wall` is the time of day, for tests."""
    for each in _chain(error):
        cause = _cause(each, time.time() if wall is None else wall)
        if cause is not None:
            return cause
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
    if type(error).__name__ in {"NameResolutionError", "WebSocketAddressException"}:
        return Cause.DNS
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

    An interface with a carrier is needed, and a way out: a default route of either family.
    """
    if _is_loopback(host):
        return None
    names = [path.name for path in sysfs.iterdir() if path.name != "lo"] if sysfs.is_dir() else []
    if not any(_read(sysfs / name / "carrier") == "1" for name in names):
        return Cause.NO_CARRIER
    if not (_has_default_route(routes / "route") or _has_default_route6(routes / "ipv6_route")):
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


def _has_default_route(path: Path) -> bool:
    rows = (line.split() for line in _read(path).splitlines()[1:])
    return any(row[1] == "00000000" for row in rows if len(row) > 1)


def _has_default_route6(path: Path) -> bool:
    rows = (line.split() for line in _read(path).splitlines())
    return any(row[0] == "0" * 32 and row[1] == "00" and row[9] != "lo" for row in rows if len(row) > 9)
