"""Where log lines go, and what never goes there.

Under systemd with systemd-python a line becomes a journal entry whose facts, the `extra` of the call, are fields of
their own: `journalctl THALOVANT_PROTOCOL=mqtt`. Without the library it is a line on standard error with the priority in
front, which journald understands; on a terminal, a line to read. In all three the facts stand in the text as well,
since that is what `journalctl -u thalovant-agent` shows.

The handler, not the caller, keeps secrets out: every record passes one Redactor on its way, with its message, its
arguments, its facts and its traceback. systemd-python's own handler copies each attribute of a record into the entry,
the arguments included, so that masking the message alone would not mask.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Any

IDENTIFIER = "thalovant-agent"
FIELD_PREFIX = "THALOVANT_"

_HIDDEN = "<redacted>"
_SHORTEST_SECRET = 4  # a shorter one would mask ordinary words, and is no secret
_LONGEST_FACT = 2000  # characters
_AUTHORIZATION = re.compile(r"(?i)\b(authorization\s*[=:]\s*)(?:(?:bearer|basic)\s+)?[^\s&\"',)]+")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@\"']+@")
_URL_QUERY = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s?\"']*)\?[^\s\"')]*")
_QUERY = re.compile(r"\?[^\s=?\"']+=[^\s\"')]*")  # of a URL without its scheme, as urllib3 writes them
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_FIELD = re.compile(r"[^A-Z0-9_]")


class Redactor(logging.Filter):
    """Masks in every record the queries of URLs, credentials in headers, and the secrets it was given. Any thread."""

    def __init__(self, *, expected: tuple[type[BaseException], ...] = ()) -> None:
        super().__init__()
        self._expected = expected
        self._secrets: tuple[str, ...] = ()

    def add(self, *secrets: str) -> None:
        """Mask these from now on, also as they look in a URL. Short and empty ones are ignored."""
        forms = {form for secret in secrets for form in (secret, urllib.parse.quote(secret, safe=""))}
        known = forms.union(self._secrets)
        # The longest first: one secret may begin with another.
        self._secrets = tuple(sorted((form for form in known if len(form) >= _SHORTEST_SECRET), key=len, reverse=True))

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = _URL_QUERY.sub(rf"\1?{_HIDDEN}", text)
        text = _QUERY.sub(f"?{_HIDDEN}", text)
        text = _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text)
        return _USERINFO.sub(r"\1", text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace everything in the record by its clean text. An expected error loses its traceback."""
        record.msg = self.clean(_message(record))
        record.args = None
        if record.exc_info and record.exc_info[0] is not None and not issubclass(record.exc_info[0], self._expected):
            record.exc_text = self.clean(logging.Formatter().formatException(record.exc_info))
        record.exc_info = None  # the exception itself holds uncleaned text
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        for name, value in facts(record).items():
            if not isinstance(value, bool | int | float):
                record.__dict__[name] = self.clean(str(value))[:_LONGEST_FACT]
        return True


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What the call gave as `extra`, without what is None."""
    return {name: value for name, value in vars(record).items() if name not in _OWN and value is not None}


class JournalHandler(logging.Handler):
    """One journal entry for each record, through `send`: systemd.journal.send, or a function like it."""

    def __init__(self, send: Callable[..., object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the entry to journald; where that fails, leave the line on standard error, which is the journal too."""
        fields = {
            FIELD_PREFIX + _FIELD.sub("_", name.upper())[:40]: _plain(value) for name, value in facts(record).items()
        }
        if record.exc_text:
            fields["EXCEPTION_TEXT"] = record.exc_text
        try:
            self._send(
                _sentence(record),
                PRIORITY=str(_priority(record.levelno)),
                SYSLOG_IDENTIFIER=IDENTIFIER,
                LOGGER=record.name,
                THREAD_NAME=record.threadName or "",
                CODE_FILE=record.pathname,
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName or "",
                **fields,
            )
        except OSError:
            _write(sys.stderr, _prefixed(record))


class LineHandler(logging.Handler):
    """Lines on a stream: with a priority for journald, or with the time for people."""

    def __init__(self, stream: IO[str], *, prefixed: bool) -> None:
        super().__init__()
        self._stream = stream
        self._line = _prefixed if prefixed else _readable

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line. A terminal that went away is no reason to stop scanning."""
        _write(self._stream, self._line(record))


def set_up(
    level: str,
    *,
    expected: tuple[type[BaseException], ...] = (),
    stream: IO[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Redactor:
    """Send all logging of this process to the right place, once, and return the Redactor to give the secrets to.

    `level` is that of our own loggers; libraries are heard from warnings up, whatever they are made to say. Exceptions
    nobody caught, and Python's warnings, go the same way. `expected` errors are logged without a traceback.
    """
    stream = sys.stderr if stream is None else stream
    redactor = Redactor(expected=expected)
    handler = _handler(stream, os.environ if environ is None else environ)
    handler.addFilter(redactor)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("agent", "hardware"):
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return redactor


def _handler(stream: IO[str], environ: Mapping[str, str]) -> logging.Handler:
    if not is_journal(stream, environ):
        return LineHandler(stream, prefixed=False)
    try:
        import systemd.journal  # not "from systemd": mypy takes the folder of the units for it
    except ImportError:
        return LineHandler(stream, prefixed=True)
    return JournalHandler(systemd.journal.send)


def is_journal(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether journald reads this stream: systemd puts its device and inode into JOURNAL_STREAM (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    logging.getLogger("agent").critical("unexpected %s", kind.__name__, exc_info=(kind, error or kind(), trace))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # the arguments do not fit the format: say what there is
        return f"{record.msg} {record.args}"


def _sentence(record: logging.LogRecord) -> str:
    """The message with its facts behind it."""
    words = [record.getMessage(), *(f"{name}={_quoted(_plain(value))}" for name, value in facts(record).items())]
    return " ".join(words)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text, ensure_ascii=False)


def _prefixed(record: logging.LogRecord) -> str:
    # journald cuts a stream at each newline, so that every line needs its priority.
    lines = "\n".join(filter(None, [_sentence(record), record.exc_text])).splitlines()
    return "\n".join(f"<{_priority(record.levelno)}>{line}" for line in lines)


def _readable(record: logging.LogRecord) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(record.created))
    line = f"{at} {record.levelname.lower():<8}{_sentence(record)}"
    return f"{line}\n{record.exc_text}" if record.exc_text else line


def _write(stream: IO[str], text: str) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        pass


def _priority(level: int) -> int:
    """The syslog priority (syslog(3)) of a logging level."""
    for least, priority in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        if level >= least:
            return priority
    return 7
