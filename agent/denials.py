"""Whose a denial is that names nobody.

A hub denies a message at once when it reads it, without saying which one (wire reference, hub-behaviour.md section 3).
But a session is read in the order it was sent, so counting tells: of the messages sent and not accounted for, one is
denied for certain as soon as there are more denials than all the others could account for. Until then nobody is, and
what may be sent again is, alone: that brings either its answer or one more denial.
"""

from __future__ import annotations

from collections.abc import Sequence


class Denials:
    """The sendings of one session and the denials they may account for. Messages go by their request ids."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._unclaimed = 0

    def session_began(self) -> None:
        """Nothing sent before concerns what is heard from now on."""
        self._open.clear()
        self._unclaimed = 0

    def sent(self, name: str) -> None:
        """The message went out, for the first time or again."""
        self._open.append(name)

    def denied(self, candidates: Sequence[str]) -> list[str]:
        """A denial came that names nobody: those of the candidates, all in flight, that were denied for certain."""
        self._unclaimed += 1
        return self._owners(candidates)

    def answered(self, name: str, candidates: Sequence[str] = ()) -> list[str]:
        """The hub answered the message, so a denial of before was another's: who was denied for certain now.

        What went out before it was read before it, and has been denied by now or never will be.
        """
        if name not in self._open:
            return []
        older = self._open[: self._open.index(name)]
        self._strike([name] * self._open.count(name), spared=1)
        owners = self._owners(candidates)
        self._strike([other for other in older if other in self._open])
        return owners

    def _owners(self, candidates: Sequence[str]) -> list[str]:
        certain = [
            name
            for name in candidates
            if name in self._open and self._unclaimed > sum(other != name for other in self._open)
        ]
        for name in certain:
            # What went out before it was read before it, too.
            until = self._open.index(name) if name in self._open else 0
            self._strike([*self._open[:until], *[name] * self._open.count(name)])
        return certain

    def _strike(self, names: Sequence[str], *, spared: int = 0) -> None:
        """Take these sendings as accounted for, with every denial that may have been theirs but `spared`.

        Striking too many denials is safe: it takes one more to be certain.
        """
        for name in names:
            self._open.remove(name)
        self._unclaimed = max(self._unclaimed - (len(names) - spared), 0)
