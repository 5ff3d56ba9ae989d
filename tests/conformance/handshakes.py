"""The situations the handshake vectors name, made with a hub of ours behind real sockets, and what comes of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.hub.client import ThalovantClient
from agent.hub.errors import (
    ThalovantClientKeyRejectedError,
    ThalovantConnectionError,
    ThalovantHubKeyChangedError,
    ThalovantHubRefusedError,
)
from agent.hub.protocol.noise import KK, XX
from tests.peers.responder import OTHER_KEY, HubSide

ANOTHER_PASSWORD = "another-Horse-Battery-91x"


def arrange(case: Mapping[str, Any], server: Any, folder: Path) -> dict[str, Any]:
    """Bring about the case's situation between `server` and the keys in `folder`; what the client's identity changes.

    Afterwards the server's hub has seen nothing yet.
    """
    hub: HubSide = server.hub
    changes: dict[str, Any] = {}
    situation = case["situation"]
    if situation not in {"wrong_password", "closed_after_first_frame", "upgrade_status"}:
        connect(server, folder / "other" if situation == "client_key_changed" else folder)
    match situation:
        case "wrong_password":
            changes["password"] = ANOTHER_PASSWORD
        case "password_changed_since_pinning":
            changes["password"], hub.password = hub.password, ANOTHER_PASSWORD
        case "hub_key_changed":
            hub.static_private = OTHER_KEY
        case "client_key_changed_pinned_here":
            for key in folder.glob("*_noise.key"):
                key.unlink()
        case "kk_answer_unauthenticated":
            hub.forged = frozenset({KK})
    if case.get("hub_offers_kk") is False:
        hub.patterns = (XX,)
    hub.patterns_seen.clear()
    return changes


def connect(server: Any, folder: Path, **changes: Any) -> str:
    """One connect, and its outcome in the vectors' word."""
    client = ThalovantClient(
        server.identity(**changes), protocol=server.protocol, noise_state_dir=folder, reconnect_attempts=0
    )
    with contextlib.closing(client):
        try:
            client.connect()
        except ThalovantClientKeyRejectedError as error:
            return "client_key_rejected" if error.key_folder == folder else "client_key_rejected, of another folder"
        except ThalovantHubRefusedError:
            return "refused"
        except ThalovantHubKeyChangedError:
            return "key_changed"
        except ThalovantConnectionError:
            return "failed"
    return "connected"


def patterns(server: Any) -> list[str]:
    """The patterns the hub saw, in the vectors' words."""
    return [pattern[:2] for pattern in server.hub.patterns_seen]
