"""The Debian trees the appliance tests boot: made once by mmdebstrap, kept, and never written to again.

`python -m tests.appliance.rootfs` makes them, for the tests that only run where they are.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUITES = {"bookworm": 252, "trixie": 257}
"""Debian's suites that Raspberry Pi OS follows, each with the version of its systemd."""

FOLDER = Path(os.environ.get("THALOVANT_BENCH", "/var/tmp/thalovant-bench"))

_PACKAGES = (
    "systemd,systemd-sysv,udev,dbus,kmod,iproute2,ca-certificates,procps,socat,python3,python3-venv,"
    "python3-systemd,python3-cryptography,python3-cffi,python3-argon2,python3-nacl"
)
_NOT_WANTED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
    "e2scrub_all.timer",
)
_MARK = "etc/thalovant-bench"
_VERSION = "2"
_BUILD_SECONDS = 600


class CannotBuildError(Exception):
    """There is no tree, and none can be made here; the text says why."""


def missing() -> str:
    """What keeps this machine from booting a tree as a container; empty when nothing does."""
    if os.geteuid() != 0:
        return "booting a container needs root"
    programs = ("mmdebstrap", "systemd-nspawn", "nsenter")
    absent = [name for name in programs if shutil.which(name) is None]
    return f"there is no {', '.join(absent)}: apt-get install mmdebstrap systemd-container" if absent else ""


def tree(suite: str) -> Path:
    """The tree of one suite, made now if it is not there: about a minute. Raises CannotBuildError."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    place = FOLDER / f"rootfs-{suite}"
    with (FOLDER / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at a time would build it into each other
        if not is_there(suite):
            shutil.rmtree(place, ignore_errors=True)
            _build(suite, place)
            (place / _MARK).write_text(_VERSION)
    return place


def is_there(suite: str) -> bool:
    """Whether the tree of one suite was made, as this version makes it."""
    mark = FOLDER / f"rootfs-{suite}" / _MARK
    return mark.exists() and mark.read_text() == _VERSION


def _build(suite: str, place: Path) -> None:
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}"]
    command += ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"']
    command += ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"]
    try:
        done = subprocess.run(
            [*command, suite, str(place)], capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotBuildError(f"mmdebstrap took more than {_BUILD_SECONDS} s for {suite}") from None
    if done.returncode:
        raise CannotBuildError(f"mmdebstrap made no {suite}: {done.stderr.strip()[-300:]}")
    (place / "etc/hostname").write_text("kiosk\n")
    (place / "etc/hosts").write_text("127.0.0.1 localhost kiosk\n")
    (place / "etc/machine-id").write_text("00000000000000000000000000c0ffee\n")
    for unit in (*_NOT_WANTED, "console-getty.service", "systemd-firstboot.service", "getty@tty1.service"):
        (place / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (place / "var/log/journal").mkdir(parents=True, exist_ok=True)


def main() -> int:
    """Make every tree; the exit code."""
    if reason := missing():
        print(reason, file=sys.stderr)
        return 1
    for suite in SUITES:
        began = time.monotonic()
        try:
            place = tree(suite)
        except CannotBuildError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{place} after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
