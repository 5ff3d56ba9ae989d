"""A sealed identity that does not open on this machine, as `systemd/check-identity` and the agent treat it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent import sealing

SCRIPT = Path(__file__).parents[2] / "systemd" / "check-identity"


class Machine:
    """A folder for what is sealed and one for the note, and a `systemd-creds` that opens what says "opens"."""

    def __init__(self, folder):
        self.sealed = folder / "credstore" / sealing.NAME
        self.aside = sealing.aside(self.sealed)
        self.note = folder / "run" / sealing.UNOPENED.name
        creds = folder / "bin" / "systemd-creds"
        for path in (self.sealed, self.note, creds):
            path.parent.mkdir()
        creds.write_text('#!/bin/sh\ngrep -q opens "$3"\n')
        creds.chmod(0o755)
        text = SCRIPT.read_text()
        for place, here in ((sealing.SEALED, self.sealed), (sealing.UNOPENED, self.note)):
            assert f"={place}\n" in text
            text = text.replace(f"={place}\n", f"={here}\n")
        self._script = folder / "check"
        self._script.write_text(text)
        self._environ = {**os.environ, "PATH": f"{creds.parent}:{os.environ['PATH']}"}

    def check(self):
        subprocess.run(["/bin/sh", self._script], env=self._environ, check=True, capture_output=True, timeout=20)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_one_that_opens_stays_and_ends_the_trouble(machine):
    machine.sealed.write_text("opens")
    machine.aside.write_text("of another machine")
    machine.note.touch()
    machine.check()
    assert machine.sealed.read_text() == "opens"
    assert not machine.aside.exists()
    assert not machine.note.exists()


def test_one_that_does_not_open_waits_aside_and_is_taken_back_when_it_does(machine):
    machine.sealed.write_text("of another machine")
    for _ in range(2):
        machine.check()
        assert not machine.sealed.exists()
        assert machine.aside.read_text() == "of another machine"
        assert machine.note.read_text() == "", "nothing but that is told"
    machine.aside.write_text("it opens: the TPM is back")
    machine.check()
    assert machine.sealed.exists()
    assert not machine.aside.exists()
    assert not machine.note.exists()


def test_a_new_one_in_the_place_of_one_that_did_not_open_leaves_nothing_of_it(machine):
    machine.aside.write_text("of another machine")
    assert sealing.is_kept(machine.sealed)
    sealing.remove(machine.sealed)
    assert not sealing.is_kept(machine.sealed)
