from __future__ import annotations

import json
import os

import pytest

from agent.hub.errors import ThalovantIdentityError
from agent.identity_source import IdentityFile, find_identity, load_identity

IDENTITY = {
    "access_key": "K3Y-of-the-device",
    "password": "S3CRET-of-it",
    "site_id": "shop",
    "default_master": "wss://h",
}


def write(path, text, mode=0o600):
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    path.chmod(mode)


def complaint(path):
    with pytest.raises(ThalovantIdentityError) as raised:
        load_identity(path)
    text = str(raised.value)
    assert "\n" not in text
    assert "K3Y" not in text
    assert "S3CRET" not in text
    return text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "identity.json"


def test_a_good_file_is_the_identity(path):
    write(path, IDENTITY)
    assert load_identity(path).site_id == "shop"


def test_no_file_says_how_to_get_one(path):
    assert complaint(path) == f"there is no {path}; put one there with: sudo thalovant-agent provision FILE"


def test_a_file_open_to_others_says_how_to_close_it(path):
    write(path, IDENTITY, 0o644)
    assert complaint(path) == f"{path} can be read by others; run chmod 600 {path}"


def test_a_symlink_is_refused(path, tmp_path):
    write(tmp_path / "elsewhere.json", IDENTITY)
    path.symlink_to(tmp_path / "elsewhere.json")
    assert "is a symlink; remove it" in complaint(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not valid JSON: Expecting value at line 1, column 1"),
        ('{"password": "S3CRET-of-it"', "is not valid JSON: "),
        ("[" * 100_000, "is not valid JSON"),
        ("[1]", "must hold one JSON object"),
        ({**IDENTITY, "password": ""}, "the identity has no password"),
        ({**IDENTITY, "site_id": None}, "the identity has no site_id"),
        ({**IDENTITY, "access_key": ["K3Y"]}, "the identity has no access_key"),
    ],
)
def test_a_file_that_holds_no_identity_says_what_is_missing(path, text, words):
    write(path, text)
    assert words in complaint(path)
    assert complaint(path).endswith("again with: thalovant-agent provision FILE")


def test_a_folder_in_its_place_is_told(path):
    path.mkdir(mode=0o700)
    assert "provision FILE" in complaint(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_another_user_says_whose_it_must_be(path):
    write(path, IDENTITY, 0o000)
    assert "its owner must be the agent's user" in complaint(path)


def test_a_place_that_cannot_be_reached_is_told(path):
    write(path, IDENTITY)
    assert "cannot be read: not a directory" in complaint(path / "identity.json")


def test_the_file_is_read_when_it_comes_and_when_it_changes(path):
    file = IdentityFile(path)
    first = file.look()
    assert first is not None
    assert first.identity is None
    assert "there is no" in first.reason
    assert file.look() is None

    write(path, IDENTITY)
    found = file.look()
    assert found is not None
    assert found.identity == load_identity(path)
    assert file.look() is None

    path.chmod(0o644)
    opened = file.look()
    assert opened is not None
    assert "chmod 600" in opened.reason

    path.unlink()
    gone = file.look()
    assert gone is not None
    assert "there is no" in gone.reason


def test_what_was_forgotten_is_found_anew(path):
    write(path, IDENTITY)
    file = IdentityFile(path)
    file.look()
    file.forget()
    assert file.look() is not None


def test_a_sealed_one_that_does_not_open_is_told_until_a_file_comes(path, tmp_path):
    note = tmp_path / "note"
    file = IdentityFile(path, unopened=note)
    note.touch()
    looked = file.look()
    assert looked is not None
    assert looked.identity is None
    assert "does not open on this machine" in looked.reason
    assert looked.reason.endswith(
        "; bring the file from your workspace again with: sudo thalovant-agent provision FILE"
    )
    write(path, IDENTITY)
    assert find_identity(path, environ={}, sealed=None, unopened=note).site_id == "shop"
    looked = file.look()
    assert looked is not None
    assert looked.identity is not None
