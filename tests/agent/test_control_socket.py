from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.control_socket import AgentNotRunningError, ControlError, ControlServer, Handler, Reply, ask_agent

DEADLINE = 30.0


def echo(request: dict[str, Any], reply: Reply) -> None:
    reply({"ok": True, "request": request})


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too long for a socket's address
        yield Path(folder) / "control.sock"


@contextmanager
def serving(path: Path, handler: Handler = echo, **options: Any) -> Iterator[threading.Event]:
    stop, started = threading.Event(), threading.Event()
    server = ControlServer(path, handler, **options)
    thread = threading.Thread(target=lambda: server.run(stop, started.set))
    thread.start()
    assert started.wait(DEADLINE)
    try:
        yield stop
    finally:
        stop.set()
        thread.join(DEADLINE)
    assert not thread.is_alive()


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        yield client


def everything(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65_536):
        received += data
    return received


def test_a_request_is_answered(path):
    with serving(path):
        assert ask_agent(path, {"command": "status", "text": "grüß dich"}, DEADLINE) == {
            "ok": True,
            "request": {"command": "status", "text": "grüß dich"},
        }


def test_an_answer_may_come_later_from_another_thread_and_holds_up_nobody(path):
    replies: dict[str, Reply] = {}
    asked = threading.Event()

    def handler(request: dict[str, Any], reply: Reply) -> None:
        replies[request["command"]] = reply
        if request["command"] == "now":
            reply({"ok": True})
        asked.set()

    answers: list[dict[str, Any]] = []
    with serving(path, handler):
        slow = threading.Thread(target=lambda: answers.append(ask_agent(path, {"command": "later"}, DEADLINE)))
        slow.start()
        assert asked.wait(DEADLINE)
        assert ask_agent(path, {"command": "now"}, DEADLINE) == {"ok": True}
        assert not answers
        replies["later"]({"ok": True, "outcome": "done"})
        replies["later"]({"ok": False, "error": "a second answer is nobody's"})
        slow.join(DEADLINE)
    assert answers == [{"ok": True, "outcome": "done"}]


def test_an_answer_larger_than_a_socket_buffer_arrives_whole(path):
    with serving(path, lambda request, reply: reply({"text": "x" * 2_000_000})):
        assert len(ask_agent(path, {}, DEADLINE)["text"]) == 2_000_000


def test_a_client_that_has_finished_sending_is_still_answered(path):
    with serving(path), connected(path) as client:
        client.sendall(b'{"command": "status"}\n')
        client.shutdown(socket.SHUT_WR)
        assert json.loads(everything(client))["ok"]


def test_a_request_in_pieces_is_one_request(path):
    with serving(path), connected(path) as client:
        for piece in (b'{"comm', b'and": "st', b'atus"}\n'):
            client.sendall(piece)
        assert json.loads(everything(client))["request"] == {"command": "status"}


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"\xff\xfe\n", b"\n", b"[" * 50_000 + b"\n"])
def test_what_is_no_request_is_refused(path, line):
    with serving(path), connected(path) as client:
        client.sendall(line)
        assert json.loads(everything(client)) == {"ok": False, "error": "a request is one line with a JSON object"}


def test_an_endless_line_is_refused(path):
    with serving(path, longest_line=100), connected(path) as client:
        client.sendall(b"x" * 101)
        assert json.loads(everything(client))["error"] == "a request has at most 100 bytes"


def test_clients_are_bounded_and_leave_room_when_they_go(path):
    with serving(path, most_clients=2):
        with connected(path), connected(path):
            assert "too many requests" in ask_agent(path, {}, DEADLINE)["error"]
            with connected(path), connected(path), connected(path) as fifth:
                assert everything(fifth) == b""
        while not ask_agent(path, {}, DEADLINE)["ok"]:  # the server learns in its own time that they went
            pass


def test_a_client_that_says_nothing_loses_its_connection(path):
    with serving(path, request_seconds=0.1), connected(path) as client:
        assert everything(client) == b""


def test_a_request_nobody_answers_is_refused_after_its_time(path):
    with serving(path, lambda request, reply: None, answer_seconds=0.1):
        assert ask_agent(path, {}, DEADLINE) == {"ok": False, "error": "the agent found no answer in time"}


def test_a_client_that_went_away_before_its_answer_disturbs_nobody(path):
    replies: list[Reply] = []
    asked = threading.Event()

    def handler(request: dict[str, Any], reply: Reply) -> None:
        if request:
            reply({"ok": True})
        replies.append(reply)
        asked.set()

    with serving(path, handler):
        with connected(path) as client:
            client.sendall(b"{}\n")
            assert asked.wait(DEADLINE)
        replies[0]({"text": "x" * 1_000_000})
        assert ask_agent(path, {"command": "status"}, DEADLINE) == {"ok": True}


def test_a_mistake_in_the_handler_is_logged_and_told(path, caplog):
    def handler(request: dict[str, Any], reply: Reply) -> None:
        raise ZeroDivisionError

    with serving(path, handler):
        assert "its journal says how" in ask_agent(path, {"command": "status"}, DEADLINE)["error"]
        assert not ask_agent(path, {"command": "status"}, DEADLINE)["ok"]
    assert caplog.records[0].__dict__["command"] == "status"


def test_only_user_and_group_may_connect_whatever_the_umask(path):
    previous = os.umask(0)
    try:
        with serving(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(previous)


def test_the_socket_goes_when_the_agent_goes(path):
    with serving(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_socket_left_by_a_killed_agent_is_replaced(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))
    with serving(path):
        assert ask_agent(path, {}, DEADLINE)["ok"]


def test_a_second_agent_is_refused_and_the_first_keeps_its_socket(path):
    with serving(path):
        with pytest.raises(ControlError, match="another agent is running"):
            ControlServer(path, echo).run(threading.Event(), lambda: None)
        assert ask_agent(path, {}, DEADLINE)["ok"]


def test_a_file_in_the_way_is_left_alone(path):
    path.write_text("precious")
    with pytest.raises(ControlError, match="remove it"):
        ControlServer(path, echo).run(threading.Event(), lambda: None)
    assert path.read_text() == "precious"


def test_a_missing_folder_is_a_sentence(path):
    with pytest.raises(ControlError, match="cannot be opened: No such file or directory"):
        ControlServer(path.parent / "absent" / "c", echo).run(threading.Event(), lambda: None)


def test_asking_where_no_agent_runs_says_so(path):
    with pytest.raises(AgentNotRunningError, match="no agent is running here"):
        ask_agent(path, {}, 1.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))
    with pytest.raises(AgentNotRunningError):
        ask_agent(path, {}, 1.0)


def test_asking_without_permission_says_what_to_do(path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    with serving(path):
        path.parent.chmod(0o755)
        path.chmod(0o600)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                ask_agent(path, {}, 5.0)
            except ControlError as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert b"use sudo, or join the group thalovant-agent" in os.read(reading, 1000)
        os.close(reading)
        os.close(writing)


@contextmanager
def stranger(path: Path, say: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody else listens at the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                say(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(DEADLINE)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "stopped before it answered"),
        (b"220 mail ready\n", "is no agent"),
        (b'{"ok": tr', "is no agent"),
        (b"[1]\n", "is no agent"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(path, said, sentence):
    with stranger(path, lambda connection: connection.sendall(said)), pytest.raises(ControlError, match=sentence):
        ask_agent(path, {}, DEADLINE)


def test_an_agent_that_does_not_answer_is_not_waited_for_longer_than_asked(path):
    release = threading.Event()

    def say(connection: socket.socket) -> None:
        release.wait(DEADLINE)

    with stranger(path, say):
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 seconds"):
            ask_agent(path, {}, 0.1)
        release.set()
