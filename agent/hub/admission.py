"""Waiting until a hub has admitted a new client, which takes the platform about a minute and a half.

Wire reference, control-plane.md section 7. The answer to a new client names an operation; this follows it to its end.
Nothing here does I/O: reading the operation is passed in, as are clock and sleep, so that every rule can be tested
without waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from agent.hub.api_problems import fields_of, sentence_of
from agent.hub.errors import (
    ThalovantAdmissionFailedError,
    ThalovantAdmissionTimeoutError,
    ThalovantAPIError,
    ThalovantAPIUnreachableError,
    ThalovantAuthError,
)
from agent.record import record

DEFAULT_TIMEOUT = 180.0
DEFAULT_POLL_INTERVAL = 2.0

_ADMITTED = "ready"
_FAILED = ("failed", "timed_out")
_FOLDER = "/operations/"


@record(kw_only=True)
class AdmissionProgress:
    """How the wait goes, told after each look."""

    status: str
    """The operation's own word: requested, committed, applied; empty while the API did not tell."""
    waited: float
    """Seconds since the wait began."""
    left: float
    """Seconds until it gives up."""


def operation_id(operation: Any, owns: Callable[[SplitResult], bool]) -> str | None:
    """The id of an operation, given as the API's object, as its link or as the id; None when there is none to follow.

    An absolute link must lead to the API itself, as `owns` says. Raises ThalovantAPIError for one that leads
    elsewhere: whoever follows it would hand over the token.
    """
    if isinstance(operation, str):
        text = operation.strip()
        return (_id_in_link(text, owns) if "/" in text else text) or None
    if not isinstance(operation, Mapping):
        return None
    links = operation.get("links")
    link = links.get("self") if isinstance(links, Mapping) else None
    found = _id_in_link(link, owns) if isinstance(link, str) else None
    given = operation.get("id")
    return found or (given.strip() or None if isinstance(given, str) else None)


def wait(
    operation: Any,
    read: Callable[[float], Mapping[str, Any]],
    *,
    timeout: float,
    poll_interval: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    progress: Callable[[AdmissionProgress], object] | None = None,
) -> None:
    """Return once the operation that `read` reads is ready; `read` gets the seconds it may take.

    An `operation` that is the API's object and has come to its end already is not read again. Raises as
    `ThalovantControlPlane.wait_for_admission` says.
    """
    started = clock()
    if isinstance(operation, Mapping) and _is_over(operation):
        return
    while True:
        left = timeout - (clock() - started)
        if left <= 0:
            raise ThalovantAdmissionTimeoutError
        status, pause = "", poll_interval
        try:
            seen = read(left)
        except ThalovantAPIUnreachableError:
            if clock() - started < timeout:
                raise
            raise ThalovantAdmissionTimeoutError from None  # the time of the read was what was left
        except ThalovantAPIError as error:
            if error.status_code == 404:
                return  # the API no longer keeps track of it
            pause = max(poll_interval, _pause_after(error, timeout - (clock() - started)))
        else:
            if _is_over(seen):
                return
            status = sentence_of(str(seen.get("status") or ""))
        waited = clock() - started
        if progress is not None:
            progress(AdmissionProgress(status=status, waited=waited, left=max(0.0, timeout - waited)))
        sleep(max(0.0, min(pause, timeout - waited)))


def _is_over(operation: Mapping[str, Any]) -> bool:
    """True when the client is admitted, False while it is not; raises when it will not be."""
    status = operation.get("status")
    if status in _FAILED:
        code, said = operation.get("error_code"), operation.get("error_message")
        text = f"the hub did not admit the new client ({status})"
        if isinstance(said, str) and (sentence := sentence_of(said)):
            text += f": {sentence}"
        raise ThalovantAdmissionFailedError(text, error_code=code if isinstance(code, str) and code else None)
    return status == _ADMITTED


def _pause_after(error: ThalovantAPIError, left: float) -> float:
    """Seconds to wait after a refusal that passes, 0 when the API names none; raises for every other refusal."""
    status = error.status_code
    if status is None or isinstance(error, ThalovantAuthError):
        raise error
    asked = error.retry_after_seconds or 0.0
    if status == 429 and asked > left:
        raise ThalovantAdmissionTimeoutError from None
    if status == 429 or status >= 500:
        return asked
    if status == 403:  # "401, 403: the auth error itself"; this one names neither scopes nor a plan
        raise ThalovantAuthError(str(error), **fields_of(error)) from None
    raise ThalovantAdmissionFailedError(str(error), **fields_of(error)) from None


def _id_in_link(link: str, owns: Callable[[SplitResult], bool]) -> str | None:
    try:
        parts = urlsplit(link.strip())
        _ = parts.port
    except ValueError:
        raise ThalovantAPIError("the operation's link is no address") from None
    # `//host/…` has a host and no scheme: it leads elsewhere all the same.
    if (parts.scheme or parts.netloc) and not owns(parts):
        raise ThalovantAPIError("the operation's link leads to another server than the Thalovant API's; not followed")
    _, found, last = parts.path.rstrip("/").rpartition(_FOLDER)
    return unquote(last) or None if found and "/" not in last else None
