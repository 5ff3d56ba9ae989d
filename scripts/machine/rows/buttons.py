"""Buttons and knobs at real pins: lgpio, and the kernel's gpio-sim in the place of the header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardware.facts import ButtonPressed, DeviceFound, DeviceLost
from hardware.recording import Record
from scripts.machine.appliance import CONFIG, UNIT, Appliance
from scripts.machine.table import Row
from tests.hardware.gesture_table import GestureRow, rows
from tests.peers.hub import utterance

_INSIDE = Path(__file__).resolve().parents[1] / "inside"
_PINS = range(4, 28)  # those of the header that have no pull-up of their own
_LONGEST_SECONDS = 130.0
"""A button held for longer is stuck already, and nothing more comes of it: the rest of the wait is left out."""
_ATTEMPTS = 8
_APART_SECONDS = 0.3
"""From the first edge of one line to that of the next: two emulated processors do not keep up with two dozen contacts
that bounce at once, and the kernel then stamps edges 30 ms late and reads their levels later still."""
_PI = "processor\t: 0\nRevision\t: c03114\n"  # a Pi 4, without which gpiozero knows no pins
_PLAY = """
cd /root && rm -f watch drive && mkfifo watch drive
python3 -B watch-buttons <watch >facts 2>watch.err & watching=$!; exec 3>watch
python3 -B drive-lines <drive >driven 2>drive.err & driving=$!; exec 4>drive
cat plan >&4; until grep -q set driven; do kill -0 $driving || { cat drive.err >&2; exit 1; }; sleep 0.1; done
cat wanted >&3; until grep -q ready facts; do kill -0 $watching || { cat watch.err >&2; exit 1; }; sleep 0.1; done
echo >&4; wait $driving; sleep 2
echo >&3; wait $watching
tail -n 1 driven; cat facts
"""
_DROP_IN = f"/run/systemd/system/{UNIT}.service.d/pi.conf"
_BUTTONS = (
    CONFIG
    + """
[[button]]
name = "help"
pin = 17
payload = "/help"

[[button]]
name = "door"
pin = 27
payload = "/door"
"""
)


@dataclass(frozen=True, slots=True)
class _Play:
    """One line of the table, and the pins it is played on."""

    row: GestureRow
    pins: dict[str, int]

    @property
    def wanted(self) -> dict[str, Any]:
        """What `watch-buttons` wants to know."""
        row, pins = self.row, self.pins
        return {
            "buttons": [[name, pin, row.gestures] for name, pin in pins.items() if "/" not in name],
            "knobs": [["volume", pins["volume/a"], pins["volume/b"]]] if "volume/a" in pins else [],
            "chord": row.chords[0].hold_seconds if row.chords else None,
            "hold": 0.8,
            "pull": "none",  # gpio-sim takes a wanted pull for a hand at the button
        }

    def driven(self, times: Sequence[float]) -> list[Record]:
        """The recording as it was really played."""
        moments = iter(times)
        return [replace(one, at=next(moments) if one.kind == "edge" else times[0] - 1) for one in self.row.records]

    def edges(self) -> list[tuple[float, int, bool]]:
        """When which line goes where, in seconds from the start."""
        out: list[tuple[float, int, bool]] = []
        at, before = 1.0, None
        for record in self.row.records:
            if before is not None:
                at += min(record.at - before, _LONGEST_SECONDS)
            before = record.at
            if record.kind == "edge":
                out.append((at, self.pins[record.name], _is_high(record)))
        return out

    def start(self) -> dict[int, bool]:
        """The levels before anybody looks."""
        levels = dict.fromkeys(self.pins.values(), True)
        for record in self.row.records:
            if record.kind == "level":
                levels[self.pins[record.name]] = _is_high(record)
        return levels


def _is_high(record: Record) -> bool:
    # A pressed button is low; a contact of a knob is told as it is.
    return (record.data == "1") == ("/" in record.name)


def _batches(left: Sequence[GestureRow]) -> list[list[_Play]]:
    """As many lines at a time as there are pins, the longest one first."""
    batches: list[list[_Play]] = []
    pins: list[int] = []
    for row in sorted(left, key=lambda row: row.records[0].at - row.records[-1].at):
        contacts = row.contacts
        if len(pins) < len(contacts):
            pins = list(_PINS)
            batches.append([])
        batches[-1].append(_Play(row, {name: pins.pop() for name in contacts}))
    return batches


def _play(appliance: Appliance, plays: Sequence[_Play]) -> list[tuple[list[object], list[float]]]:
    """What was told of each, and when its edges were really driven."""
    edges = sorted(
        (at + _APART_SECONDS * number, line, high, number)
        for number, play in enumerate(plays)
        for at, line, high in play.edges()
    )
    start = {line: high for play in plays for line, high in play.start().items()}
    plan = {"start": start, "edges": [edge[:3] for edge in edges]}
    appliance.put("/root/plan", json.dumps(plan) + "\n")
    wanted = [{"id": number, **play.wanted} for number, play in enumerate(plays)]
    appliance.put("/root/wanted", json.dumps(wanted) + "\n")
    lines = appliance.sh(f"export GPIOZERO_PIN_FACTORY=lgpio\n{_PLAY}", timeout=600).out.splitlines()
    driven, told = json.loads(lines[0]), [json.loads(line) for line in lines[1:]]
    results = []
    for number in range(len(plays)):
        times = [moment for edge, moment in zip(edges, driven, strict=True) if edge[3] == number]
        results.append(([_fact(words) for words in told if words.get("id") == number], times))
    return results


def _fact(words: dict[str, Any]) -> object:
    match words["fact"]:
        case "ButtonPressed":
            return ButtonPressed(words["name"], words["at"], words["detail"])
        case "DeviceLost":
            return DeviceLost("button", words["name"], words["detail"])
    return DeviceFound("button", words["name"], words["detail"])


def _prepare(appliance: Appliance) -> None:
    """The pins, and a board that has them."""
    appliance.make_pins()
    appliance.put("/etc/pi-cpuinfo", _PI)
    for tool in ("watch-buttons", "drive-lines"):
        appliance.put(f"/root/{tool}", (_INSIDE / tool).read_bytes())
    appliance.sh("grep -q Revision /proc/cpuinfo || mount --bind /etc/pi-cpuinfo /proc/cpuinfo")
    # The unit has a /proc of its own.
    appliance.put(_DROP_IN, "[Service]\nBindReadOnlyPaths=/etc/pi-cpuinfo:/proc/cpuinfo\n")
    appliance.sh("systemctl daemon-reload")


def gesture_table(appliance: Appliance) -> str:
    """Each line of the table of gestures, its edges driven at the pins by the clock.

    A busy machine drives some of them late. A line whose edges mean something else by that is played again.
    """
    _prepare(appliance)
    left, wrong, played = rows(), [], 0
    for _ in range(_ATTEMPTS):
        again: list[GestureRow] = []
        for batch in _batches(left):
            for play, (facts, times) in zip(batch, _play(appliance, batch), strict=True):
                row = play.row
                played += 1
                if row.words(row.replayed(play.driven(times))) != row.told:
                    again.append(row)
                elif (told := row.words(facts)) != row.told:
                    wrong.append(f'{row.name} wanted "{row.wanted}": {told or "nothing"}')
        left = again
        if not left:
            break
    assert not wrong, "; ".join(wrong)
    assert not left, f"never played in time: {', '.join(row.name for row in left)}"
    return f"{len(rows())} of {len(rows())} lines, played {played} times in all"


def kernel_stamps(appliance: Appliance) -> str:
    """A program that stands still for seconds takes a short press for a short one, and as old as it is."""
    _prepare(appliance)
    driven, facts = _watched(
        appliance,
        [[1.0, 17, False], [1.5, 17, True]],
        "kill -STOP $watching; echo >&4; wait $driving; sleep 2; kill -CONT $watching",
    )
    told = {fact["detail"]: fact for fact in facts}
    assert set(told) == {"press", "release", "click"}, f"told as {', '.join(told)}"
    pressed = told["press"]
    held, really = told["release"]["at"] - pressed["at"], driven[1] - driven[0]
    assert abs(held - really) < 0.02, f"held for {really:.3f} s and told as {held:.3f} s"
    assert abs(pressed["at"] - driven[0]) < 0.1, f"pressed at {driven[0]:.3f} and told as {pressed['at']:.3f}"
    age = pressed["told"] - pressed["at"]
    # Pressed while it runs, let go while it stands still.
    driven, facts = _watched(
        appliance,
        [[1.0, 17, False], [5.0, 17, True]],
        "echo >&4; until grep -q press facts; do sleep 0.05; done; kill -STOP $watching; wait $driving; sleep 3; "
        "kill -CONT $watching",
    )
    told = {fact["detail"]: fact for fact in facts}
    assert set(told) == {"press", "release", "click"}, f"{driven[1] - driven[0]:.1f} s told as {', '.join(told)}"
    return f"held {really * 1000:.0f} ms, told as {held * 1000:.0f} ms, {age:.1f} s after it happened"


def _watched(appliance: Appliance, edges: list[list[Any]], meanwhile: str) -> tuple[list[float], list[dict[str, Any]]]:
    """When the edges were driven, and what was told, of a button that is long pressed after 6 s."""
    gestures = ["press", "release", "click", "long"]
    wanted = {"id": 0, "buttons": [["help", 17, gestures]], "knobs": [], "chord": None, "pull": "up", "hold": 6.0}
    appliance.put("/root/plan", json.dumps({"start": {17: True}, "edges": edges}) + "\n")
    appliance.put("/root/wanted", json.dumps([wanted]) + "\n")
    script = _PLAY.replace("echo >&4; wait $driving", meanwhile)
    out = appliance.sh(f"export GPIOZERO_PIN_FACTORY=lgpio\n{script}", timeout=120).out.splitlines()
    facts = [json.loads(line) for line in out[1:]]
    return json.loads(out[0]), [fact for fact in facts if fact.get("fact") == "ButtonPressed"]


def service_buttons(appliance: Appliance) -> str:
    """The agent's own buttons; one pin is taken by another program, and later the library is gone."""
    _prepare(appliance)
    library = "/usr/lib/python3/dist-packages/lgpio.py"
    try:
        appliance.sh("systemd-run --unit=taker gpioset -c gpiochip0 27=1")
        appliance.wait("gpioinfo -c gpiochip0 | grep GPIO27 | grep -q gpioset")
        appliance.configure(_BUTTONS)
        appliance.wait_up()
        taken = appliance.wait_input("door", works=False)
        assert "GPIO27" in taken, taken
        assert "another program" in taken, taken
        appliance.wait_input("help")
        appliance.sh("gpio-lines low 17; sleep 0.2; gpio-lines high 17")
        appliance.hub.wait_for(utterance("/help"), timeout=60)
        appliance.sh("systemctl stop taker")
        appliance.wait_input("door")
        appliance.sh(f"mv {library} {library}.gone; systemctl restart {UNIT}")
        missing = appliance.wait_input("help", works=False)
        assert "apt install" in missing, missing
        appliance.scan("NO-PINS-1")
        appliance.arrive("NO-PINS-1")
        return f'pressed and sent; "{taken[:60]}"; "{missing[:70]}"'
    finally:
        appliance.sh(f"systemctl stop taker; mv {library}.gone {library}", check=False)


ROWS = (
    Row("the table of gestures on lgpio", gesture_table),
    Row("time stamps of the kernel", kernel_stamps),
    Row("buttons of the service; pin taken, library gone", service_buttons),
)
