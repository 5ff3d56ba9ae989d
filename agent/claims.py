"""Identities being made, as files: what one run leaves behind so that the next goes on and makes none twice.

A client's secrets exist before the control plane has heard of it, and the API hands out its identity once. So the
request is on disk before it is sent, the answer before anything is done with it, and the identity file comes last:
after any interruption the same request is sent again, or the same answer read again. All files are their owner's alone.

    .kiosk-001.claim    the request, then also the answer; gone once the hub has admitted the client
    kiosk-001.json      the identity
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.hub.client_identity import ClientIdentity, ClientRequest
from agent.hub.errors import ThalovantError, ThalovantIdentityError
from agent.hub.files import create_file, flush_directory, read_private, replace_file
from agent.hub.identity import ThalovantIdentity
from agent.record import field, record, replace


class ClaimError(ThalovantError):
    """The files do not fit what was asked for, or cannot be written; a person must look."""


@record(kw_only=True)
class Claim:
    """A client on its way: the request for it, and the API's answer once there is one."""

    request: ClientRequest
    answer: Mapping[str, Any] | None = field(default=None, repr=False)


class ClaimFolder:
    """The files of one folder. Several programs may use it at once: two that begin the same claim go on with one.

    Raises ClaimError when the disk does not do its part, and then nothing was done.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def identity_path(self, name: str) -> Path:
        """Where the identity of the client called `name` is kept."""
        return self.folder / f"{_file_name(name)}.json"

    def identity(self, name: str, hub_id: str) -> ThalovantIdentity | None:
        """The identity that is there already; None when there is none.

        Raises ClaimError when the file is another client's or another hub's, ThalovantIdentityError when it is none.
        """
        path = self.identity_path(name)
        if not path.exists():
            return None
        identity = ThalovantIdentity.from_file(path, environ={})
        for key, wanted, what in (("client_name", name, "client"), ("hub_id", hub_id, "hub")):
            if identity.metadata.get(key, wanted) != wanted:
                raise ClaimError(f"{path} is the identity of another {what}; choose another name or folder")
        return identity

    def claim(self, name: str, hub_id: str) -> Claim | None:
        """The claim that was begun and not finished; None when there is none. Raises ClaimError as `identity` does."""
        path = self._claim_path(name)
        if not path.exists():
            return None
        try:
            kept = json.loads(read_private(path, "claim file", environ={}))
            answer = kept.get("answer")
            claim = Claim(request=ClientRequest.from_mapping(kept["request"]), answer=answer)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ThalovantIdentityError):
            if not path.exists():
                return None  # another program finished it meanwhile
            # Not chained: the exception may carry the secrets.
            raise ClaimError(
                f"{path} is damaged; look whether your workspace has a client {name!r}, remove it there, then the file"
            ) from None
        if claim.request.name != name or claim.request.body.get("hub_id") != hub_id:
            raise ClaimError(f"{path} is a claim for another client or hub; choose another name or folder")
        return claim

    def begin(self, request: ClientRequest, hub_id: str) -> Claim:
        """Keep `request` before it is sent; returns the claim to go on with: another program's, if it was first."""
        claim = Claim(request=request)
        with self._disk():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if create_file(self._claim_path(request.name), _written(claim)):
                return claim
        return self.claim(request.name, hub_id) or claim

    def answered(self, claim: Claim, answer: Mapping[str, Any]) -> Claim:
        """Keep the API's answer, which it gives once."""
        claim = replace(claim, answer=answer)
        with self._disk():
            replace_file(self._claim_path(claim.request.name), _written(claim))
        return claim

    def save(self, name: str, made: ClientIdentity) -> Path:
        """Write the identity file, which also tells whose it is."""
        facts = {"client_name": name, "client_id": made.client_id, "hub_id": made.hub["id"]}
        identity = replace(made.identity, metadata={**made.identity.metadata, **facts})
        path = self.identity_path(name)
        identity.save(path)
        return path

    def finish(self, name: str) -> None:
        """Drop the claim: the identity file is all that is left to keep."""
        with self._disk():
            self._claim_path(name).unlink(missing_ok=True)

    def drop(self, name: str) -> None:
        """Remove everything there is of a client that is no more. The claim goes last, and can then be begun anew."""
        with self._disk():
            self.identity_path(name).unlink(missing_ok=True)
            flush_directory(self.folder)
        self.finish(name)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ClaimError(f"{self.folder} cannot be written to: {error.strerror or error}") from error

    def _claim_path(self, name: str) -> Path:
        return self.folder / f".{_file_name(name)}.claim"


def _written(claim: Claim) -> bytes:
    return json.dumps({"request": claim.request.as_dict(), "answer": claim.answer}).encode()


def _file_name(name: str) -> str:
    """`name` as a file's; two names may share one, which the file itself then tells."""
    text = re.sub(r"[^\w.-]+", "-", name).strip(".-")
    if not text:
        raise ClaimError(f"{name!r} is no name for a file; use letters and digits")
    return text
