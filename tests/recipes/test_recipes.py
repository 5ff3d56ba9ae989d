"""Every recipe of the public page, run as a script of its own: only the import line, endpoint and credentials differ.

The runtime recipes talk to the real hub, the others to a control plane on loopback whose hub is that same one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.peers.control_plane import ControlPlane
from tests.peers.hub import Hub, utterance
from tests.peers.rig.devices import write_private

ROOT = Path(__file__).resolve().parents[2]
EMAIL, PASSWORD = "ada@example.org", "correct horse"

ASSUMED = {
    "api": "from thalovant import ThalovantControlPlane\napi = ThalovantControlPlane()\n",
    "identity": 'from thalovant import ThalovantIdentity\nidentity = ThalovantIdentity.from_file("_identity.json")\n',
    "client": 'from thalovant import ThalovantClient\nclient = ThalovantClient.from_identity_file("_identity.json")\n',
}
ASSUMED["signed in"] = ASSUMED["api"] + 'api.login("you@example.com", "password")\n'
"""What a recipe takes from the ones before it, in their words."""


@dataclass(frozen=True)
class Recipe:
    name: str
    assumes: str
    code: str


def recipes() -> list[Recipe]:
    text = Path(__file__).with_name("page.txt").read_text()
    parts = re.split(r"^## ([^\[\n]+?)(?: \[([^\]]+)\])?\n", text, flags=re.MULTILINE)[1:]
    return [Recipe(*each) for each in zip(parts[0::3], (part or "" for part in parts[1::3]), parts[2::3], strict=True)]


RECIPES = {recipe.name: recipe for recipe in recipes()}
LISTENING = ("wait for an event", "listen to events")


@dataclass(frozen=True)
class Ran:
    """What came of a script."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


class Bench:
    """One user's machine, with an identity file, a profile and an environment; and the two servers."""

    def __init__(self, hub: Hub, plane: ControlPlane, folder: Path) -> None:
        self.hub, self.plane, self.folder = hub, plane, folder
        self.mapping: dict[str, Any] = json.loads(hub.identity(1).read_text())
        # The page's first recipe is another program with an identity of its own, made by the API: device 2.
        made = [json.loads(hub.identity(number).read_text()) for number in (2, 3)]
        plane.add_user(EMAIL, PASSWORD)
        there = {"domain": None, "data_plane_endpoints": self.mapping["data_plane_endpoints"]}
        self.hub_id: str = plane.add_hub("Joke Garden", public=True, identities=made, **there)["id"]
        write_private(folder / "_identity.json", json.dumps(self.mapping))
        profile = "".join(
            f"{key} = {json.dumps(self.mapping[key])}\n"
            for key in ("access_key", "password", "site_id", "default_master", "default_port")
        )
        (folder / "thalovant").mkdir()
        write_private(folder / "thalovant" / "config.toml", f"[profiles.prod.identity]\n{profile}")

    def run(self, recipe: Recipe) -> Ran:
        script = self.folder / f"{recipe.name.replace(' ', '_')}.py"
        script.write_text(self._here(ASSUMED.get(recipe.assumes, "") + recipe.code))
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def run_while_the_hub_speaks(self, recipe: Recipe) -> Ran:
        """As a hub does by itself now and then: only to a client whose connection stands."""
        over = threading.Event()

        def speak() -> None:
            while not over.wait(0.3):
                if any(client["noise"] for client in self.hub.clients(1)) and not over.wait(0.3):
                    self.hub.speak("Dinner is ready", device=1)
                    self.hub.emit("ovos.utterance.handled", {"utterance": "something else"}, device=1)

        with ThreadPoolExecutor(1) as pool:
            speaking = pool.submit(speak)
            try:
                return self.run(recipe)
            finally:
                over.set()
                speaking.result(10)

    def _here(self, code: str) -> str:
        """The page's words with our import line, this endpoint and these credentials."""
        for theirs, ours in (
            ("from thalovant import", "from agent import"),
            ("ThalovantControlPlane()", f"ThalovantControlPlane({self.plane.url!r})"),
            ('"you@example.com", "password"', f"{EMAIL!r}, {PASSWORD!r}"),
            ('"hub-id"', repr(self.hub_id)),
        ):
            code = code.replace(theirs, ours)
        return code

    def _environment(self) -> dict[str, str]:
        named = {f"THALOVANT_{key.upper()}": str(self.mapping[key]) for key in ("access_key", "password", "site_id")}
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(self.folder),
            **named,
            "THALOVANT_DEFAULT_MASTER": self.mapping["default_master"],
            **self.hub.environment(),
        }


@pytest.fixture(scope="module")
def hub(start_hub: Callable[..., Hub]) -> Hub:
    return start_hub(devices=3)


@pytest.fixture(scope="module")
def ran(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ran]]]:
    """All recipes, two at a time, and those that only listen last."""
    with ControlPlane() as plane, ThreadPoolExecutor(2) as pool:
        bench = Bench(hub, plane, tmp_path_factory.mktemp("machine"))
        outcomes = {name: pool.submit(bench.run, recipe) for name, recipe in RECIPES.items() if name not in LISTENING}
        outcomes |= {name: pool.submit(bench.run_while_the_hub_speaks, RECIPES[name]) for name in LISTENING}
        yield outcomes


def saw(hub: Hub, text: str, **expected: Any) -> bool:
    """The hub took `text`, with this in its context."""
    row = hub.wait_for(utterance(text))
    assert {key: row["context"].get(key) for key in expected} == expected
    return True


def shown_protocols(hub: Hub) -> list[str]:
    return [
        "('wss', 'https', 'mqtt')",
        f"wss://localhost:{hub.ports['wss']}",
        f"https://localhost:{hub.ports['https']}",
        f"mqtts://localhost:{hub.ports['mqtt']}",
        "True",
        f"localhost {hub.ports['mqtt']}",
    ]


def status_row(hub: Hub) -> dict[str, Any]:
    return hub.wait_for(lambda row: row["type"] == "thalovant.client.status")


EXPECTED: dict[str, Callable[[Ran, Hub], bool]] = {
    "quick example": lambda ran, hub: ran.lines == ["echo: Tell me a short clean joke."],
    "list public hubs": lambda ran, hub: ran.output.endswith(" joke-garden Joke Garden\n"),
    "get a public hub": lambda ran, hub: ran.lines == ["Joke Garden joke-garden"],
    "list visible hubs": lambda ran, hub: ran.output.endswith(" Joke Garden\n"),
    "get a hub": lambda ran, hub: ran.lines == ["Joke Garden"],
    "check protocols": lambda ran, hub: ran.lines == shown_protocols(hub),
    "use a runtime client": lambda ran, hub: ran.output.startswith("ok: ready over wss, connected in "),
    "ask": lambda ran, hub: ran.lines[0] == "echo: What can this hub do?" and "text" in ran.lines[1],
    "emit an event": lambda ran, hub: status_row(hub)["data"] == {"state": "ready"},
    "send an utterance": lambda ran, hub: saw(hub, "What is the status?"),
    "send an action": lambda ran, hub: saw(
        hub,
        "/approve invoice-42",
        input={"kind": "action", "title": "Approve invoice", "payload": "/approve invoice-42"},
    ),
    "send a code": lambda ran, hub: saw(
        hub, "INV-2026-001", input={"kind": "invoice", "label": None, "value": "INV-2026-001", "exact": True}
    ),
    "hold a conversation": lambda ran, hub: (
        ran.lines == ["echo: Remember that my favorite color is blue.", "echo: What color did I mention?"]
    ),
    "wait for an event": lambda ran, hub: ran.lines == ["something else"],
    "listen to events": lambda ran, hub: ran.lines == ["Dinner is ready"] * 3,
    "build a context": lambda ran, hub: (
        ran.lines == ["echo: Show the next instruction."]
        and saw(
            hub, "Show the next instruction.", user={"id": "user-42", "name": "Ada"}, locale="en-US", platform="kiosk"
        )
    ),
    "diagnose": lambda ran, hub: ran.output.startswith("ok: site site-1 over wss\n"),
}
SHOW_NOTHING = {"create a control plane client", "sign in", "create an identity", "load an identity"}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, ran: dict[str, Future[Ran]], hub: Hub) -> None:
    done = ran[name].result(60)
    assert done.status == 0, done.errors
    assert done.errors == ""
    if name in SHOW_NOTHING:
        assert done.output == ""
    else:
        assert EXPECTED[name](done, hub), done.output


def test_every_recipe_is_looked_at() -> None:
    assert EXPECTED.keys() | SHOW_NOTHING == RECIPES.keys()
