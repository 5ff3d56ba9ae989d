from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import Any

import pytest

from agent.events import IdentityFound, IdentityMissing
from agent.hub.errors import ThalovantError
from agent.hub.identity import ThalovantIdentity
from agent.hub.link_events import HubSaid, LinkDown, LinkUp
from agent.hub.protocol.causes import Cause
from agent.identity_source import IdentityFile
from agent.linking import Linking
from agent.workers import Restart, Workers
from tests.agent.stages import HubInside
from tests.agent.stores import parcel
from tests.peers.waiting import eventually

IDENTITY = {"access_key": "the key", "password": "the password", "site_id": "shop", "default_master": "wss://hub"}


class Setting:
    """A linking on a worker of its own, and everything it told."""

    def __init__(self, path):
        self.path = path
        self.told: list[Any] = []
        self.learnt: list[ThalovantIdentity] = []
        self.links: list[HubInside] = []
        self.linking = Linking(
            IdentityFile(path), self._make, self.told.append, learnt=self.learnt.append, look_seconds=0.02
        )
        self.workers = Workers(expected=(ThalovantError,), restart=Restart(first=0.0, ceiling=0.0))

    def _make(self, identity, emit):
        self.links.append(HubInside(emit))
        return self.links[-1]

    def write(self, site="shop", **changes):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({**IDENTITY, "site_id": site, **changes}))
        new.chmod(0o600)
        new.replace(self.path)

    def kinds(self):
        return [type(event) for event in self.told]

    def of(self, kind):
        return [event for event in self.told if isinstance(event, kind)]

    def up(self, number=1):
        """The link number `number`, once it is up."""
        eventually(lambda: len(self.of(LinkUp)) >= number, what=f"session {number}")
        return self.links[-1]

    @contextmanager
    def running(self):
        self.workers.start("link", self.linking.run)
        try:
            yield self
        finally:
            self.linking.leave()
            assert self.workers.stop(10) == []


@pytest.fixture
def setting(tmp_path):
    return Setting(tmp_path / "identity.json")


def test_no_identity_is_told_once_and_its_file_is_picked_up_when_it_comes(setting):
    with setting.running():
        eventually(lambda: setting.told)
        (missing,) = setting.of(IdentityMissing)
        assert "provision" in missing.reason
        assert setting.linking.identity_trouble == missing.reason
        assert setting.linking.snapshot() is None
        setting.write()
        setting.up()
        assert setting.kinds() == [IdentityMissing, IdentityFound, LinkUp]
        assert (setting.linking.site_id, setting.linking.identity_trouble) == ("shop", "")
        assert setting.linking.snapshot().state == "up"


def test_each_way_a_file_is_wrong_is_told_as_it_changes(setting):
    setting.write(password="")
    with setting.running():
        eventually(lambda: setting.of(IdentityMissing))
        setting.path.chmod(0o644)
        eventually(lambda: len(setting.of(IdentityMissing)) == 2)
        assert "no password" in setting.of(IdentityMissing)[0].reason
        assert "chmod 600" in setting.of(IdentityMissing)[1].reason
        setting.write()
        setting.up()


def test_secrets_are_known_before_anything_is_done_with_them(setting):
    setting.write()
    with setting.running():
        setting.up()
        assert [identity.password for identity in setting.learnt] == ["the password"]


def test_orders_go_to_the_link_there_is_and_nowhere_without_one(setting):
    message = parcel("a").message
    setting.linking.send(message, 1)
    setting.linking.hurry()
    setting.linking.probe_soon()
    setting.linking.take_offer()
    setting.write()
    with setting.running():
        link = setting.up()
        setting.linking.send(message, 1)
        setting.linking.hurry()
        assert link.sent == [(message, 1)]
        assert link.hurries == 1
        assert len(setting.of(HubSaid)) == 2


def test_another_identity_ends_the_old_link_and_begins_a_new_one(setting):
    setting.write()
    with setting.running():
        first = setting.up()
        setting.write(site="other shop")
        second = setting.up(2)
        assert second is not first
        assert first.left.is_set()
        assert setting.kinds() == [IdentityFound, LinkUp, IdentityFound, LinkDown, LinkUp]
        assert setting.linking.site_id == "other shop"


def test_no_two_sessions_have_one_number_and_an_old_one_carries_nothing(setting):
    setting.write()
    with setting.running():
        first = setting.up()
        first.down()
        first.up()
        setting.write(site="other shop")
        second = setting.up(3)
        assert [event.session for event in setting.of(LinkUp)] == [1, 2, 3]
        assert [event.session for event in setting.of(LinkDown)] == [1, 2]
        setting.linking.send(parcel("old").message, 2)
        setting.linking.send(parcel("new").message, 3)
        assert [message.request_id for message, _ in second.sent] == ["new"]


@pytest.mark.parametrize("change", ["written again", "removed", "damaged"])
def test_a_file_that_holds_nothing_new_leaves_the_link_alone(setting, change, caplog):
    setting.write()
    with setting.running():
        link = setting.up()
        if change == "written again":
            setting.write()
        elif change == "removed":
            setting.path.unlink()
        else:
            setting.path.write_text("{")
        if change != "written again":
            eventually(lambda: "the one in use stays" in caplog.text, what="the warning")
        setting.path.unlink(missing_ok=True)
        setting.write()
        assert not link.left.wait(0.2)
        assert setting.kinds() == [IdentityFound, LinkUp]


def test_a_link_that_crashed_is_told_as_lost_and_begun_anew(setting):
    setting.write()
    with setting.running():
        setting.up().crash()
        setting.up(2)
        (down,) = setting.of(LinkDown)
        assert down == LinkDown(1, Cause.DROPPED)
        assert [event.session for event in setting.of(LinkUp)] == [1, 2]


def test_leaving_before_there_is_a_link_ends_it(setting):
    with setting.running():
        pass
    assert setting.links == []


def test_leaving_lets_the_link_end_by_itself(setting):
    setting.write()
    with setting.running():
        link = setting.up()
        leaving = threading.Thread(target=setting.linking.leave)
        leaving.start()
        assert link.left.wait(10)
        leaving.join(10)
