"""What no service can be asked for: the power goes, the clock is wrong, the disk is worn out."""

from __future__ import annotations

import datetime
import random
import time

from scripts.machine.appliance import Appliance
from scripts.machine.guest import GuestError
from scripts.machine.table import Row, SkipRow
from scripts.machine.time_server import TimeServer
from tests.peers.hub import utterance

_SCANS = 100


def power_cut(appliance: Appliance) -> str:
    """In the middle of 100 scans the plug is pulled; the same disk boots again and the rest is scanned."""
    chance = random.Random(8)
    codes = [f"POWER-{number:03}" for number in range(_SCANS)]
    middle = _SCANS // 2
    with appliance.hub_away():
        appliance.scan(*codes[:middle])
        appliance.machine.scan(codes[middle])  # cut off in the middle of whatever happens to it
        time.sleep(chance.uniform(0.0, 0.05))
        blocks = appliance.machine.cut("drop", chance)
        appliance.machine.boot()
        waiting = appliance.wait_status(lambda status: True, "the agent")["outbox"]["waiting"]
        assert waiting >= middle, f"{middle} were accepted, and {waiting} are stored"
        appliance.scan(*codes[middle + 1 :])
    accepted = codes[:middle] + codes[middle + 1 :]
    appliance.arrive(*accepted)
    arrived = [code for code in appliance.order_of("POWER-") if code != codes[middle]]
    assert arrived == accepted, "not in order"
    twice = sum(len(appliance.hub.received(utterance(code))) > 1 for code in accepted)
    return f"{blocks} blocks not flushed; {len(accepted)} of {len(accepted)} accepted arrived in order, {twice} twice"


def wrong_clock(year: int) -> Row:
    """A board that believes in another time until a time server tells it: scans are kept, and none is misdated."""

    def run(appliance: Appliance) -> str:
        code = f"CLOCK-{year}"
        appliance.sh("rm -f /var/lib/systemd/timesync/clock; sync")
        appliance.machine.power_off()
        appliance.machine.boot(clock=f"{year}-01-02T00:00:00")
        says = appliance.sh("date -u +%Y-%m-%d").out.strip()
        # systemd makes it at least the day it was built on; without that it goes on as the chip has it.
        appliance.sh(f"date -u -s {year}-01-02")
        status = appliance.wait_status(lambda status: status["link"]["cause"] == "clock", "the clock as the cause")
        advice = status["link"]["advice"]
        assert "clock" in advice, advice
        appliance.scan(code)
        began = time.time()
        try:
            with TimeServer():
                appliance.sh("systemctl restart systemd-timesyncd")
                appliance.wait("test -e /run/systemd/timesync/synchronized")
                appliance.wait_up()
                appliance.arrive(code)
        except OSError as error:
            raise SkipRow(f"no time server can be had here: {error}") from None
        made = appliance.hub.received(utterance(code))[-1]["context"]["made_at"]
        moment = datetime.datetime.fromisoformat(made["time"]).timestamp()
        assert made["sure"], made
        assert abs(moment - began) < 60, f"dated {made['time']}"
        return f'"{advice[:22]}"; a scan of then is dated right, to {abs(moment - began):.0f} s (systemd said {says})'

    return Row(f"clock at {year} at the start", run)


def worn_out_disk(appliance: Appliance) -> str:
    """Writes fail with EIO: no beep, the reason on the display; after a new start all that was accepted arrives."""
    with appliance.hub_away():
        appliance.scan("DISK-1", "DISK-2")
        appliance.machine.disk.broken = True
        appliance.machine.scan("DISK-3")
        if not appliance.machine.wait_shown(b"NOT accepted", timeout=90):
            raise GuestError("DISK-3 was scanned, and the display did not say that it was not accepted")
        assert not appliance.machine.wait_shown(b"DISK-3: kept", timeout=2), "told as kept after all"
        trouble = appliance.wait_status(lambda status: status["outbox"]["trouble"], "the disk's trouble")
        assert trouble["state"] == "attention"
        appliance.machine.cut("drop", random.Random(9))
        appliance.machine.disk.broken = False
        appliance.machine.boot()
        appliance.wait_stored(2)
        appliance.scan("DISK-4")
    appliance.arrive("DISK-1", "DISK-2", "DISK-4")
    assert "DISK-3" not in appliance.order_of("DISK-")
    return f"refused with: {trouble['outbox']['trouble'][:80]}"


ROWS = (
    Row("power cut in the middle of 100 scans", power_cut),
    wrong_clock(2000),
    wrong_clock(1970),
    Row("disk fails (EIO)", worn_out_disk),
)
