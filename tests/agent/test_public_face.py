from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import agent
from agent.hub import errors, events

HEAVY = {"argon2", "cryptography", "gpiozero", "paho", "requests", "serial", "sqlite3", "ssl", "websocket"}
SOURCE = Path(agent.__file__ or "").read_text(encoding="utf-8")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, agent; print(sorted({HEAVY!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_types_see_is_what_programs_get():
    (guarded,) = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.If)]
    seen = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(agent.__all__)


@pytest.mark.parametrize("name", agent.__all__)
def test_every_name_can_be_had(name):
    assert getattr(agent, name) is not None
    assert name in dir(agent)


def test_every_error_and_every_name_of_an_event_is_there():
    for module, wanted in (
        (errors, lambda name: name.endswith("Error")),
        (events, lambda name: name.startswith(("EVENT_", "HOME_", "HIVE_")) or name.endswith("_EVENTS")),
    ):
        for name, value in vars(module).items():
            if wanted(name) and getattr(value, "__module__", module.__name__) == module.__name__:
                assert getattr(agent, name) is value, name


def test_a_name_that_is_not_there_is_an_ordinary_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'ThalovantToaster'"):
        _ = agent.ThalovantToaster
