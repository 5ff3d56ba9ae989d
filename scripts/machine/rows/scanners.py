"""Scanners that are really plugged in and pulled out, and what is scanned while nobody reads."""

from __future__ import annotations

import threading
from pathlib import Path

from scripts.machine.appliance import CONFIG, UNIT, Appliance
from scripts.machine.guest import Done, GuestError
from scripts.machine.plugs import KeyboardScanner, SerialScanner
from scripts.machine.table import Row

_KEYBOARD_DROP_IN = "/run/systemd/system/thalovant-agent.service.d/keyboard-scanner.conf"
_OPTIONAL = Path(__file__).resolve().parents[3] / "systemd" / "optional" / "keyboard-scanner.conf"


def _with_scanner(lines: str) -> str:
    return f'{CONFIG}\n[[scanner]]\nname = "gate"\nrepeat_seconds = 0\n{lines}\n'


def unplugged(appliance: Appliance) -> str:
    """Pulled out in the middle of a code, and in again while another device has taken its number."""
    gate, other = SerialScanner(appliance.machine, "GATE-1", port=1), SerialScanner(appliance.machine, "OTHER", port=2)
    gate.plug_in()
    try:
        path = appliance.wait("ls /dev/serial/by-path/* | grep -v OTHER | head -n 1 | grep .")
        appliance.configure(_with_scanner(f'port = "{path}"'))
        appliance.wait_input("gate")
        before = appliance.sh(f"readlink -f {path}").out.strip()
        gate.types(b"PLUG-1\rPLUG-HA")
        appliance.arrive("PLUG-1")
        gate.unplug()
        trouble = appliance.wait_input("gate", works=False)
        other.plug_in()
        appliance.wait(f"test -e {before}")
        gate.plug_in()
        appliance.wait_input("gate")
        now = appliance.sh(f"readlink -f {path}").out.strip()
        assert now != before, "it came back under its old number"
        gate.types(b"PLUG-2\r")
        appliance.arrive("PLUG-2")
        assert appliance.order_of("PLUG-") == ["PLUG-1", "PLUG-2"], "half a code was taken for one"
        return f'from {before[5:]} to {now[5:]}; meanwhile: "{trouble[:70]}"'
    finally:
        for scanner in (gate, other):
            _pull(scanner)


def kept_open(appliance: Appliance) -> str:
    """Scans while the service is restarted, and while it is dead after `kill -9`: systemd kept the port open."""
    gate = SerialScanner(appliance.machine, "GATE-2", port=1)
    gate.plug_in()
    drop_in = f"/run/systemd/system/{UNIT}.service.d/late.conf"
    try:
        path = appliance.wait("ls /dev/serial/by-id/*GATE-2*")
        appliance.put(drop_in, "[Service]\nRestartSec=5s\n")  # so that it is dead for long enough to be sure
        appliance.sh("systemctl daemon-reload")
        appliance.configure(_with_scanner(f'port = "{path}"'))
        appliance.wait_input("gate")
        gate.types(b"KEPT-0\r")
        appliance.arrive("KEPT-0")
        pid = appliance.show("MainPID")
        appliance.sh(f"systemctl kill -s KILL {UNIT}")
        appliance.wait(f"! test -e /proc/{pid}")
        gate.types(b"KEPT-1\rKEPT-2\r")
        assert appliance.sh(f"systemctl is-active {UNIT}", check=False).out.strip() == "activating", "it was not dead"
        appliance.arrive("KEPT-1", "KEPT-2")
        appliance.sh(f"systemctl restart --no-block {UNIT}")
        codes = [f"KEPT-{number}" for number in range(3, 23)]
        for code in codes:
            gate.types(code.encode() + b"\r")
            appliance.sh("sleep 0.1")
        appliance.arrive(*codes)
        assert appliance.order_of("KEPT-") == [f"KEPT-{number}" for number in range(23)]
        return f"2 of 2 while it was dead, {len(codes)} of {len(codes)} over the restart, in order"
    finally:
        appliance.sh(f"rm -f {drop_in}; systemctl daemon-reload", check=False)
        _pull(gate)


def cdc_acm(appliance: Appliance) -> str:
    """A scanner that is a USB serial port itself (CDC-ACM): read, pulled out, plugged in and read again."""
    appliance.sh("acm-scanner create SN4711")
    try:
        path = appliance.wait("ls /dev/serial/by-id/*SN4711*")
        appliance.configure(_with_scanner(f'port = "{path}"'))
        appliance.wait_input("gate")
        appliance.sh("stty -F /dev/ttyGS0 raw -echo; printf 'ACM-1\\r' >/dev/ttyGS0")
        appliance.arrive("ACM-1")
        appliance.sh("acm-scanner unplug")
        appliance.wait_input("gate", works=False)
        appliance.sh("acm-scanner plug")
        appliance.wait_input("gate")
        appliance.sh("printf 'ACM-2\\r' >/dev/ttyGS0")
        appliance.arrive("ACM-2")
        rules = appliance.sh("ls /dev/scanner/").out.split()
        assert "SN4711" in rules, rules
        return f"{path}, also as /dev/scanner/SN4711"
    finally:
        appliance.sh("acm-scanner unplug", check=False)


def keyboard(appliance: Appliance) -> str:
    """A scanner that poses as a USB keyboard, by vendor and product: its codes come here and into no console."""
    wedge = KeyboardScanner(appliance.machine, "wedge", port=3)
    typed: list[Done] = []
    wedge.plug_in()
    try:
        appliance.wait("ls /dev/input/by-id/*-event-kbd")
        # What the console gets is read from it; the first word shows that it would be.
        reading = "stty -F /dev/tty1 -icanon -echo; timeout 90 head -c 8 /dev/tty1"
        _typed(appliance, wedge, reading, "control\n")
        appliance.put(_KEYBOARD_DROP_IN, _OPTIONAL.read_text())
        appliance.sh("systemctl daemon-reload")
        appliance.configure(_with_scanner(f'device = "{KeyboardScanner.NUMBERS}"'))
        appliance.wait_input("gate")
        listener = threading.Thread(
            target=lambda: typed.append(appliance.sh("timeout 20 cat /dev/tty1 | wc -c", check=False))
        )
        listener.start()
        wedge.types("Ab-4711\n")
        appliance.arrive("Ab-4711")
        listener.join()
        assert typed[0].out.strip() == "0", f"the console got {typed[0].out.strip()} bytes"
        wedge.unplug()
        appliance.wait_input("gate", works=False)
        wedge.plug_in()
        appliance.wait_input("gate")
        wedge.types("Ab-4712\n")
        appliance.arrive("Ab-4712")
        return "2 of 2, also after it was plugged in anew; 0 bytes in the console, which gets them without the agent"
    finally:
        wedge.unplug()
        appliance.sh(f"rm -f {_KEYBOARD_DROP_IN}; systemctl daemon-reload", check=False)


def _typed(appliance: Appliance, wedge: KeyboardScanner, reading: str, word: str) -> None:
    """Show that what the keyboard types does reach the console while nobody has grabbed it."""
    got: list[Done] = []
    listener = threading.Thread(target=lambda: got.append(appliance.sh(reading, check=False)))
    listener.start()
    appliance.wait("fuser /dev/tty1 2>/dev/null || pgrep -f 'head -c 8 /dev/tty1'")
    wedge.types(word)
    listener.join()
    if got[0].out.strip() != word.strip():
        raise GuestError(f"the console got {got[0].out!r} of {word!r}")


def _pull(scanner: SerialScanner) -> None:
    if scanner.is_plugged_in:
        scanner.unplug()


ROWS = (
    Row("USB scanner pulled out in the middle of a code, renumbered", unplugged),
    Row("scans while the service is dead or restarts", kept_open),
    Row("CDC-ACM scanner", cdc_acm),
    Row("keyboard scanner, grabbed", keyboard),
)
