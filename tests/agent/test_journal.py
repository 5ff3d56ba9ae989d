from __future__ import annotations

import io
import logging
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal import JournalHandler, LineHandler, Redactor

ROOT = Path(__file__).parents[2]
JOURNAL_SOCKET = Path("/run/systemd/journal/socket")


class ExpectedError(Exception):
    pass


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(expected=(ExpectedError,))


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("a test's own")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.handlers.clear()


@pytest.fixture
def lines(log, redactor) -> io.StringIO:
    stream = io.StringIO()
    handler = LineHandler(stream, prefixed=True)
    handler.addFilter(redactor)
    log.addHandler(handler)
    return stream


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET wss://hub.example/?authorization=YWdlbnQ6a2V5 failed", "GET wss://hub.example/?<redacted> failed"),
        ("with url: /connect?authorization=YWdlbnQ6a2V5&x=1 (Caused by", "with url: /connect?<redacted> (Caused by"),
        ("authorization=YWdlbnQ6a2V5", "authorization=<redacted>"),
        ("headers: Authorization: Bearer abc.def", "headers: Authorization: <redacted>"),
        ("mqtts://user:pass@broker:8883 refused", "mqtts://broker:8883 refused"),
        ('scanner[1].bauds: unknown key; did you mean "baud"?', 'scanner[1].bauds: unknown key; did you mean "baud"?'),
        ("who? me", "who? me"),
    ],
)
def test_what_opens_a_hub_is_masked_wherever_it_stands(redactor, text, clean):
    assert redactor.clean(text) == clean


def test_given_secrets_are_masked_also_as_a_url_writes_them(redactor):
    redactor.add("p/ss word+1", "", "abc")
    assert redactor.clean("p/ss word+1 p%2Fss%20word%2B1 abc") == "<redacted> <redacted> abc"


def test_of_two_secrets_that_begin_alike_nothing_is_left(redactor):
    redactor.add("secret")
    redactor.add("secret-of-the-hub")
    assert redactor.clean("secret-of-the-hub secret") == "<redacted> <redacted>"


def test_message_arguments_facts_and_traceback_are_masked(log, lines, redactor):
    redactor.add("hunter22")
    try:
        raise RuntimeError("login with hunter22")
    except RuntimeError:
        log.exception("failed for %s", "hunter22", extra={"url": "https://h/?key=1", "detail": ["hunter22"]})
    text = lines.getvalue()
    assert "hunter22" not in text
    assert "key=1" not in text
    assert "<3>failed for <redacted> " in text
    assert "<3>RuntimeError: login with <redacted>" in text


def test_a_cause_in_a_chain_of_exceptions_is_masked_too(log, lines, redactor):
    redactor.add("hunter22")
    try:
        try:
            raise OSError("hunter22")
        except OSError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        log.exception("failed")
    assert "OSError: <redacted>" in lines.getvalue()


def test_an_expected_error_has_no_traceback(log, lines):
    try:
        raise ExpectedError("port gone")
    except ExpectedError as error:
        log.error("failed", exc_info=error)
    assert lines.getvalue() == "<3>failed\n"


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_a_level_becomes_a_syslog_priority(log, lines, level, priority):
    log.log(level, "link up")
    assert lines.getvalue() == f"<{priority}>link up\n"


def test_facts_stand_behind_the_message(log, lines):
    log.info("link up", extra={"protocol": "mqtt", "attempt": 3, "cause": "no route", "good": True, "port": None})
    assert lines.getvalue() == '<6>link up protocol=mqtt attempt=3 cause="no route" good=true\n'


def test_arguments_that_do_not_fit_are_still_a_line(log, lines):
    log.warning("%d codes", "three")
    assert lines.getvalue() == "<4>%d codes ('three',)\n"


def test_a_line_for_people_has_the_time_and_the_level(log):
    stream = io.StringIO()
    log.addHandler(LineHandler(stream, prefixed=False))
    log.warning("link down", extra={"cause": "dns"})
    at, rest = stream.getvalue().split(" ", 1)
    assert len(at) == 8
    assert rest == "warning link down cause=dns\n"


def test_a_closed_terminal_is_no_error(log):
    stream = io.StringIO()
    stream.close()
    log.addHandler(LineHandler(stream, prefixed=False))
    log.warning("link down")


def test_a_journal_entry_has_our_fields_and_none_of_the_record(log, redactor):
    entries: list[tuple[str, dict[str, Any]]] = []
    handler = JournalHandler(lambda message, **fields: entries.append((message, fields)))
    handler.addFilter(redactor)
    log.addHandler(handler)
    redactor.add("hunter22")
    log.info("link up for %s", "hunter22", extra={"protocol": "mqtt", "handshake_ms": 412, "odd-Name": 1})
    ((message, fields),) = entries
    assert message == "link up for <redacted> protocol=mqtt handshake_ms=412 odd-Name=1"
    assert {key: value for key, value in fields.items() if key.startswith("THALOVANT_")} == {
        "THALOVANT_PROTOCOL": "mqtt",
        "THALOVANT_HANDSHAKE_MS": "412",
        "THALOVANT_ODD_NAME": "1",
    }
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("6", "thalovant-agent")
    assert "hunter22" not in str(fields)
    assert set(fields) <= {
        *("PRIORITY", "SYSLOG_IDENTIFIER", "LOGGER", "THREAD_NAME", "CODE_FILE", "CODE_LINE", "CODE_FUNC"),
        *("THALOVANT_PROTOCOL", "THALOVANT_HANDSHAKE_MS", "THALOVANT_ODD_NAME"),
    }


def test_a_journal_that_does_not_take_the_entry_leaves_it_on_standard_error(log, capsys):
    def send(message: str, **fields: Any) -> None:
        raise OSError("no buffer space")

    log.addHandler(JournalHandler(send))
    log.error("disk full")
    assert capsys.readouterr().err == "<3>disk full\n"


PROGRAM = """
import logging, os, sys, threading, warnings
from agent import journal
if sys.argv[1] == "without":
    sys.modules["systemd"] = None  # as on a machine where the package is not installed
status = os.fstat(2)
if sys.argv[2] == "journal":
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
redactor = journal.set_up("info")
redactor.add("hunter22")
logging.getLogger("agent.link").info("link up", extra={"protocol": "mqtt"})
logging.getLogger("agent.link").debug("scanned 123")
logging.getLogger("urllib3").info("chatter")
logging.getLogger("urllib3").warning("retry /a?k=v")
warnings.warn("falling back")
def run():
    raise ValueError("hunter22")
thread = threading.Thread(target=run)
thread.start()
thread.join()
raise LookupError("hunter22")
"""


def run_program(*arguments: str, stderr: Any = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, stderr=stderr, text=True, timeout=60, check=False
    )


def test_a_process_under_systemd_without_the_library_writes_priorities():
    done = run_program("without", "journal")
    lines = done.stderr.splitlines()
    assert lines[0] == "<6>link up protocol=mqtt"
    assert lines[1] == "<4>retry /a?<redacted>"
    assert all(line.startswith("<") for line in lines)
    assert any("falling back" in line for line in lines)
    assert "<2>unexpected ValueError" in lines
    assert "<2>unexpected LookupError" in lines
    assert "hunter22" not in done.stderr
    assert "scanned" not in done.stderr
    assert "chatter" not in done.stderr


def test_a_process_started_by_hand_writes_lines_to_read():
    done = run_program("without", "terminal")
    assert done.stderr.splitlines()[0].endswith(" info    link up protocol=mqtt")
    assert "hunter22" not in done.stderr


@pytest.fixture
def journald() -> Iterator[socket.socket]:
    """A socket in journald's place, where there is no journald to be disturbed."""
    pytest.importorskip("systemd.journal")
    if os.geteuid() != 0 or JOURNAL_SOCKET.exists():
        pytest.skip("needs root, and a machine without journald")
    made = [folder for folder in (JOURNAL_SOCKET.parent, JOURNAL_SOCKET.parent.parent) if not folder.exists()]
    JOURNAL_SOCKET.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(JOURNAL_SOCKET))
        listener.settimeout(20)
        yield listener
    JOURNAL_SOCKET.unlink()
    for folder in made:
        folder.rmdir()


def entry(datagram: bytes) -> dict[str, str]:
    """The fields of an entry: `KEY=value` lines, or a key, a length of eight bytes and the value."""
    fields = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", datagram[:8])
            value, datagram = datagram[8 : 8 + length], datagram[8 + length + 1 :]
        fields[key.decode()] = value.decode()
    return fields


def test_journald_receives_structured_entries_without_secrets(journald):
    done = run_program("with", "journal")
    journald.setblocking(False)
    entries = []
    while True:
        try:
            entries.append(entry(journald.recv(65536)))
        except BlockingIOError:
            break
    assert done.stderr == ""
    assert entries[0]["MESSAGE"] == "link up protocol=mqtt"
    assert entries[0]["THALOVANT_PROTOCOL"] == "mqtt"
    assert entries[0]["LOGGER"] == "agent.link"
    assert entries[0]["PRIORITY"] == "6"
    assert entries[-1]["MESSAGE"] == "unexpected LookupError"
    assert "LookupError: <redacted>" in entries[-1]["EXCEPTION_TEXT"]
    assert "hunter22" not in str(entries)
