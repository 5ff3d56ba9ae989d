"""A changed configuration is on trial until the device has shown that it works with it.

The last one that did is kept beside the outbox, word for word. It is what the device runs with when the file is
broken, when the agent ends three times in a row under a changed one, and when a link that was up does not come up again
under it. So a slip of the pen costs a line in the journal, and not a journey to the device.

The trial outlives the process, since a plug may be pulled in it: a mark in the same folder says which text is tried,
how often it was started, and whether it was found bad. A file that is changed once more is a new trial.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from pathlib import Path
from typing import Literal

from agent import config as configuration
from agent.config import Config, ConfigError
from agent.hub.files import flush_directory, replace_file
from agent.record import fields, record, replace

log = logging.getLogger(__name__)

GOOD = "agent.good.toml"
MARK = "trial.json"

LINK_SECONDS = 60.0
"""For a link that was up before; a hub is reached within seconds, or by the second or third try."""
CALM_SECONDS = 10.0
"""Without a link to wait for, running this long is enough."""
_MOST_STARTS = 3

Verdict = Literal["passed", "failed"]


@record(kw_only=True)
class _Mark:
    """What the folder remembers of a trial."""

    digest: str
    starts: int = 0
    needs_link: bool = False
    bad: str = ""
    """Why it was given up; empty while it is tried."""


class ConfigTrial:
    """The choice between the file at `source` and the last one that worked. One thread at a time.

    `folder` is where the device may write; None, as when it is run by hand, tries nothing and remembers nothing.
    """

    def __init__(self, source: Path | None, folder: Path | None) -> None:
        self._source = source or configuration.DEFAULT_PATH
        self._explicit = source
        self._folder = folder
        self._text = ""
        self._mark: _Mark | None = None
        self._began: float | None = None
        self.trouble = ""
        """Why the device does not run with what the file says; empty when it does."""

    def choose(self) -> Config:
        """The configuration to run with. Raises ConfigError when the file is broken and none has ever worked."""
        good = self._read(GOOD)
        try:
            config, self._text = self._load()
        except ConfigError as error:
            return self._go_back(good, str(error)) or self._raise(error)
        if self._folder is None or self._text == good:
            return config
        digest = _digest(self._text)
        mark = self._read_mark()
        if mark is None or mark.digest != digest:
            mark = _Mark(digest=digest)
        if not mark.bad and mark.starts >= _MOST_STARTS:
            mark = replace(mark, bad="the agent did not keep running with it")
        if mark.bad:
            self._write_mark(mark)
            fallback = self._go_back(good, mark.bad)
            if fallback is not None:
                return fallback
        self._mark = replace(mark, starts=mark.starts + 1)
        self._write_mark(self._mark)
        return config

    def propose(self, *, link_is_up: bool) -> None:
        """Let the next start try what the file says now. Raises ConfigError, and then nothing changes."""
        _, text = self._load()
        if self._folder is not None and text != self._read(GOOD):
            self._write_mark(_Mark(digest=_digest(text), needs_link=link_is_up))

    def look(self, now: float, *, link_is_up: bool) -> Verdict | None:
        """Whether the trial has just ended, and how. Costs nothing when none is on."""
        if self._mark is None:
            return None
        self._began = now if self._began is None else self._began
        if link_is_up or (not self._mark.needs_link and now - self._began >= CALM_SECONDS):
            self._keep()
            return "passed"
        if self._mark.needs_link and now - self._began >= LINK_SECONDS:
            reason = f"the link did not come up within {LINK_SECONDS:.0f} s of changing to it"
            mark, self._mark = replace(self._mark, bad=reason), None
            self._write_mark(mark)
            return "failed"
        return None

    def _keep(self) -> None:
        self._mark = None
        if self._folder is None:
            return
        try:
            replace_file(self._folder / GOOD, self._text.encode())
            (self._folder / MARK).unlink(missing_ok=True)
            flush_directory(self._folder)
        except OSError as error:
            log.warning("a configuration that works cannot be kept", extra={"reason": error.strerror or str(error)})

    def _load(self) -> tuple[Config, str]:
        config = configuration.load(self._explicit)
        try:
            return config, self._source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return config, ""  # no file: everything at its default

    def _go_back(self, good: str | None, reason: str) -> Config | None:
        if good is None:
            return None
        try:
            config = configuration.parse(good, source=self._source)
        except ConfigError:
            return None  # an older version's, or damaged: no help
        self.trouble = f"{self._source} is not used: {reason}"
        return config

    @staticmethod
    def _raise(error: ConfigError) -> Config:
        raise error

    def _read(self, name: str) -> str | None:
        if self._folder is None:
            return None
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _read_mark(self) -> _Mark | None:
        try:
            return _Mark(**json.loads(self._read(MARK) or ""))
        except (ValueError, TypeError, RecursionError):
            return None  # none, or cut short: the trial begins anew

    def _write_mark(self, mark: _Mark) -> None:
        if self._folder is None:
            return
        with contextlib.suppress(OSError):  # a disk that takes nothing is told by the store; the trial is then not kept
            written = json.dumps({one.name: getattr(mark, one.name) for one in fields(mark)})
            replace_file(self._folder / MARK, written.encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
