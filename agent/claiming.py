"""Making identities for devices, one or a fleet: each is made once, kept, and waited for until its hub admits it.

`agent.claims` keeps what must outlive this program; here is the order of things. Every run begins by looking at what is
there, so running it again is how to go on after anything that stopped it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.api_advice import explain
from agent.claims import Claim, ClaimFolder
from agent.hub.client_identity import ClientIdentity, read_answer
from agent.hub.errors import (
    ThalovantAdmissionFailedError,
    ThalovantAdmissionTimeoutError,
    ThalovantAPIError,
    ThalovantError,
)
from agent.record import field, record

if TYPE_CHECKING:
    from agent.hub.admission import AdmissionProgress
    from agent.hub.control import ThalovantControlPlane

_PATIENCE = 180.0  # seconds that one client may be held up by the API's rate limit, whose window is a minute
_PAUSE = 5.0  # seconds, when the API does not say how long
_SETTLED = range(400, 500)
_NOT_SETTLED = frozenset({401, 408, 423, 429})  # the same request may be answered otherwise later
_OF_THIS_NAME = frozenset({409, 422})


@record(frozen=False, kw_only=True)
class Claimed:
    """How far one client has come."""

    name: str
    path: Path
    """The identity file."""
    state: str = "kept"
    """"made" in this run, or "kept" from one before; "failed"."""
    admitted: bool | None = None
    """Whether the hub has admitted it; None when nobody looked."""
    client_id: str | None = None
    trouble: str = ""
    """What went wrong and what to do; empty when nothing did."""
    waits: ClientIdentity | None = field(default=None, repr=False)
    """What admission is waited for with; None when there is nothing to wait for."""


def names_of(name: str, count: int | None) -> list[str]:
    """The clients' names: `name` itself, or for a fleet `name` with numbers that stay when the fleet grows."""
    return [name] if count is None else [f"{name}-{number:03}" for number in range(1, count + 1)]


def make(
    api: ThalovantControlPlane,
    hub: Mapping[str, Any],
    names: Iterable[str],
    folder: ClaimFolder,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[Claimed]:
    """Make the identities that are not there yet, and yield each client as soon as its file is on the disk.

    Goes on after what concerns one client alone, such as a name that is taken; ends after what would stop the others
    too. Then the last one yielded tells the trouble.
    """
    for name in names:
        path = folder.identity_path(name)
        try:
            yield _make_one(api, hub, name, folder, clock=clock, sleep=sleep)
        except ThalovantError as error:
            yield Claimed(name=name, path=path, state="failed", trouble=_told(name, error))
            if isinstance(error, ThalovantAPIError) and error.status_code not in _OF_THIS_NAME:
                return


def wait(
    api: ThalovantControlPlane,
    clients: Iterable[Claimed],
    folder: ClaimFolder,
    *,
    timeout: float,
    progress: Callable[[str, str, float], object],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Wait until the hub has admitted `clients`, for `timeout` seconds in all; what came of it is told in each.

    The platform works on all of them at the same time, so waiting for one after the other takes no longer. `progress`
    gets a name, the platform's word for how far that client is, and the seconds left. A client that was given up by
    the platform is deleted again, with its file, so that the next run makes another. Raises what would concern all.
    """
    deadline = clock() + timeout
    for client in clients:
        if client.waits is None:
            continue
        tell = partial(_tell, progress, client.name)
        try:
            api.wait_for_admission(
                client.waits, timeout=max(0.0, deadline - clock()), clock=clock, sleep=sleep, progress=tell
            )
        except ThalovantAdmissionTimeoutError:
            client.admitted = False
            client.trouble = f"{client.name} is not admitted yet; its file is good, run this again to look"
        except ThalovantAdmissionFailedError as error:
            if error.status_code is not None:
                raise  # the API would not tell, which is not the platform giving up
            client.admitted, client.state = False, "failed"
            client.trouble = f"{client.name}: {error}; run this again to make another"
            api.delete_client_identity(client.waits)
            folder.drop(client.name)
        else:
            client.admitted = True
            folder.finish(client.name)


def _tell(progress: Callable[[str, str, float], object], name: str, seen: AdmissionProgress) -> None:
    progress(name, seen.status, seen.left)


def _make_one(
    api: ThalovantControlPlane,
    hub: Mapping[str, Any],
    name: str,
    folder: ClaimFolder,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Claimed:
    hub_id = str(hub.get("id"))
    path = folder.identity_path(name)
    # The claim first: another program writes the identity before it drops the claim, so one of them is seen.
    claim = folder.claim(name, hub_id)
    kept = folder.identity(name, hub_id)
    if claim is None and kept is None:
        claim = folder.begin(api.prepare_client(hub, name=name), hub_id)
        kept = folder.identity(name, hub_id)  # made by another program since the look before
    if claim is None or (kept is not None and claim.answer is None):
        folder.finish(name)
        return Claimed(name=name, path=path, client_id=kept.metadata.get("client_id") if kept else None)
    if claim.answer is None:
        claim = _send(api, hub, claim, folder, clock=clock, sleep=sleep)
    made = read_answer(hub, claim.request, claim.answer or {})
    if kept is None:
        folder.save(name, made)
    if made.operation is None:
        folder.finish(name)
    waits = None if made.operation is None else made
    state = "made" if kept is None else "kept"
    return Claimed(name=name, path=path, state=state, client_id=made.client_id, waits=waits)


def _send(
    api: ThalovantControlPlane,
    hub: Mapping[str, Any],
    claim: Claim,
    folder: ClaimFolder,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Claim:
    deadline = clock() + _PATIENCE
    while True:
        try:
            return folder.answered(claim, api.create_client(hub, claim.request).client)
        except ThalovantAPIError as error:
            pause = error.retry_after_seconds or _PAUSE
            if error.status_code == 429 and clock() + pause <= deadline:
                sleep(pause)
                continue
            if error.status_code in _SETTLED and error.status_code not in _NOT_SETTLED:
                folder.finish(claim.request.name)  # it was not made, and a corrected one is another request
            raise


def _told(name: str, error: ThalovantError) -> str:
    if isinstance(error, ThalovantAPIError) and error.status_code == 409:
        return f"{error}; choose another name than {name!r}, or remove that client from your workspace first"
    return explain(error) if isinstance(error, ThalovantAPIError) else str(error)
