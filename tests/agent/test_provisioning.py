from __future__ import annotations

import json
import os
import stat

import pytest

from agent.identity_source import load_identity
from agent.provisioning import ProvisioningError, provision, provision_text

IDENTITY = {
    "access_key": "K3Y-of-the-device",
    "password": "S3CRET-of-it",
    "site_id": "shop",
    "default_master": "wss://hub.example",
    "a key from the future": [1, 2],
}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "etc" / "thalovant-agent" / "identity.json"


@pytest.fixture
def brought(tmp_path):
    file = tmp_path / "stick" / "identity.json"
    file.parent.mkdir()
    file.write_text(json.dumps(IDENTITY))
    file.chmod(0o644)
    return file


def take_over(source, place, tmp_path, **options):
    return provision(source, place, state=tmp_path / "state", **options)


def complaint(source, place, tmp_path, **options):
    with pytest.raises(ProvisioningError) as raised:
        take_over(source, place, tmp_path, **options)
    text = str(raised.value)
    assert "\n" not in text
    assert "K3Y" not in text
    assert "S3CRET" not in text
    return text


def test_the_identity_is_in_its_place_for_the_owner_alone_and_the_original_is_gone(brought, place, tmp_path):
    done = take_over(brought, place, tmp_path)
    assert done.trouble == ""
    assert done.identity == load_identity(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert not brought.exists()
    assert [file.name for file in place.parent.iterdir()] == ["identity.json"]


def test_the_agents_user_gets_to_the_file_whatever_the_umask(brought, place, tmp_path):
    before = os.umask(0o077)
    try:
        take_over(brought, place, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o755


def test_nothing_of_the_file_is_lost_on_the_way(brought, place, tmp_path):
    take_over(brought, place, tmp_path)
    assert json.loads(place.read_text()) == IDENTITY


def test_the_originals_bytes_are_overwritten(brought, place, tmp_path):
    size = brought.stat().st_size
    with brought.open("rb") as still_open:
        take_over(brought, place, tmp_path)
        assert still_open.read() == b"\0" * size


def test_an_original_behind_a_link_is_erased_with_the_link(brought, place, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(brought)
    take_over(link, place, tmp_path)
    assert not brought.exists()
    assert not link.is_symlink()


def test_a_byte_order_mark_does_no_harm(brought, place, tmp_path):
    brought.write_text(json.dumps(IDENTITY), encoding="utf-8-sig")
    take_over(brought, place, tmp_path)
    assert load_identity(place).site_id == "shop"


def test_another_identity_that_works_is_only_replaced_when_told_to(brought, place, tmp_path):
    provision_text(json.dumps({**IDENTITY, "site_id": "other"}), place, state=tmp_path)
    text = complaint(brought, place, tmp_path)
    assert text.startswith(f"{place} holds another identity that works (site other)")
    assert load_identity(place).site_id == "other"
    assert json.loads(brought.read_text()) == IDENTITY
    take_over(brought, place, tmp_path, replace=True)
    assert load_identity(place).site_id == "shop"


def test_the_same_identity_again_is_no_conflict(brought, place, tmp_path):
    provision_text(json.dumps(IDENTITY), place, state=tmp_path)
    take_over(brought, place, tmp_path)
    assert not brought.exists()


@pytest.mark.parametrize("damage", ["", "{", json.dumps({**IDENTITY, "password": ""})])
def test_what_does_not_work_is_replaced_without_asking(brought, place, tmp_path, damage):
    place.parent.mkdir(parents=True)
    place.write_text(damage)
    place.chmod(0o600)
    take_over(brought, place, tmp_path)
    assert load_identity(place).site_id == "shop"


def test_a_link_in_its_place_is_replaced_and_what_it_leads_to_is_left_alone(brought, place, tmp_path):
    place.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    place.symlink_to(elsewhere)
    take_over(brought, place, tmp_path)
    assert not place.is_symlink()
    assert elsewhere.read_text() == "not ours"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is not valid JSON: Expecting value at line 1, column 1; fetch it from your workspace again"),
        (b'{"password": "S3CRET-of-it"', "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[]", "must hold one JSON object"),
        (b'{"password": "\xff"}', "is not UTF-8 text"),
        (json.dumps({**IDENTITY, "site_id": ""}).encode(), "the identity has no site_id"),
        (b"x" * ((1 << 20) + 1), "is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_identity_changes_nothing(brought, place, tmp_path, text, words):
    brought.write_bytes(text)
    assert words in complaint(brought, place, tmp_path)
    assert not place.exists()
    assert brought.read_bytes() == text


def test_no_file_is_told(place, tmp_path):
    assert "cannot be read: no such file or directory" in complaint(tmp_path / "none.json", place, tmp_path)


def test_the_devices_own_file_is_not_taken_for_the_original(brought, place, tmp_path):
    take_over(brought, place, tmp_path)
    assert complaint(place, place, tmp_path) == f"{place} is the device's identity file already"
    assert load_identity(place).site_id == "shop"


def test_a_place_that_cannot_be_written_is_told_and_the_original_stays(brought, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written: " in complaint(brought, tmp_path / "file" / "identity.json", tmp_path)
    assert json.loads(brought.read_text()) == IDENTITY


def test_an_original_that_stays_is_told(place, tmp_path):
    read_end, write_end = os.pipe()
    os.write(write_end, json.dumps(IDENTITY).encode())
    os.close(write_end)
    try:
        done = take_over(tmp_path.__class__(f"/dev/fd/{read_end}"), place, tmp_path)
    finally:
        os.close(read_end)
    assert load_identity(place).site_id == "shop"
    assert "could not be erased" in done.trouble


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_file_to_the_owner_of_the_agents_folder(brought, place, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 4711, 4712)
    take_over(brought, place, tmp_path)
    assert (place.stat().st_uid, place.stat().st_gid) == (4711, 4712)
