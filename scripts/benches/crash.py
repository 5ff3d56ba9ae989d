"""Kill the agent at every step of a scan's way, count what arrives: `crash --runs 1000 --seed 1`.

A real agent process, scanner, broker and hub. Each run is one life of the agent that ends by SIGKILL right before or
after a step, or at any moment; the next life finds what the last one left. Accepted is what beeped. SIGKILL proves that
nothing is told before it is written, not that what is written is on the card: for that the machine must lose its power.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.crash.lives import FAULTS, Account, Device
from tests.peers.hub import Hub


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix and print it; 0 when nothing accepted was lost."""
    parser = argparse.ArgumentParser(prog="crash", description="Kill the agent at every step, count what arrives.")
    parser.add_argument("--runs", type=int, default=100, help="lives of the agent")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    chance = random.Random(options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        folder = Path(name)
        with Hub(folder / "hub") as hub, Device(folder / "device", hub) as device:
            run(device, options.runs, chance)
            accounts = device.accounts()
    print(f"{options.runs} runs, seed {options.seed}, {time.monotonic() - began:.0f} s")
    print(table(accounts))
    repeats = sum(account.repeats for account in accounts)
    fine = not any(account.lost or account.other_ids for account in accounts) and repeats <= options.runs
    print("nothing accepted was lost" if fine else "NOT as promised")
    return 0 if fine else 1


def run(device: Device, runs: int, chance: random.Random) -> None:
    """So many lives, the faults in turn, then one that ends well."""
    for number in range(runs):
        codes = [f"CODE-{number:05}-{index}" for index in range(chance.randint(2, 4))]
        device.live(
            FAULTS[number % len(FAULTS)],
            codes,
            protocol=chance.choice(("mqtt", "mqtt", "wss")),
            visits=chance.randint(1, 2),
            chance=chance,
        )
    device.finish()


def table(accounts: Sequence[Account]) -> str:
    """One line for each fault, and their sum."""
    total = Account("all", *(sum(column) for column in zip(*map(_figures, accounts), strict=True)))
    head = f"{'fault':<16}{'runs':>7}{'accepted':>10}{'arrived':>9}{'lost':>6}{'repeats':>9}{'another id':>12}"
    lines = [
        f"{one.fault:<16}{one.runs:>7}{one.accepted:>10}{one.arrived:>9}{one.lost:>6}{one.repeats:>9}{one.other_ids:>12}"
        for one in (*accounts, total)
    ]
    return "\n".join([head, *lines])


def _figures(one: Account) -> tuple[int, ...]:
    return one.runs, one.accepted, one.arrived, one.lost, one.repeats, one.other_ids


if __name__ == "__main__":
    sys.exit(main())
