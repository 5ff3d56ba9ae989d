"""Whom TLS trusts, the same on all three carriers.

`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE`, the first that is set; else the system's store (wire
reference, identity.md section 5).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

from agent.hub.protocol.causes import Cause
from agent.hub.transports.errors import CarrierFailed

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def ca_path(environ: Mapping[str, str] | None = None) -> str | None:
    """The file or folder of authorities the environment names; None for the system's."""
    known = os.environ if environ is None else environ
    return next((known[name] for name in _VARIABLES if known.get(name)), None)


def authorities() -> str | None:
    """The same for a library that takes a path and would otherwise bring authorities of its own; None for a system
    without a store. Raises CarrierFailed when the named ones are not there."""
    system = ssl.get_default_verify_paths()
    stored = system.cafile or (system.capath if system.capath and any(os.scandir(system.capath)) else None)
    return _named() or stored


def client_context() -> ssl.SSLContext:
    """A context that verifies certificate and name. Raises CarrierFailed when the named authorities cannot be read."""
    path = _named()
    try:
        folder = path is not None and os.path.isdir(path)
        context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError:
        raise _unreadable(path) from None
    if path is None and authorities() is None:
        import certifi  # requests brings it; a system without a store of its own is rare

        context.load_verify_locations(certifi.where())
    # Python 3.13 asks more of an authority's certificate than requests does: the carriers would differ.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _named() -> str | None:
    path = ca_path()
    if path is not None and not os.path.exists(path):
        raise _unreadable(path)
    return path


def _unreadable(path: str | None) -> CarrierFailed:
    variable = next((name for name in _VARIABLES if os.environ.get(name)), "the system")
    return CarrierFailed(Cause.TLS_UNTRUSTED, f"the authorities that {variable} names cannot be read: {path}")
