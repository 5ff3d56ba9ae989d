from __future__ import annotations

import subprocess
import sys

import pytest

from agent.hub.protocol.psk import derive_psk
from tests.hub.noise_vectors import PSKS


@pytest.mark.parametrize(("password", "node_id", "psk"), PSKS)
def test_the_psk_is_that_of_the_vectors(password: str, node_id: str, psk: str) -> None:
    assert derive_psk(password, node_id).hex() == psk


def test_argon2_is_not_loaded_before_a_psk_is_derived() -> None:
    code = "import sys, agent.hub.protocol.handshake, agent.hub.protocol.psk; sys.exit('argon2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
