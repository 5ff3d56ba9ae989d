"""`claim`: identities for devices, one or a fleet."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.api_advice import explain
from agent.api_login import connect
from agent.commands.account import explained, find_hub
from agent.commands.desk import Desk, Progress
from agent.commands.options import Commands
from agent.hub.errors import ThalovantAPIError, ThalovantError
from agent.status import DISTRIBUTION, user_agent

if TYPE_CHECKING:
    from agent.claiming import Claimed
    from agent.claims import ClaimFolder
    from agent.hub.control import ThalovantControlPlane

_WAIT_SECONDS = 180.0
_MOST = 10_000


def add(commands: Commands, desk: Desk | None = None) -> None:
    """Tell argparse of this command."""
    text = "Make an identity on a hub, for one device or for many, and wait until the hub has admitted it."
    more = (
        "Run it again to go on where it stopped: what is there stays, and no name is given twice. The files are "
        f"secrets; bring each to its device with: {DISTRIBUTION} provision FILE"
    )
    parser = commands.add_parser("claim", help=text, description=text, epilog=more)
    parser.add_argument("hub", metavar="HUB", help="the hub's id, slug or name")
    parser.add_argument("--name", required=True, help="the device's name, and its file's")
    parser.add_argument("--count", type=_count, metavar="N", help="make NAME-001 to NAME-N")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: here)")
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long to wait for the hub, all devices together (default: %(default)g); 0 does not wait",
    )
    parser.add_argument("--json", action="store_true", help="write one line of JSON, for programs")
    parser.set_defaults(run=lambda options: claim(options, desk or Desk()))


def claim(options: argparse.Namespace, desk: Desk) -> int:
    """Make, keep and wait. 1 when anything of it is not done. Raises ThalovantError when nothing could be begun."""
    from agent.claiming import make, names_of
    from agent.claims import ClaimFolder

    folder, progress = ClaimFolder(options.out), Progress(desk)
    names = names_of(options.name.strip(), options.count)
    clients: list[Claimed] = []
    with connect(desk.environ, user_agent()) as api:
        if not api.access_token:
            raise ThalovantError(f"an identity is made by somebody who is signed in: {DISTRIBUTION} login")
        with explained():
            hub = find_hub(api, options.hub)
        for client in make(api, hub, names, folder, clock=desk.clock, sleep=desk.sleep):
            clients.append(client)
            progress.show(f"{len(clients)} of {len(names)} identities made or kept")
            if not options.json and not client.trouble:
                progress.clear()
                print(client.path, flush=True)
        trouble = _admit(api, clients, folder, seconds=options.wait, desk=desk, progress=progress)
    progress.clear()
    troubles = [client.trouble for client in clients if client.trouble] + trouble
    if len(clients) < len(names):
        troubles.append(f"{len(names) - len(clients)} more were not tried; run this again when that is mended")
    if options.json:
        shown = [_facts(client) for client in clients]
        print(json.dumps({"ok": not troubles, "identities": shown, "troubles": troubles}, ensure_ascii=False))
    else:
        for text in troubles:
            desk.say(text)
        if not troubles:
            desk.say(_summary(clients))
    return 1 if troubles else 0


def _admit(
    api: ThalovantControlPlane,
    clients: list[Claimed],
    folder: ClaimFolder,
    *,
    seconds: float,
    desk: Desk,
    progress: Progress,
) -> list[str]:
    """Wait for those that are on their way; what went wrong with all of them."""
    from agent.claiming import wait

    waiting = [client for client in clients if client.waits is not None]
    if seconds <= 0:
        for client in waiting:
            folder.finish(client.name)
        return []

    def show(name: str, status: str, left: float) -> None:
        done = sum(client.admitted is True for client in waiting)
        word = f" ({status})" if status else ""
        progress.show(f"waiting for the hub: {done} of {len(waiting)} admitted, {name}{word}, {left:.0f} s left")

    try:
        wait(api, waiting, folder, timeout=seconds, progress=show, clock=desk.clock, sleep=desk.sleep)
    except ThalovantAPIError as error:
        return [f"{explain(error)}; run this again to go on waiting"]
    return []


def _summary(clients: list[Claimed]) -> str:
    made = sum(client.state == "made" for client in clients)
    waited = "" if any(client.admitted is None for client in clients if client.state == "made") else ", admitted"
    kept = f", {len(clients) - made} kept" if made < len(clients) else ""
    return f"{made} made{waited if made else ''}{kept}; bring them to their devices with: {DISTRIBUTION} provision FILE"


def _facts(client: Claimed) -> dict[str, Any]:
    return {
        "name": client.name,
        "file": str(client.path) if client.state != "failed" else None,
        "client_id": client.client_id,
        "state": client.state,
        "admitted": client.admitted,
        "trouble": client.trouble,
    }


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST}, got {text}")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"expected 0 to 86400, got {text}")
    return seconds
