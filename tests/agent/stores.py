"""A real outbox on a disk that can be taken away, and parcels to put into it."""

from __future__ import annotations

from pathlib import Path

from agent.hub import messages
from agent.outbox import Outbox
from agent.parcel import Parcel
from agent.stamps import Stamp

STAMP = Stamp(boot="boot", since_boot=100.0, wall=1.8e9, sure=True)


def parcel(name: str, *, kind: str = "code", text: str = "", replay: bool = True) -> Parcel:
    """A parcel with the request id `name`."""
    message = messages.code(text or name, kind="code", request_id=name)
    return Parcel(
        request_id=name, kind=kind, message=message, origin="counter", replay=replay, lifetime=3600.0, made=STAMP
    )


class Disk:
    """An outbox in a folder. `fail` puts a file in its place, as a card that is gone does, and `mend` undoes that."""

    def __init__(self, folder: Path, *, max_messages: int = 1000, max_bytes: int = 1 << 20) -> None:
        self._folder = folder / "state"
        self._aside = folder / "aside"
        self._folder.mkdir()
        self.outbox = Outbox(self._folder / "outbox.db", max_messages=max_messages, max_bytes=max_bytes)

    def fail(self) -> None:
        """From now on nothing can be opened there."""
        self.outbox.close()
        self._folder.rename(self._aside)
        self._folder.touch()

    def mend(self) -> None:
        """As before."""
        self._folder.unlink()
        self._aside.rename(self._folder)

    def waiting(self) -> list[str]:
        """The request ids that wait, oldest first."""
        return [one.request_id for one in self.outbox.oldest(0, 1000)]
