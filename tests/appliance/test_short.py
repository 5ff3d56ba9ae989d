"""The short of it, in every run where the trees are there: `python -m tests.appliance.rootfs` makes them, once.

Installed, provisioned by a file, a scan answered, a kill survived, on both versions of systemd. All the rest is `slow`.
"""

from __future__ import annotations

import pytest

from tests.appliance import rootfs
from tests.appliance.conftest import SCORE
from tests.peers.hub import utterance

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=list(rootfs.SUITES))
def suite(request):
    if not rootfs.is_there(request.param):
        pytest.skip(f"there is no tree of {request.param}; python -m tests.appliance.rootfs makes it in about a minute")
    return request.param


def test_installed_it_answers_a_scan_and_loses_none_when_it_is_killed(fresh, suite):
    fresh.sh("/srv/scripts/install --wheels /srv/wheels", check=True, timeout=200)
    fresh.put("/boot/firmware/thalovant-identity.json", fresh.identity.read_bytes())
    fresh.sh("systemctl restart thalovant-provision thalovant-agent", check=True)
    fresh.wait_up()
    assert fresh.sh("ls -A /boot/firmware; ls /etc/thalovant-agent").out.split() == ["agent.toml"]
    assert fresh.sh(f"systemd-analyze security --threshold={SCORE * 10:.0f} --no-pager thalovant-agent").code == 0

    fresh.hub.broker.stop()
    fresh.hub.core.stop()
    codes = [f"SHORT-{suite}-{number}" for number in range(3)]
    try:
        fresh.scan(*codes)
        fresh.wait_stored(3)
        fresh.sh("systemctl kill -s KILL thalovant-agent", check=True)
        fresh.reader_killed()
        fresh.wait_restarts(1)
        fresh.wait_stored(3)
    finally:
        fresh.hub.start()
    fresh.wait_up()
    for code in codes:
        fresh.hub.wait_for(utterance(code), timeout=30)
    fresh.wait_stored(0)
