from __future__ import annotations

import pytest

from tests.peers.scanner import PtyScanner


@pytest.fixture
def pty_scanner(tmp_path):
    with PtyScanner(tmp_path / "usb-ACME_Scanner_0042-if00") as scanner:
        yield scanner
