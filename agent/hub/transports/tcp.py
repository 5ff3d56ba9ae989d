"""TCP to the first of a name's addresses that answers, and the proxy that may stand in the way."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any
from urllib.parse import SplitResult, urlsplit

_UNREACHED = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A connected socket. Raises OSError, and UnicodeError for what cannot be a name.

    Looking the name up takes as long as the system's resolver likes, usually at most 10 s.
    """
    return connect_any(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), timeout)


def connect_any(addresses: list[Any], timeout: float) -> socket.socket:
    """A socket connected to the first of `addresses` (as getaddrinfo gives them) that answers, within `timeout` s.

    Each gets its share of the time: a network with broken IPv6 swallows what is sent to the first, and the second
    works.
    """
    deadline = time.monotonic() + timeout
    failures: list[OSError] = []
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        attempt = socket.socket(family, kind, protocol)
        try:
            attempt.settimeout(max((deadline - time.monotonic()) / (len(addresses) - index), 0.01))
            attempt.connect(address)
        except OSError as error:
            attempt.close()
            failures.append(error)
        else:
            attempt.settimeout(max(deadline - time.monotonic(), 0.01))
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return attempt
    # "Refused" by one address says more than "no IPv6 here" of another.
    raise min(failures, key=lambda failure: failure.errno in _UNREACHED, default=OSError(errno.EADDRNOTAVAIL, ""))


def acknowledge_at_once(connection: socket.socket) -> None:
    """Send the next ACK without the usual delay. The kernel forgets it soon, so ask again at each read.

    Hub and broker write small frames back to back without TCP_NODELAY: the second waits for the ACK of the first, and
    that is 40 ms late.
    """
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def proxy_for(host: str) -> SplitResult | None:
    """The proxy the environment names for TLS to `host`, as HTTPS_PROXY, ALL_PROXY and NO_PROXY say; None without."""
    if not any(name.lower() in ("https_proxy", "all_proxy") and value for name, value in os.environ.items()):
        return None
    import urllib.request  # slow to load on a small board, so only for those who have a proxy

    proxies = urllib.request.getproxies()
    url = proxies.get("https") or proxies.get("all")
    if not url or urllib.request.proxy_bypass(host):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")
