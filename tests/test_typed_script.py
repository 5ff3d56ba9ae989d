"""A script written against the library passes the strictest type check there is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SCRIPT = """\
from agent import (
    EVENT_SPEAK,
    ThalovantClient,
    ThalovantControlPlane,
    ThalovantIdentity,
    ThalovantPolicyDeniedError,
    build_client_context,
)


def claim(hub: str) -> ThalovantIdentity:
    api = ThalovantControlPlane()
    api.login("a@b.example", "password")
    return api.create_client_identity(hub, name="kiosk").identity


def serve(identity: ThalovantIdentity) -> list[str]:
    said: list[str] = []
    with ThalovantClient(identity, protocol="wss") as client:
        context = build_client_context(user_id="u", metadata={"trace": "1"})
        try:
            reply = client.ask("What is new?", context=context, timeout=5)
        except ThalovantPolicyDeniedError as error:
            said.append(error.reason)
        else:
            said += [item.text or "" for item in reply.display_items()]
        client.send_code("INV-1", kind="invoice", label=None)
        client.send_action("/help", title="Help")
        client.emit("thalovant.client.status", {"state": "ready"})
        with client.conversation(lang="en-us") as talk:
            said.append(talk.ask("And now?").text)
        for event in client.listen(EVENT_SPEAK, timeout=1.0, max_events=3):
            said.append(event.text)
        print(client.healthcheck(), client.doctor().ok)
    if identity.mqtt:
        print(identity.mqtt["host"], identity.mqtt.port)
    return said
"""


def test_a_script_is_strictly_typed(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), str(path)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
