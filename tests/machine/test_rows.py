"""The table of `scripts/vm`, each of its rows a test, on a machine that was built before."""

from __future__ import annotations

import shutil

import pytest

from scripts.machine.__main__ import FOLDER, PARTS, ROWS
from scripts.machine.appliance import Appliance, build_packages, running_hub
from scripts.machine.guest import GuestError
from scripts.machine.machine import Machine
from scripts.machine.table import SkipRow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    if shutil.which("qemu-system-x86_64") is None or not all((FOLDER / part).exists() for part in PARTS):
        pytest.skip("there is no machine: apt-get install qemu-system-x86, then scripts/vm --build")
    place = tmp_path_factory.mktemp("machine")
    try:
        packages = build_packages(place, None)
    except GuestError as error:
        pytest.skip(str(error))
    with running_hub(place / "hub") as hub, Machine(FOLDER) as machine:
        machine.start()
        made = Appliance(machine, hub, packages)
        for row in ROWS:
            if row.first:
                row.run(made)
        yield made


@pytest.mark.parametrize("row", [row for row in ROWS if not row.first], ids=lambda row: row.name)
def test_a_row_of_the_table_passes(appliance, row):
    try:
        appliance.mend()
        assert row.run(appliance)
    except SkipRow as reason:
        pytest.skip(str(reason))
