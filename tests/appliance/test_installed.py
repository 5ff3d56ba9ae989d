"""The agent as `scripts/install` leaves it, in a booted Debian, looked at from outside."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.appliance import probes
from tests.appliance.conftest import ROOT, SCORE, another_version
from tests.peers.hub import utterance
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_UNIT = ROOT / "systemd" / "thalovant-agent.service"


@pytest.fixture(scope="session")
def newer(wheels, tmp_path_factory):
    """The wheels of two versions to come: one that works, and one that does not start."""
    (wheel,) = wheels.glob("thalovant_agent-*.whl")
    folder = tmp_path_factory.mktemp("newer")

    def broken(name, text):
        return (
            text.replace("    trial = ", "    raise SystemExit(3)\n    trial = ", 1)
            if name.endswith("running.py")
            else text
        )

    return {
        "0.2.0": another_version(wheel, "0.2.0", folder),
        "0.3.0": another_version(wheel, "0.3.0", folder, broken),
    }


def bring(appliance, wheel):
    place = f"/root/{wheel.name}"
    appliance.put(place, wheel.read_bytes())
    return place


def version(appliance):
    return appliance.sh("thalovant-agent --version", check=True).out.split()[-1]


def test_the_first_scan_is_answered(appliance, suite):
    code = f"FIRST-{suite}"
    appliance.scan(code)
    appliance.hub.wait_for(utterance(code), timeout=20)
    appliance.wait_stored(0)


def test_the_identity_was_sealed_and_left_the_boot_partition(appliance):
    assert appliance.sh("ls -A /boot/firmware").out == ""
    assert appliance.sh("test -e /etc/thalovant-agent/identity.json").code != 0
    secret = json.loads(appliance.identity.read_text())["access_key"]
    assert appliance.sh(f"grep -r {secret} /etc /boot /var/lib/thalovant-agent /var/log").out == ""
    assert appliance.command("identity show")["sealed"] is True
    assert secret not in appliance.sh("thalovant-agent identity show").out


def test_another_identity_on_the_boot_partition_asks_first(appliance):
    other = {**json.loads(appliance.identity.read_text()), "access_key": "0" * 32, "site_id": "elsewhere"}
    appliance.put("/boot/firmware/thalovant-identity.json", json.dumps(other))
    assert appliance.sh("systemctl start thalovant-provision").code != 0
    reason = appliance.sh("cat /boot/firmware/thalovant-identity.error.txt", check=True).out
    assert "another identity that works" in reason
    assert "journal" not in reason
    assert appliance.command("identity show")["identity"]["site_id"] != "elsewhere"
    appliance.sh("rm /boot/firmware/*; systemctl reset-failed thalovant-provision", check=True)


def test_an_identity_that_no_longer_opens_keeps_nobody_from_scanning(appliance, suite):
    key, kept = "/var/lib/systemd/credential.secret", "/root/credential.secret"
    sealed = "/etc/credstore.encrypted/thalovant-identity"
    code = f"SEALED-{suite}"

    def is_told(status):
        return status["state"] == "attention" and "does not open on this machine" in status["identity"]["trouble"]

    appliance.sh(f"mv {key} {kept}; systemctl restart thalovant-agent", check=True)
    appliance.wait_status(is_told, "the reason why there is no identity")
    appliance.scan(code)
    appliance.wait_stored(1)
    found = {one["subject"]: one for one in appliance.command("doctor")["findings"]}["identity"]
    assert "does not open on this machine" in found["text"]
    assert "thalovant-agent provision" in found["advice"]

    appliance.sh(f"mv {kept} {key}; systemctl restart thalovant-agent", check=True)
    appliance.wait_up()
    appliance.hub.wait_for(utterance(code), timeout=30)
    assert appliance.sh(f"test -e {sealed} -a ! -e {sealed}.unopened").code == 0

    appliance.sh(f"rm {key}; systemctl restart thalovant-agent", check=True)
    appliance.wait_status(is_told, "the reason why there is no identity")
    appliance.put("/boot/firmware/thalovant-identity.json", appliance.identity.read_bytes())
    appliance.sh("systemctl restart thalovant-provision thalovant-agent", check=True)
    appliance.wait_up()
    assert (
        appliance.sh(f"test -e {sealed} -a ! -e {sealed}.unopened -a ! -e /run/thalovant-identity.unopened").code == 0
    )


def test_a_broken_configuration_is_refused_and_a_changed_one_is_taken_up(appliance):
    pid = appliance.show("MainPID")
    whole = appliance.sh("cat /etc/thalovant-agent/agent.toml", check=True).out
    appliance.put("/etc/thalovant-agent/agent.toml", whole + "nonsense = 1\n")
    assert appliance.sh("systemctl reload thalovant-agent").code != 0
    appliance.sh("systemctl kill -s KILL thalovant-agent", check=True)  # it is back with the last one that worked
    appliance.reader_killed()
    appliance.wait(
        f"test $(systemctl show -p MainPID --value thalovant-agent) -gt 0 -a "
        f"$(systemctl show -p MainPID --value thalovant-agent) -ne {pid}"
    )
    appliance.wait("journalctl -u thalovant-agent -o cat | grep -q 'last configuration that worked'")
    appliance.put("/etc/thalovant-agent/agent.toml", whole.replace('"counter"', '"desk"', 1))
    appliance.wait_up()
    pid = appliance.show("MainPID")
    appliance.sh("systemctl reload thalovant-agent", check=True)
    appliance.wait_status(lambda status: status["inputs"][0]["name"] == "desk", "the scanner's new name")
    assert appliance.show("MainPID") == pid
    appliance.put("/etc/thalovant-agent/agent.toml", whole)
    appliance.wait_up()
    appliance.sh("systemctl reload thalovant-agent", check=True)
    appliance.wait("journalctl -u thalovant-agent -o cat | tail -n 20 | grep -q 'works and is kept'")
    appliance.wait_up()


def test_installing_again_changes_nothing(appliance):
    before = appliance.sh("ls -l --time-style=full-iso /opt/thalovant-agent/releases /etc/systemd/system").out
    appliance.sh("/srv/scripts/install --wheels /srv/wheels", check=True)
    assert appliance.sh("ls -l --time-style=full-iso /opt/thalovant-agent/releases /etc/systemd/system").out == before
    assert appliance.sh("test -e /opt/thalovant-agent/previous").code != 0
    appliance.wait_up()


def test_what_some_devices_need_comes_along_with_every_version_to_come(appliance, newer):
    def has_lcd():
        return appliance.sh("/opt/thalovant-agent/current/bin/python -c 'import RPLCD, smbus2'").code == 0

    install = "/srv/scripts/install --wheels /srv/wheels"
    assert not has_lcd()
    appliance.sh(f"{install} --with lcd", check=True)
    assert has_lcd()
    appliance.sh(f"{install} {bring(appliance, newer['0.2.0'])}", check=True)
    assert (version(appliance), has_lcd()) == ("0.2.0", True)
    appliance.sh(f"{install} --with none", check=True)
    assert not has_lcd()
    appliance.wait_up()


def test_upgrade_and_rollback_keep_the_scans_that_wait(appliance, newer, suite):
    was = version(appliance)
    appliance.hub.broker.stop()
    appliance.hub.core.stop()
    try:
        codes = [f"UP-{suite}-{number}" for number in range(3)]
        appliance.scan(*codes)
        appliance.wait_stored(3)
        appliance.sh(f"/srv/scripts/install --wheels /srv/wheels {bring(appliance, newer['0.2.0'])}", check=True)
        assert (version(appliance), appliance.status()["version"]) == ("0.2.0", "0.2.0")
        appliance.wait_stored(3)
        appliance.sh("/srv/scripts/install --rollback", check=True)
        assert (version(appliance), appliance.status()["version"]) == (was, was)
        appliance.wait_stored(3)
    finally:
        appliance.hub.start()
    appliance.wait_up()
    for code in codes:
        appliance.hub.wait_for(utterance(code), timeout=30)
    appliance.wait_stored(0)


def test_a_version_that_does_not_start_is_not_kept(appliance, newer):
    was = version(appliance)
    done = appliance.sh(f"/srv/scripts/install --wheels /srv/wheels {bring(appliance, newer['0.3.0'])}", timeout=200)
    assert done.code == 1
    assert "the version before it runs again" in done.err
    assert (version(appliance), appliance.status()["version"]) == (was, was)


@pytest.mark.parametrize(
    ("drop_ins", "opened"), [((), set()), (("netlink", "sound", "i2c", "keyboard-scanner"), {"talk netlink"})]
)
def test_the_sandbox_allows_what_is_needed_and_denies_the_rest(appliance, drop_ins, opened):
    appliance.sh("systemctl stop thalovant-agent", check=True)  # it holds the scanner
    appliance.reader_killed()
    unit = re.sub(r"(?m)^ExecStart=.*$", "ExecStart=/usr/bin/python3 /srv/probes.py", _UNIT.read_text())
    unit = re.sub(r"(?m)^(Type|Restart|WatchdogSec|ExecReload)=.*$", "", unit)
    appliance.put("/srv/probes.py", Path(probes.__file__).read_bytes())
    appliance.put(
        "/run/systemd/system/probes.service",
        unit.replace("[Service]", "[Service]\nType=oneshot\nDeviceAllow=char-pts rw"),
    )
    optional = "/opt/thalovant-agent/share/thalovant-agent/systemd/optional"
    for name in drop_ins:
        folder = "/run/systemd/system/probes.service.d"
        appliance.sh(f"install -D -m 644 {optional}/{name}.conf -t {folder}", check=True)
    try:
        appliance.sh("systemctl daemon-reload; systemctl start probes", check=True)
        found = [
            json.loads(line)
            for line in appliance.sh("journalctl -u probes -o cat --no-pager").out.splitlines()
            if line.startswith('{"denied"')
        ][-1]
    finally:
        appliance.sh("rm -r /run/systemd/system/probes.service*; systemctl daemon-reload")
        appliance.reader_killed()
        appliance.sh("systemctl start thalovant-agent", check=True)
    assert {name for name, error in found["denied"].items() if not error} == opened
    assert {name: error for name, error in found["allowed"].items() if error} == {}
    assert (len(found["denied"]), len(found["allowed"])) == (len(probes.DENIED), len(probes.ALLOWED))


def test_the_doctor_sees_what_the_unit_shuts_and_says_what_opens_it(appliance):
    whole = appliance.sh("cat /etc/thalovant-agent/agent.toml", check=True).out

    def speech():
        return {one["subject"]: one for one in appliance.command("doctor")["findings"]}["speech"]

    appliance.put("/etc/thalovant-agent/agent.toml", whole + '[speech]\nenabled = true\ncommand = "cat >/dev/null"\n')
    try:
        found = speech()
        assert found["text"] == "the service does not let the agent use the sound card"
        appliance.sh(f'sudo() {{ "$@"; }}; {found["advice"]}', check=True)
        assert speech()["state"] == "ok"
        assert "char-alsa" in appliance.show("DeviceAllow")
    finally:
        appliance.sh("rm -f /etc/systemd/system/thalovant-agent.service.d/sound.conf")
        appliance.put("/etc/thalovant-agent/agent.toml", whole)
        appliance.sh("systemctl daemon-reload; systemctl restart thalovant-agent", check=True)
    appliance.wait_up()


def test_systemd_has_nothing_to_say_against_the_units(appliance):
    # The kiosk's units come along switched off, and want a browser that is not there.
    units = " ".join(f"/etc/systemd/system/thalovant-{name}.service" for name in ("agent", "provision", "identity"))
    done = appliance.sh(f"systemd-analyze verify --man=no --recursive-errors=no {units}")
    assert (done.code, done.err) == (0, "")


def test_little_is_left_open(appliance):
    done = appliance.sh(f"systemd-analyze security --threshold={SCORE * 10:.0f} --no-pager thalovant-agent")
    assert done.code == 0, done.out[-600:]


def test_a_killed_agent_is_back_with_what_it_had_accepted(appliance, suite):
    restarts = int(appliance.show("NRestarts"))
    appliance.hub.broker.stop()
    appliance.hub.core.stop()
    try:
        codes = [f"KILL-{suite}-{number}" for number in range(5)]
        appliance.scan(*codes)
        appliance.wait_stored(5)
        appliance.sh("systemctl kill -s KILL thalovant-agent", check=True)
        appliance.reader_killed()
        appliance.wait_restarts(restarts + 1)
        appliance.wait_stored(5)
    finally:
        appliance.hub.start()
    appliance.wait_up()
    for code in codes:
        appliance.hub.wait_for(utterance(code), timeout=30)
    appliance.wait_stored(0)


def test_a_hung_agent_is_ended_by_the_watchdog_and_says_where_it_hung(appliance):
    restarts = int(appliance.show("NRestarts"))
    appliance.put("/run/systemd/system/thalovant-agent.service.d/quick.conf", "[Service]\nWatchdogSec=3s\n")
    appliance.sh("systemctl daemon-reload; systemctl restart thalovant-agent", check=True)
    appliance.wait_up()
    restarts = int(appliance.show("NRestarts"))
    appliance.sh("kill -STOP $(systemctl show -p MainPID --value thalovant-agent)", check=True)
    appliance.wait("journalctl -u thalovant-agent -o cat | grep -q 'Watchdog timeout'", timeout=30)
    # Stopped, it cannot die of SIGABRT: let it go on, and it does.
    appliance.sh("kill -CONT $(systemctl show -p MainPID --value thalovant-agent)")
    appliance.reader_killed()
    appliance.wait_restarts(restarts + 1)
    assert "Current thread" in appliance.journal() or "Thread 0x" in appliance.journal()
    appliance.sh("rm -r /run/systemd/system/thalovant-agent.service.d; systemctl daemon-reload")
    appliance.sh("systemctl restart thalovant-agent", check=True)


def test_facts_are_fields_of_the_journal(appliance):
    appliance.wait_up()

    def found():
        ups = [entry for entry in appliance.entries() if "THALOVANT_PROTOCOL" in entry]
        return ups[-1] if ups else None

    entry = eventually(found, what="an entry with the protocol as a field")
    assert entry["SYSLOG_IDENTIFIER"] == "thalovant-agent"
    assert entry["THALOVANT_PROTOCOL"] in {"mqtt", "wss", "https"}
    assert entry["PRIORITY"] == "6"
    identity = json.loads(appliance.identity.read_text())
    everything = json.dumps(appliance.entries())
    assert identity["access_key"] not in everything
    assert identity["password"] not in everything


def test_taken_off_it_leaves_what_is_worth_keeping_and_purged_it_leaves_nothing(appliance):
    appliance.sh("/srv/scripts/uninstall", check=True)
    assert appliance.sh("ls /etc/systemd/system | grep thalovant-agent.service$").out == ""
    assert appliance.sh("test -d /opt/thalovant-agent || command -v thalovant-agent").code != 0
    assert appliance.sh("ls /var/lib/thalovant-agent/outbox.db /etc/thalovant-agent/agent.toml").code == 0
    appliance.sh("/srv/scripts/install --wheels /srv/wheels", check=True, timeout=300)
    appliance.wait_up()
    appliance.sh("/srv/scripts/uninstall --purge", check=True)
    left = appliance.sh("find / /run -xdev -name '*thalovant*' -not -path '/etc/thalovant-bench'").out.splitlines()
    ours = ("/srv/", "/root/", "/etc/systemd/system/thalovant-agent.service.d")  # the test's own
    assert [line for line in left if not line.startswith(ours)] == []
