from __future__ import annotations

import array
import fcntl
import functools
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.config import Config, ScannerConfig
from agent.control_socket import ControlError, ask_agent
from agent.descriptor_store import DescriptorStore
from agent.input_devices import InputDevices
from agent.watchdog import sd_notify
from agent.workers import Workers
from hardware.facts import CodeScanned, DeviceFound, DeviceLost
from tests.peers.scanner import PtyScanner
from tests.peers.waiting import eventually

UNIT = Path(__file__).parents[2] / "systemd" / "thalovant-agent.service"
FIRST = 120  # where the tests hand descriptors over; 3 is somebody else's in this process


class Manager:
    """What systemd does with FDSTORE and FDSTOREREMOVE, and what it hands to the next start."""

    def __init__(self, path):
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self.notify = functools.partial(sd_notify, address=self.address)
        self._held: list[tuple[str | None, int]] = []

    @property
    def held(self):
        """The descriptors it holds by now, with their names."""
        while True:
            try:
                data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self._held
            orders = dict(line.split("=", 1) for line in data.decode().splitlines())
            name = orders.get("FDNAME")
            if orders.get("FDSTOREREMOVE") == "1":
                for kept in [kept for kept in self._held if kept[0] == name]:
                    self._held.remove(kept)
                    os.close(kept[1])
            if orders.get("FDSTORE") == "1":
                self._held.append((name, array.array("i", ancillary[0][2])[0]))

    def put(self, name, descriptor):
        self._held.append((name, descriptor))

    def hand_over(self, *, pid=None):
        """The environment of the next start, and its descriptors from FIRST on."""
        held = self.held
        for at, (_, descriptor) in enumerate(held):
            os.dup2(descriptor, FIRST + at)
        names = ":".join(name for name, _ in held)
        return {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": str(len(held)), "LISTEN_FDNAMES": names}

    def close(self):
        for _, descriptor in self.held:
            os.close(descriptor)
        self._socket.close()


@pytest.fixture
def manager():
    with tempfile.TemporaryDirectory() as folder:
        manager = Manager(Path(folder) / "notify")
        yield manager
        manager.close()


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@contextmanager
def reading(config, manager, environ=None):
    """The inputs of one run of the agent; what they tell."""
    facts: list[object] = []
    workers = Workers()
    store = DescriptorStore(environ or {}, pid=os.getpid(), notify=manager.notify, first=FIRST)
    inputs = InputDevices(config, facts.append, workers, ports=store)
    inputs.start()
    try:
        yield facts
    finally:
        inputs.end(2.0)
        assert workers.stop(10) == []
        store.close()


def scanner(port, name="goods in: 1"):
    return Config(scanners=(ScannerConfig(name=name, port=str(port)),))


def told(facts, kind):
    return eventually(lambda: next((fact for fact in facts if isinstance(fact, kind)), None), what=kind.__name__)


def test_what_is_scanned_while_the_agent_is_away_arrives(manager, tmp_path):
    with PtyScanner(tmp_path / "port") as port:
        with reading(scanner(port.port), manager) as facts:
            told(facts, DeviceFound)
            ((name, _),) = eventually(lambda: manager.held)
            assert name == "scanner-goods%20in%3A%201"
        port.types(b"INV-1\rINV-2\r")
        with reading(scanner(port.port), manager, manager.hand_over()) as facts:
            eventually(lambda: [fact.value for fact in facts if isinstance(fact, CodeScanned)] == ["INV-1", "INV-2"])
        assert len(manager.held) == 1, "kept again, once"


def test_an_unplugged_scanner_is_held_no_longer(manager, tmp_path):
    with PtyScanner(tmp_path / "port") as port, reading(scanner(port.port), manager) as facts:
        told(facts, DeviceFound)
        assert manager.held
        port.unplug()
        told(facts, DeviceLost)
        assert manager.held == []


def test_a_port_whose_scanner_is_gone_from_the_configuration_is_given_back(manager, tmp_path):
    with PtyScanner(tmp_path / "port") as port:
        with reading(scanner(port.port, "old"), manager) as facts:
            told(facts, DeviceFound)
        with reading(scanner(port.port, "new"), manager, manager.hand_over()) as facts:
            eventually(
                lambda: [name for name, _ in manager.held] == ["scanner-new"], what="the port under its new name"
            )
            port.types(b"INV-1\r")
            assert told(facts, CodeScanned).scanner == "new"
            assert not is_open(FIRST)


def is_exclusive(port):
    """Whether the kernel turns away all but root who open the port (TIOCGEXCL of ioctl_tty(2))."""
    return bool(struct.unpack("i", fcntl.ioctl(port, 0x80045440, b"\0\0\0\0"))[0])


def test_a_port_that_nobody_wants_is_open_to_all_again(manager, tmp_path):
    with PtyScanner(tmp_path / "port") as port, open(port.device, "rb+", buffering=0) as other:
        with reading(scanner(port.port), manager) as facts:
            told(facts, DeviceFound)
        assert is_exclusive(other)
        with reading(Config(), manager, manager.hand_over()):
            assert manager.held == []
            assert not is_exclusive(other)


def test_ports_are_passed_on_to_who_follows_in_the_same_process(manager, tmp_path):
    store = DescriptorStore({}, pid=os.getpid(), notify=manager.notify, first=FIRST)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "stale"}
    store.pass_on(environ, pid=os.getpid())
    assert environ == {}
    for name in ("a", "b"):
        with (tmp_path / name).open("w") as file:
            file.write(name)
        with (tmp_path / name).open() as file:
            store.keep(name, file.fileno())
            store.keep(name, file.fileno())
    store.pass_on(environ, pid=os.getpid())
    store.close()
    ports = DescriptorStore(environ, pid=os.getpid(), notify=manager.notify, first=FIRST).adopt()
    assert {name: os.read(descriptor, 9) for name, descriptor in ports.items()} == {"a": b"a", "b": b"b"}
    for descriptor in ports.values():
        os.close(descriptor)


def test_what_is_nobody_s_is_closed_and_one_of_two_alike_too(manager):
    for name in ("stored", "scanner-a", "scanner-a"):
        manager.put(name, os.open(os.devnull, os.O_RDONLY))
    store = DescriptorStore(manager.hand_over(), pid=os.getpid(), notify=manager.notify, first=FIRST)
    ports = store.adopt()
    assert ports == {"a": FIRST + 1}
    assert [is_open(FIRST + at) for at in range(3)] == [False, True, False]
    assert not os.get_inheritable(FIRST + 1), "the speech command has no business with it"
    assert store.adopt() == {}, "handed out once"
    store.drop(ports)
    assert not is_open(FIRST + 1)
    assert manager.held == []


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "scanner-a"},  # another process's
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many", "LISTEN_FDNAMES": "scanner-a"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "scanner-a:scanner-b"},  # not open
    ],
)
def test_an_environment_that_hands_over_nothing_is_no_trouble(environ, manager):
    assert DescriptorStore(environ, pid=os.getpid(), notify=manager.notify, first=900).adopt() == {}


def test_a_name_too_long_for_systemd_is_not_kept(manager):
    store = DescriptorStore({}, pid=os.getpid(), notify=manager.notify)
    store.keep("ü" * 50, 0)
    store.forget("ü" * 50)
    assert manager.held == []


def test_the_unit_keeps_as_many_as_a_counter_has():
    assert "\nFileDescriptorStoreMax=16\n" in UNIT.read_text(encoding="utf-8")


def test_keyboards_are_for_those_alone_who_ask_for_them():
    optional = (UNIT.parent / "optional" / "keyboard-scanner.conf").read_text(encoding="utf-8")
    for line in ("SupplementaryGroups=input", "DeviceAllow=char-input rw"):
        assert line in optional.splitlines()
    assert "input" not in [
        group for line in UNIT.read_text().splitlines() if "Groups=" in line for group in line.split()
    ]
    assert "char-input" not in UNIT.read_text()


def test_an_agent_that_is_killed_or_reloaded_gets_its_ports_back(manager, tmp_path):
    with tempfile.TemporaryDirectory() as short, PtyScanner(tmp_path / "port") as port:
        folder = Path(short)
        (folder / "agent.toml").write_text(
            f'[identity]\nfile = "identity.json"\nstate = "state"\n[control]\nsocket = "c.sock"\n'
            f'[[scanner]]\nname = "counter"\nport = "{port.port}"\n'
        )

        def waiting():
            assert manager.held is not None  # it reads on, or nobody could tell it any more
            try:
                return ask_agent(folder / "c.sock", {"command": "status"}, 5.0)["outbox"]["waiting"]
            except ControlError:
                return None

        agent = start(folder, manager)
        try:
            port.types(b"INV-1\r")
            eventually(lambda: waiting() == 1, timeout=30, what="the first scan in the outbox")
            eventually(lambda: manager.held, what="the port kept")
            agent.kill()
            agent.wait(10)
            port.types(b"INV-2\r")
            # The port is locked by the one who holds it: nobody could open it anew.
            agent = start(folder, manager)
            eventually(lambda: waiting() == 2, timeout=30, what="the scan that was made meanwhile")
            agent.send_signal(signal.SIGHUP)  # another agent in the same process, which nobody hands anything
            port.types(b"INV-3\r")
            eventually(lambda: waiting() == 3, timeout=30, what="the scan after that")
            port.types(b"INV-4\r")
            eventually(lambda: waiting() == 4, timeout=30, what="a scan by the one that followed")
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(10) == 0
        finally:
            agent.kill()
            agent.wait(10)


def start(folder, manager):
    """The agent as systemd starts it: descriptors from 3 on, in a process whose number it is told."""
    held = manager.held
    command = [sys.executable, "-m", "agent", "run", "--config", str(folder / "agent.toml")]
    moved = "; ".join(f"os.dup2({descriptor}, {at})" for at, (_, descriptor) in enumerate(held, 3))
    told = "os.environ['LISTEN_PID'] = str(os.getpid())"
    become = f"import os; {moved or 'pass'}; {told}; os.execv({command[0]!r}, {command})"
    return subprocess.Popen(
        [sys.executable, "-c", become],
        cwd=Path(__file__).parents[2],
        pass_fds=[descriptor for _, descriptor in held],
        env={
            **os.environ,
            "NOTIFY_SOCKET": manager.address,
            "LISTEN_FDS": str(len(held)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in held),
        },
    )
