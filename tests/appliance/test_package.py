"""The Debian package, as `dpkg` and a booted Debian see it: installed, upgraded, removed, installed again, purged."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.appliance.conftest import ROOT, SCANNER
from tests.peers.hub import utterance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_TOOLS = ("dh_installsystemd", "dh_installsysusers", "dh_python3")


@pytest.fixture(scope="session")
def packages(wheels, tmp_path_factory):
    """The package of this checkout, and the same as a later version."""
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent:
        pytest.skip(f"there is no {', '.join(absent)}: apt-get install debhelper dh-python")
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, ROOT / "scripts/build-deb", "--wheels", wheels, "--out", folder]
    first = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.strip()
    unpacked = folder / "later"
    subprocess.run(["dpkg-deb", "-R", first, unpacked], check=True, timeout=60)
    control = unpacked / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: ", "Version: 1:"))
    later = folder / "later.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", unpacked, later], check=True, capture_output=True, timeout=60
    )
    return first, str(later)


@pytest.fixture(scope="module")
def packaged(fresh, packages):
    """The machine with both packages in /root."""
    for name, path in zip(("first", "later"), packages, strict=True):
        with open(path, "rb") as file:
            fresh.put(f"/root/{name}.deb", file.read())
    # What the test fixture wrote there is a conffile's place: the person's own stays.
    fresh.sh("mv /etc/thalovant-agent/agent.toml /root/agent.toml", check=True)
    return fresh


def state(machine):
    return machine.sh("systemctl is-active thalovant-agent; systemctl is-enabled thalovant-agent").out.split()


def test_from_installing_to_purging(packaged, suite):
    packaged.sh("dpkg -i /root/first.deb", check=True)
    assert state(packaged) == ["active", "enabled"]
    packaged.sh("cp /root/agent.toml /etc/thalovant-agent/agent.toml", check=True)
    packaged.put("/boot/firmware/thalovant-identity.json", packaged.identity.read_bytes())
    packaged.sh("systemctl restart thalovant-provision thalovant-agent", check=True)
    packaged.wait_up()
    assert SCANNER in packaged.sh("thalovant-agent check").out
    packaged.scan(f"DEB-{suite}")
    packaged.hub.wait_for(utterance(f"DEB-{suite}"), timeout=20)

    packaged.sh("dpkg -i --force-confold /root/later.deb", check=True)
    assert state(packaged) == ["active", "enabled"]
    packaged.wait_up()

    packaged.sh("dpkg -r thalovant-agent", check=True)
    assert state(packaged)[:1] == ["inactive"]
    assert packaged.sh("ls /var/lib/thalovant-agent/outbox.db /etc/credstore.encrypted/thalovant-identity").code == 0

    packaged.sh("dpkg -i --force-confold /root/later.deb", check=True)
    assert state(packaged) == ["active", "enabled"]
    packaged.wait_up()

    packaged.sh("dpkg -P thalovant-agent", check=True)
    places = "/usr /etc/thalovant-agent /etc/credstore.encrypted /var/lib/thalovant-agent /lib/systemd /usr/lib/systemd"
    left = packaged.sh(f"find {places} -iname '*thalovant*' -not -path '*/deb-systemd-helper*' 2>/dev/null").out
    assert left.split() == []
