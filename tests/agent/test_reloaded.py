"""An agent that another follows in its process is still one to systemd: told to end, it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("later", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_an_agent_told_to_end_while_it_reloads_ends_in_order(tmp_path, later):
    (tmp_path / "agent.toml").write_text(
        '[identity]\nfile = "identity.json"\nstate = "state"\n[control]\nsocket = "c.sock"\n'
    )
    with subprocess.Popen(
        [sys.executable, "-m", "agent", "run", "--config", str(tmp_path / "agent.toml")],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"},
    ) as agent:
        assert agent.stderr is not None
        try:
            assert any("reading inputs" in line for line in agent.stderr)
            agent.send_signal(signal.SIGHUP)
            time.sleep(later)  # anywhere in what follows: before, during and after the change
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30) == 0
            assert "stopped" in agent.stderr.read()
        finally:
            agent.kill()
