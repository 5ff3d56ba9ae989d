"""What must not be shown of the traffic with the control plane: which members are secret, and how to hide them.

Wire reference, control-plane.md section 5. A validation error of the API echoes the request, and the answer to a new
client is secret as a whole, so hiding goes by what was sent as well as by the names of members.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

HIDDEN = "<redacted>"

_NAMES = frozenset(
    {
        "initialidentify",
        "initialidentifytoken",
        "apikey",
        "accesskey",
        "password",
        "cryptokey",
        "token",
        "accesstoken",
        "refreshtoken",
        "authorization",
        "clientsecret",
        "privatekey",
        "secret",
        "apisecret",
        "secretkey",
        "credentials",
    }
)
_SENT_ONLY = frozenset({"devicecode", "otpcode", "recoverycode", "codeverifier", "code"})
_NOT_WORD = re.compile(r"[_-]")
_SHORTEST = 4  # characters; a shorter secret is found in innocent words, and replacing it there would spell it out


def is_secret(name: str) -> bool:
    """True when the value of a member called `name` must not be shown."""
    return _plain(name) in _NAMES


def without_secrets(value: Any) -> Any:
    """A copy of JSON data without the members that are secret, at any depth."""
    if isinstance(value, Mapping):
        return {name: without_secrets(item) for name, item in value.items() if not is_secret(str(name))}
    return [without_secrets(item) for item in value] if isinstance(value, list | tuple) else value


def secret_values(value: Any, *, secret: bool = False) -> Iterator[str]:
    """The texts in the body of a request that no message about its answer may repeat."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from secret_values(item, secret=secret or is_secret(str(name)) or _plain(str(name)) in _SENT_ONLY)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_values(item, secret=secret)
    elif secret and isinstance(value, str) and value:
        yield value


def hide(text: str, secrets: Collection[str]) -> str:
    """`text` without any of `secrets`; nothing at all when one of them is too short to be cut out."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret in text:
            if len(secret) < _SHORTEST:
                return ""
            text = text.replace(secret, HIDDEN)
    return text


def _plain(name: str) -> str:
    return _NOT_WORD.sub("", name.lower())
