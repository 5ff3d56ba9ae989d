"""The man page and the completion say what the command line says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from agent.cli import command_line
from agent.manual import bash_completion, commands, main, man_page

NAMES = [name for name, _ in commands(command_line())]


def complete(*words):
    program = bash_completion(command_line()) + '\n_thalovant_agent; printf "%s\\n" "${COMPREPLY[@]}"\n'
    line = " ".join(f"'{word}'" for word in ("thalovant-agent", *words))
    program = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}\n" + program
    return subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=True, timeout=10
    ).stdout.split()


def test_every_command_is_in_the_page():
    page = man_page(command_line())
    for name in NAMES:
        assert ".SS " + name.replace("-", "\\-") + "\n" in page


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man here")
def test_the_page_is_one_without_complaints(tmp_path):
    page = tmp_path / "page.1"
    page.write_text(man_page(command_line()))
    done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_are_completed():
    assert set(complete("")) == {name.split()[0] for name in NAMES}
    assert complete("pro") == ["provision"]
    assert complete("identity", "") == ["show", "rotate"]


def test_options_and_choices_are_completed():
    assert "--json" in complete("status", "--")
    assert complete("provision", "--b") == ["--boot"]
    assert complete("identity", "show", "--j") == ["--json"]
    assert complete("outbox", "re") == ["retry"]


def test_anything_else_is_refused(capsys):
    assert main(["zsh"]) == 2
    assert "man|bash" in capsys.readouterr().err
