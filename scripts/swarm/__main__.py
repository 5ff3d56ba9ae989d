"""The fleet's command: `scripts/fleet simulate` and `scripts/fleet real`."""

from __future__ import annotations

import argparse
import sys

from scripts.swarm.simulation import Outage, Spread, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="fleet", description="How a fleet comes back when it loses its hub.")
    commands = parser.add_subparsers(required=True)
    simulated = commands.add_parser("simulate", help="the production state machine, without sockets")
    simulated.add_argument("--devices", type=int, default=10_000)
    simulated.add_argument("--seed", type=int, default=1)
    simulated.set_defaults(run=_simulate)
    real = commands.add_parser("real", help="real links at a real hub on this machine")
    real.add_argument("--devices", type=int, default=200)
    real.add_argument("--processes", type=int, default=2)
    real.add_argument("--protocol", choices=("mqtt", "wss", "https"), default="wss")
    real.add_argument("--away", type=float, default=10.0, help="seconds the hub is away (default: 10)")
    real.set_defaults(run=_real)
    options = parser.parse_args()
    return int(options.run(options))


def _simulate(options: argparse.Namespace) -> int:
    print(f"{options.devices} devices, seed {options.seed}; peak and total in attempts, back in seconds after the hub")
    print(f"{'lost':<22}{'away':>7}{'peak/s':>9}{'of fleet':>10}{'attempts':>10}{'p50':>7}{'p95':>7}{'last':>7}")
    worst = 0.0
    for title, protocols, silent in (
        ("WSS alone", ("wss",), False),
        ("MQTT, by its silence", ("mqtt", "wss", "https"), True),
    ):
        for away in (5.0, 60.0, 600.0, 3600.0):
            outage = Outage(devices=options.devices, protocols=protocols, away=away, silent=silent)
            spread = simulate(outage, seed=options.seed)
            worst = max(worst, spread.peak_per_second / options.devices, spread.percentile(0.95) / 150 * 0.02)
            _row(title, away, spread, options.devices)
    within = worst <= 0.02
    print("within 2 % of the fleet a second, and 95 % back within 150 s" if within else "NOT within the limits")
    return 0 if within else 1


def _real(options: argparse.Namespace) -> int:
    from scripts.swarm.real import run

    came = run(devices=options.devices, processes=options.processes, protocol=options.protocol, away=options.away)
    back = came.back_after
    print(f"hub away {options.away:g} s: {len(back)} of {options.devices} back, {came.twice} twice")
    if back:
        p50, p95 = (back[min(int(share * len(back)), len(back) - 1)] for share in (0.5, 0.95))
        print(f"seconds after its return: p50 {p50:.0f}, p95 {p95:.0f}, last {back[-1]:.0f}")
        print(f"busiest second: {came.attempts_per_second} came up")
        for first in range(0, int(back[-1]) + 1, 10):
            count = sum(first <= moment < first + 10 for moment in back)
            print(f"{first:>4} s {count:>4} {'#' * count}")
    return 1 if came.missing or came.twice else 0


def _row(title: str, away: float, spread: Spread, devices: int) -> None:
    share = spread.peak_per_second / devices
    print(
        f"{title:<22}{away:>7.0f}{spread.peak_per_second:>9}{share:>10.2%}{spread.attempts:>10}"
        f"{spread.percentile(0.5):>7.0f}{spread.percentile(0.95):>7.0f}{spread.back_after[-1]:>7.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
