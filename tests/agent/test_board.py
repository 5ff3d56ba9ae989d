"""The board, as /proc and /sys of a Pi and of other machines tell of it."""

from __future__ import annotations

import pytest

from agent.board import read_board

NOW = 1_764_000_000.0


@pytest.fixture
def machine(tmp_path):
    """Write the files of a machine; read its board."""

    def having(files, now=NOW):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return read_board(tmp_path, now, tmp_path)

    return having


def test_a_pi(machine):
    board = machine(
        {
            "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.5\0",
            "sys/class/thermal/thermal_zone0/temp": b"48312\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": b"50005\n",
            "proc/meminfo": b"MemTotal:        1893352 kB\nMemFree: 1 kB\nMemAvailable:    1500000 kB\n",
            "sys/block/mmcblk0/device/life_time": b"0x02 0x01\n",
            "sys/block/mmcblk0/device/pre_eol_info": b"0x01\n",
            "run/systemd/timesync/synchronized": b"",
        }
    )
    assert board["model"] == "Raspberry Pi 4 Model B Rev 1.5"
    assert board["temperature_celsius"] == 48.3
    assert board["throttling"] == {"now": ["under-voltage", "throttled"], "since_boot": ["under-voltage", "throttled"]}
    assert board["memory"] == {"total_bytes": 1893352 * 1024, "available_bytes": 1500000 * 1024}
    assert board["card"] == {"life_used_percent": 20, "reserve": "normal"}
    assert board["clock"] == "synchronised"
    assert 0 < board["disk"]["free_bytes"] <= board["disk"]["total_bytes"]


def test_what_a_machine_does_not_have_is_unknown(machine):
    board = machine({})
    assert board.pop("disk")
    assert board.pop("clock") == "unconfirmed"
    assert set(board.values()) == {None}


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"hot", b"0x", b"MemTotal: much\n"])
def test_junk_is_unknown_too(machine, junk):
    names = ["class/thermal/thermal_zone0/temp", "devices/platform/soc/soc:firmware/get_throttled"]
    names += ["block/mmcblk0/device/life_time", "block/mmcblk0/device/pre_eol_info"]
    board = machine({**{f"sys/{name}": junk for name in names}, "proc/meminfo": junk})
    assert (board["temperature_celsius"], board["throttling"], board["memory"]) == (None, None, None)


def test_a_clock_that_was_never_set_is_told_apart(machine):
    assert machine({}, now=946_684_800.0)["clock"] == "unset"
