"""What the sandbox allows and denies, tried from inside: run in the place of the agent, prints one JSON object.

Standard library alone: it runs with the system's Python in a unit that is the agent's but for the program.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import subprocess
import time
from collections.abc import Callable

_CLONE_NEWNET = 0x40000000
_ABSOLUTE_CANCELLED_ON_SET = 3  # TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET


def _write(path: str) -> Callable[[], object]:
    def probe() -> None:
        with open(path, "a") as file:
            file.write("x")

    return probe


def _read(path: str) -> Callable[[], object]:
    def probe() -> None:
        with open(path, "rb") as file:
            file.read(1)

    return probe


def _libc(name: str, *arguments: object) -> Callable[[], object]:
    def probe() -> None:
        if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), name)

    return probe


def _suid() -> None:
    path = os.path.join(os.environ["STATE_DIRECTORY"], "suid")
    with open(path, "w"):
        pass
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def _sees_others() -> None:
    if not [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]:
        raise PermissionError("only itself is in /proc")


def _real_time() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def _hear_of_a_set_clock() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(time.CLOCK_REALTIME, os.O_CLOEXEC)
    moment = (ctypes.c_long * 4)(0, 0, 1 << 32, 0)
    if timer < 0 or libc.timerfd_settime(timer, _ABSOLUTE_CANCELLED_ON_SET, ctypes.byref(moment), None) != 0:
        raise OSError(ctypes.get_errno(), "timerfd")
    os.close(timer)


def _listen_locally() -> None:
    with socket.socket(socket.AF_INET) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()


DENIED: dict[str, Callable[[], object]] = {
    "write to /etc": _write("/etc/probe"),
    "write to /usr": _write("/usr/probe"),
    "write to its own configuration": _write("/etc/thalovant-agent/agent.toml"),
    "write to its own program": _write("/opt/thalovant-agent/probe"),
    "read root's home": lambda: os.listdir("/root"),
    "read /etc/shadow": _read("/etc/shadow"),
    "read the kernel's log": _read("/dev/kmsg"),
    "set a kernel tunable": _write("/proc/sys/kernel/sysrq"),
    "see other processes": _sees_others,
    "talk raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "talk netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "make memory both writable and executable": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ).close(),
    "make a file that lends its owner's rights": _suid,
    "make a namespace": _libc("unshare", _CLONE_NEWNET),
    "mount": _libc("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: socket.sethostname("probe"),
    "run before everybody else": _real_time,
}

ALLOWED: dict[str, Callable[[], object]] = {
    "write to its state": _write(os.path.join(os.environ.get("STATE_DIRECTORY", "/var/lib"), "probe")),
    "write to its working directory": _write("probe"),
    "write to /tmp": _write("/tmp/probe"),
    "read its configuration": _read("/etc/thalovant-agent/agent.toml"),
    "use the scanner": lambda: os.close(os.open("/dev/counter", os.O_RDWR | os.O_NOCTTY)),
    "use the network": _listen_locally,
    "hear of a set clock": _hear_of_a_set_clock,
    "run a command": lambda: subprocess.run(["/bin/sh", "-c", "cat </dev/null"], check=True),
    "read the board's revision": _read("/proc/cpuinfo"),
}


def main() -> None:
    result: dict[str, dict[str, str]] = {"denied": {}, "allowed": {}}
    for group, probes in (("denied", DENIED), ("allowed", ALLOWED)):
        for name, probe in probes.items():
            try:
                probe()
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                result[group][name] = str(error)
            else:
                result[group][name] = ""
    print(json.dumps(result))


if __name__ == "__main__":
    main()
