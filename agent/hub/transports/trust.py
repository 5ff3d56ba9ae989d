"""Whom TLS trusts, the same on all three carriers.

`REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and `SSL_CERT_FILE`, the first that is set; else the system's store (wire
reference, identity.md section 5).
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def ca_path(environ: Mapping[str, str] | None = None) -> str | None:
    """The file or folder of authorities the environment names; None for the system's."""
    known = os.environ if environ is None else environ
    return next((known[name] for name in _VARIABLES if known.get(name)), None)


def authorities() -> str | None:
    """The same for a library that takes a path and would otherwise bring authorities of its own; None for a system
    without a store."""
    system = ssl.get_default_verify_paths()
    return ca_path() or system.cafile or (system.capath if system.capath and any(os.scandir(system.capath)) else None)


def client_context() -> ssl.SSLContext:
    """A context that verifies certificate and name. Raises OSError when the named authorities cannot be read."""
    path = ca_path()
    if path is None:
        context = ssl.create_default_context()
        if not context.cert_store_stats()["x509_ca"] and not os.path.isdir(ssl.get_default_verify_paths().capath or ""):
            import certifi  # requests brings it; a system without a store of its own is rare

            context.load_verify_locations(certifi.where())
        return context
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
