"""The published client beside ours, on one hub with one identity and one key folder: the hub cannot tell them apart.

Each sending call is made by both; the hub must see the same type, the same data and the same context keys, and both
must be told the same in return.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.hub.client import ThalovantClient
from tests.peers.hub import STATUS_TYPE

thalovant = pytest.importorskip("thalovant", reason="the published client is not installed")

IDS = ("request_id", "thalovant_request_id", "session_id")

CALLS = {
    "ask": lambda client: client.ask("hello", session_id="s-1", context={"channel": "kiosk"}),
    "ask with hints": lambda client: client.ask(
        "hello", stt_lang="de-de", pipeline=["one"], location={"city": "Ulm"}, lang="de-de"
    ),
    "send_utterance": lambda client: client.send_utterance("What is the status?", lang="en-us", session_id="s-1"),
    "send_action": lambda client: client.send_action("/approve invoice-42", title="Approve invoice", session_id="s-1"),
    "send_action without a title": lambda client: client.send_action("/approve"),
    "send_code": lambda client: client.send_code("INV-2026-001", kind="invoice", session_id="s-1"),
    "send_code with a label": lambda client: client.send_code(" X-1 ", label="Shelf", context={"input": "mine"}),
    "emit": lambda client: client.emit(STATUS_TYPE, {"state": "ready"}, {"source": "checkout-kiosk"}),
    "emit in a conversation": lambda client: client.conversation(session_id="talk", lang="fr-fr").emit(
        STATUS_TYPE, {"state": "ready"}
    ),
    "ask in a conversation": lambda client: client.conversation(
        session_id="talk", lang="fr-fr", context={"session": {"x": 1}, "channel": "a"}
    ).ask("hello", context={"channel": "b"}),
}


PROTOCOLS = ("wss", "https", "mqtt")


@pytest.fixture(scope="module")
def hub(start_hub):
    """A hub with a device for each carrier."""
    return start_hub(devices=len(PROTOCOLS))


@pytest.fixture(scope="module")
def all_seen(hub):
    """What each call returned and what the hub saw of it, by carrier: made by the published client, and by ours.

    One after the other, since a hub holds one HTTPS and one MQTT session for an identity.
    """

    def made(kind, device, protocol):
        seen = {}
        known = set()  # one that comes again, as the published client's sometimes does, is not the next one

        def new(row):
            return row["context"]["session"]["site_id"] == f"site-{device}" and named(row) not in known

        with kind.from_identity_file(hub.identity(device), protocol=protocol) as client:
            for name, call in CALLS.items():
                known |= {named(row) for row in hub.received(new)}
                seen[name] = call(client), hub.wait_for(new)
        return seen

    def by_both(device, protocol):
        return [made(kind, device, protocol) for kind in (thalovant.ThalovantClient, ThalovantClient)]

    with ThreadPoolExecutor(len(PROTOCOLS)) as pool:
        return dict(zip(PROTOCOLS, pool.map(by_both, range(1, len(PROTOCOLS) + 1), PROTOCOLS), strict=True))


@pytest.fixture(params=PROTOCOLS)
def seen(request, all_seen):
    return all_seen[request.param]


def named(row):
    """The message's id, or when it came where it has none."""
    return row["context"].get("request_id") or row["t"]


def keys(context):
    """The context's keys, with those of the objects in it."""
    return {
        key: sorted(value) if isinstance(value, dict) else None for key, value in context.items() if key != "metadata"
    }


@pytest.mark.parametrize("name", CALLS)
def test_the_hub_sees_the_same_of_both(seen, name):
    (_, theirs), (_, ours) = (mine[name] for mine in seen)
    assert ours["type"] == theirs["type"]
    assert ours["data"] == theirs["data"]
    assert keys(ours["context"]) == keys(theirs["context"])
    same = set(theirs["context"]) - {*IDS, "session", "source", "peer", "platform"}
    assert {key: ours["context"][key] for key in same} == {key: theirs["context"][key] for key in same}


@pytest.mark.parametrize("name", [name for name in CALLS if name.startswith("ask")])
def test_both_are_told_the_same(seen, name):
    (theirs, _), (ours, _) = (mine[name] for mine in seen)
    for field in ("text", "utterances", "handled", "ok", "claimed", "lang", "display_text", "dropped_media"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert [item.kind for item in ours.display_items()] == [item.kind for item in theirs.display_items()]
    assert [event.name for event in ours.events] == [event.name for event in theirs.events]
