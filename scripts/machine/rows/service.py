"""The service: installed, provisioned, killed, hung, reloaded, upgraded, and what its sandbox keeps from it."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

from scripts.machine.appliance import CONFIG, UNIT, Appliance
from scripts.machine.table import Row
from tests.appliance import probes

_INSIDE = Path(__file__).resolve().parents[1] / "inside"
_UNIT_FILE = "/usr/lib/systemd/system/thalovant-agent.service"
_DROP_IN = f"/run/systemd/system/{UNIT}.service.d/machine.conf"


def install(appliance: Appliance) -> str:
    """By `dpkg`, on a system that never had it; it runs at once, and says that it has no identity."""
    appliance.trust_hub()
    appliance.put("/etc/thalovant-agent/agent.toml", CONFIG)
    appliance.install(appliance.package)
    state = appliance.sh(f"systemctl is-active {UNIT}; systemctl is-enabled {UNIT}", check=False).out.split()
    assert state == ["active", "enabled"], state
    trouble = appliance.wait_status(lambda status: status["identity"]["trouble"], "no identity")["identity"]["trouble"]
    appliance.sh("sync")
    return f"{appliance.package.name}; it says: {trouble[:60]}"


def provision(appliance: Appliance) -> str:
    """The identity is dropped on the boot partition and the power goes on: taken, sealed, and removed from there."""
    appliance.put("/boot/firmware/thalovant-identity.json", appliance.identity())
    appliance.sh("sync")
    appliance.machine.cut("drop", random.Random(1))
    appliance.machine.boot()
    appliance.wait_up()
    left = appliance.sh("ls -A /boot/firmware").out.split()
    assert not left, f"left on the boot partition: {left}"
    secret = json.loads(appliance.identity())["access_key"]
    found = appliance.sh(f"grep -rl {secret} /etc /boot /var", check=False).out
    assert not found, f"the key can be read in {found}"
    shown = json.loads(appliance.sh("thalovant-agent identity show --json").out)
    return "link up after the next boot; " + ("sealed" if shown["sealed"] else "kept in a file of mode 600")


def first_scan(appliance: Appliance) -> str:
    """Read, stored, sent, and answered by the hub."""
    began = time.monotonic()
    appliance.scan("FIRST-1")
    appliance.arrive("FIRST-1")
    appliance.wait_stored(0)
    return f"answered within {time.monotonic() - began:.1f} s"


def kill(appliance: Appliance) -> str:
    """`kill -9` with scans waiting: back by itself, and every one of them arrives."""
    restarts = int(appliance.show("NRestarts"))
    codes = [f"KILL-{number}" for number in range(5)]
    with appliance.hub_away():
        appliance.scan(*codes)
        appliance.sh(f"systemctl kill -s KILL {UNIT}")
        appliance.wait_restarts(restarts + 1)
        appliance.wait_stored(len(codes))
    appliance.arrive(*codes)
    assert appliance.order_of("KILL-") == codes
    return f"{len(codes)} of {len(codes)} waiting scans arrived, in order"


def hung_thread(appliance: Appliance) -> str:
    """One thread of many stands still: systemd ends the agent, which says where it stood, and starts it anew.

    A thread has 200 s before it counts as hung, so this takes as long.
    """
    appliance.put(_DROP_IN, "[Service]\nWatchdogSec=8s\n")
    appliance.put("/root/stop-thread", (_INSIDE / "stop-thread").read_bytes())
    try:
        appliance.sh(f"systemctl daemon-reload; systemctl restart {UNIT}")
        appliance.wait_up()
        appliance.scan("HUNG-1")
        restarts = int(appliance.show("NRestarts"))
        began = time.monotonic()
        # It holds the thread for as long as it runs.
        appliance.sh(f"systemd-run --unit=stop-thread python3 /root/stop-thread {appliance.show('MainPID')}")
        limit = "journalctl -b -u thalovant-agent -o cat | grep 'worker makes no progress'"
        named = appliance.wait(limit, timeout=400)
        appliance.wait_restarts(restarts + 1)
        took = time.monotonic() - began
        worker = re.search(r"worker=(\S+)", named)
        journal = appliance.journal()
        assert "Watchdog timeout" in journal, journal[-600:]
        assert "Thread 0x" in journal, "no stacks in the journal"
        appliance.scan("HUNG-2")
        appliance.arrive("HUNG-1", "HUNG-2")
        name = worker[1] if worker else named
        return f'the thread of "{name}" held still; up again after {took:.0f} s, with all stacks in the journal'
    finally:
        appliance.sh(f"systemctl stop stop-thread; rm {_DROP_IN}; systemctl daemon-reload", check=False)
        appliance.sh(f"systemctl restart {UNIT}")


def broken_configuration(appliance: Appliance) -> str:
    """`systemctl reload` refuses it, the agent goes on, and so does the next start: with the last one that worked."""
    pid = appliance.show("MainPID")
    appliance.put("/etc/thalovant-agent/agent.toml", CONFIG + "nonsense = 1\n")
    assert appliance.sh(f"systemctl reload {UNIT}", check=False).code, "reload took it"
    assert appliance.show("MainPID") == pid, "the agent was started anew"
    appliance.scan("RELOAD-1")
    appliance.sh(f"systemctl restart {UNIT}")
    appliance.wait(f"journalctl -b -u {UNIT} -o cat | grep -q 'last configuration that worked'")
    appliance.scan("RELOAD-2")
    trouble = appliance.wait_status(lambda status: status["configuration"]["trouble"], "the configuration's trouble")
    appliance.put("/etc/thalovant-agent/agent.toml", CONFIG)
    appliance.wait_up()
    appliance.sh(f"systemctl reload {UNIT}")
    appliance.wait_status(lambda status: not status["configuration"]["trouble"], "the configuration in use")
    appliance.arrive("RELOAD-1", "RELOAD-2")
    return f"refused, 2 scans meanwhile arrived; status: {trouble['configuration']['trouble'][:60]}"


def upgrade(appliance: Appliance) -> str:
    """A later version and back again, both by `dpkg`, with scans waiting."""
    codes = [f"UPGRADE-{number}" for number in range(6)]
    was = appliance.status()["version"]
    with appliance.hub_away():
        appliance.scan(*codes[:3])
        appliance.install(appliance.later)
        now = appliance.wait_status(lambda status: status["version"] != was, "the later version")["version"]
        appliance.wait_stored(3)
        appliance.scan(*codes[3:])
        appliance.install(appliance.package)
        appliance.wait_status(lambda status: status["version"] == was, "the version before")
        appliance.wait_stored(6)
    appliance.arrive(*codes)
    assert appliance.order_of("UPGRADE-") == codes
    return f"{was} to {now} and back; 6 of 6 waiting scans arrived, in order"


def journal_fields(appliance: Appliance) -> str:
    """Facts are fields, and neither a secret nor what was scanned is in any of them."""
    entries = [
        json.loads(line) for line in appliance.sh(f"journalctl -u {UNIT} -o json --no-pager").out.splitlines() if line
    ]
    entry = next(entry for entry in reversed(entries) if "THALOVANT_PROTOCOL" in entry)
    assert entry["SYSLOG_IDENTIFIER"] == "thalovant-agent"
    assert entry["THALOVANT_PROTOCOL"] in {"mqtt", "wss", "https"}
    assert entry["PRIORITY"] == "6"
    assert all(entry[name] for name in ("MESSAGE", "LOGGER", "THREAD_NAME", "CODE_FILE", "CODE_LINE", "CODE_FUNC"))
    everything = json.dumps(entries)
    identity = json.loads(appliance.identity())
    for secret in (identity["access_key"], identity["password"], "FIRST-1", "KILL-0"):
        assert secret not in everything, "a secret or a code is in the journal"
    fields = {name for entry in entries for name in entry if name.startswith("THALOVANT_")}
    return f"{len(fields)} fields of ours in {len(entries)} entries, no secret and no code in any"


def sandbox(appliance: Appliance) -> str:
    """Probes in the agent's unit, in its place: each denial and each permission is tried."""
    appliance.make_pins()
    appliance.sh(f"systemctl stop {UNIT}; ln -sf /dev/ttyS1 /dev/counter")
    appliance.put("/srv/probes.py", Path(probes.__file__).read_bytes())
    appliance.put("/srv/device-probes", (_INSIDE / "device-probes").read_bytes())
    unit = appliance.sh(f"cat {_UNIT_FILE}").out
    unit = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/usr/bin/python3 -B /srv/device-probes", unit)
    unit = re.sub(r"(?m)^(Type|NotifyAccess|Restart|WatchdogSec|ExecReload)=.*$", "", unit)
    appliance.put("/run/systemd/system/probes.service", unit.replace("[Service]", "[Service]\nType=oneshot"))
    appliance.sh("systemctl daemon-reload; systemctl start probes")
    lines = appliance.sh("journalctl -b -u probes -o cat --no-pager").out.splitlines()
    found = json.loads(next(line for line in lines if line.startswith('{"denied"')))
    allowed = [name for name, error in found["denied"].items() if not error]
    denied = [f"{name} ({error})" for name, error in found["allowed"].items() if error]
    assert not allowed, f"not denied: {', '.join(allowed)}"
    assert not denied, f"denied: {', '.join(denied)}"
    score = appliance.sh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1").out
    number = re.search(r"[\d.]+(?= \w+)", score)
    return f"{len(found['denied'])} denied, {len(found['allowed'])} allowed; exposure {number[0] if number else score}"


ROWS = (
    Row("install", install, first=True, mends=False),
    Row("provision by a file on the boot partition", provision, first=True, mends=False),
    Row("first scan answered", first_scan),
    Row("kill -9", kill),
    Row("one hung thread", hung_thread),
    Row("reload with a broken configuration", broken_configuration),
    Row("upgrade and rollback with scans waiting", upgrade),
    Row("journal fields", journal_fields),
    Row("sandbox", sandbox),
)
