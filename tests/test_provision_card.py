"""Cards written one after the other: each gets the next identity, and no two the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "provision-card"
FILE = "thalovant-identity.json"


class Fleet:
    def __init__(self, folder):
        self.identities = folder / "identities"
        self.identities.mkdir()
        self.folder = folder
        for number in (1, 2, 3):
            text = json.dumps({"access_key": f"key-{number}", "site_id": f"kiosk-{number}"})
            (self.identities / f"kiosk-{number}.json").write_text(text)

    def card(self, name):
        boot = self.folder / name
        boot.mkdir()
        (boot / "cmdline.txt").write_text("console=tty1 root=PARTUUID=1-02 rootwait\n")
        return boot

    def run(self, *arguments):
        command = [sys.executable, SCRIPT, "--identities", self.identities, *arguments]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path)


def on(card):
    return json.loads((card / FILE).read_text())["site_id"]


def test_each_card_gets_the_next_identity_until_all_are_gone(fleet):
    cards = [fleet.card(f"card-{number}") for number in range(4)]
    done = [fleet.run("--boot", card) for card in cards]
    assert [one.returncode for one in done] == [0, 0, 0, 1]
    assert [on(card) for card in cards[:3]] == ["kiosk-1", "kiosk-2", "kiosk-3"]
    assert not (cards[3] / FILE).exists()
    assert "every identity is on a card" in done[3].stderr


def test_the_order_and_the_hostnames_are_the_lists(fleet):
    names = fleet.folder / "names.csv"
    names.write_text("kiosk-3,Shop-Window\nkiosk-1\n")
    first, second = fleet.card("first"), fleet.card("second")
    assert fleet.run("--names", names, "--boot", first).returncode == 0
    assert fleet.run("--names", names, "--boot", second).returncode == 0
    assert (on(first), on(second)) == ("kiosk-3", "kiosk-1")
    assert (first / "cmdline.txt").read_text().split()[-1] == "systemd.hostname=shop-window"
    assert "hostname" not in (second / "cmdline.txt").read_text()
    assert fleet.run("--names", names, "--list").stdout.split() == []


def test_a_card_that_was_written_already_is_left_alone(fleet):
    card = fleet.card("card")
    fleet.run("--boot", card)
    again = fleet.run("--boot", card)
    assert (again.returncode, on(card)) == (1, "kiosk-1")
    assert fleet.run("--list").stdout.split() == ["kiosk-2", "kiosk-3"]


def test_another_folder_than_a_boot_partition_is_refused(fleet, tmp_path):
    done = fleet.run("--boot", tmp_path)
    assert done.returncode == 1
    assert "no boot partition" in done.stderr


@pytest.mark.parametrize("line", ["kiosk-9", "kiosk-1,under_score", "kiosk-1\nkiosk-1"])
def test_a_list_that_is_wrong_writes_nothing(fleet, line):
    names = fleet.folder / "names.csv"
    names.write_text(line + "\n")
    card = fleet.card("card")
    done = fleet.run("--names", names, "--boot", card)
    assert (done.returncode, (card / FILE).exists()) == (1, False)
    assert "line" in done.stderr
