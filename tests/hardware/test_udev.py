"""The rules as udev reads them: one a line, `KEY{attribute}operator"value"` between commas."""

from __future__ import annotations

import re
from pathlib import Path

import hardware

RULES = Path(hardware.__file__).parent / "udev" / "70-thalovant-agent.rules"
PART = re.compile(r'([A-Z]+)(?:\{(\w+)\})?(==|!=|\+=|=)"([^"]*)"')
COMPARED = {"ACTION", "SUBSYSTEM", "KERNEL"}
ASSIGNED = {"SYMLINK", "GOTO", "LABEL", "GROUP", "MODE"}
EITHER = {"ENV", "ATTR"}


def rules():
    lines = [line.strip() for line in RULES.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line and not line.startswith("#"):
            parts = [PART.fullmatch(part.strip()) for part in line.split(", ")]
            assert all(parts), line
            yield [part.groups() for part in parts if part]


def test_every_rule_is_one_udev_understands():
    for rule in rules():
        for key, attribute, operator, _ in rule:
            compares = operator in {"==", "!="}
            assert key in (COMPARED if compares else ASSIGNED) | EITHER, rule
            assert (attribute is not None) == (key in EITHER), rule
            assert compares or key != "ATTR", rule  # assigning to ATTR writes to the device


def test_every_jump_has_its_label():
    values = {
        kind: {value for rule in rules() for key, _, _, value in rule if key == kind} for kind in ("GOTO", "LABEL")
    }
    assert values["GOTO"] == values["LABEL"]


def test_every_scanner_with_a_name_is_kept_from_modem_manager():
    kept, named = set(), set()
    for rule in rules():
        for key, attribute, _, value in rule:
            if (key, attribute) == ("ATTR", "idVendor"):
                assert ("ENV", "ID_MM_DEVICE_IGNORE", "=", "1") in rule
                kept |= set(value.split("|"))
            if (key, attribute) == ("ENV", "ID_VENDOR_ID"):
                named |= set(value.split("|"))
    assert kept == named
    assert all(re.fullmatch("[0-9a-f]{4}", vendor) for vendor in kept)


def test_consoles_can_be_written_by_the_group_that_the_agent_is_in():
    consoles = [rule for rule in rules() if ("MODE", None, "=", "0620") in rule]
    assert consoles == [[("KERNEL", None, "==", "tty[1-9]*"), ("GROUP", None, "=", "tty"), ("MODE", None, "=", "0620")]]
    unit = (Path(hardware.__file__).parents[1] / "systemd" / "thalovant-agent.service").read_text(encoding="utf-8")
    groups = re.search(r"(?m)^SupplementaryGroups=(.*)$", unit)
    assert groups is not None
    assert "tty" in groups[1].split()
