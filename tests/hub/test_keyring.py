from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import replace_file
from agent.hub.identity import ThalovantIdentity
from agent.hub.keyring import Keyring

NODE = "-----BEGIN PUBLIC KEY-----\nnode-alpha\n-----END PUBLIC KEY-----"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
PIN = "wss://kitchen.thalovant.io:443"


def identity(**changes: Any) -> ThalovantIdentity:
    return ThalovantIdentity.from_mapping(
        {
            "access_key": "S3CRET-access",
            "password": "S3CRET-password",
            "site_id": "kiosk-1",
            "default_port": 443,
            "default_master": "wss://kitchen.thalovant.io",
            **changes,
        }
    )


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "hivemind")


def published_entry(node_id: str = NODE) -> str:
    return f"{hashlib.sha256(b'S3CRET-access').hexdigest()[:16]}@{node_id}"


def state_of(keyring: Keyring) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((keyring.folder / "_identity.json").read_text())
    return state


# ------------------------------------------------------------------------------- the key of the device


def test_the_key_is_created_once_and_is_its_owners_alone(keyring: Keyring) -> None:
    key = keyring.static_private()
    assert len(key) == 32
    path = keyring.folder / "unnamed-node_noise.key"
    assert path.read_text() == key.hex()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keyring.folder.stat().st_mode) == 0o700
    assert Keyring(keyring.folder).static_private() == key


def test_programs_that_start_together_agree_on_one_key(keyring: Keyring) -> None:
    keys: list[bytes] = []
    together = threading.Barrier(8)

    def start() -> None:
        mine = Keyring(keyring.folder)
        together.wait(5)
        keys.append(mine.static_private())

    programs = [threading.Thread(target=start) for _ in range(8)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(10)
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("damage", ["", "ab", "zz" * 32, "ab" * 33, "ab" * 31])
def test_a_damaged_key_is_an_error_and_never_made_anew(keyring: Keyring, damage: str) -> None:
    keyring.static_private()
    path = keyring.folder / "unnamed-node_noise.key"
    replace_file(path, damage.encode())
    with pytest.raises(ThalovantIdentityError, match="damaged"):
        keyring.static_private()
    assert path.read_text() == damage


def test_a_key_others_can_read_is_refused(keyring: Keyring) -> None:
    keyring.static_private()
    (keyring.folder / "unnamed-node_noise.key").chmod(0o640)
    with pytest.raises(ThalovantIdentityError, match="chmod 600"):
        keyring.static_private()


def test_the_folder_is_closed_to_others_again(keyring: Keyring) -> None:
    keyring.folder.mkdir(mode=0o755)
    keyring.static_private()
    assert stat.S_IMODE(keyring.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ({"name": "kiosk"}, "kiosk_noise.key"),
        ({"key": "/keys/hub/me"}, "me_noise.key"),
        ({"name": "../evil"}, "unnamed-node_noise.key"),
        ({"noise_key": "mine.key", "name": "kiosk"}, "mine.key"),
        ({"noise_key": "/no/such/folder/mine.key"}, "mine.key"),
    ],
)
def test_the_key_lies_where_the_folder_says(keyring: Keyring, state: dict[str, str], name: str) -> None:
    keyring.folder.mkdir()
    replace_file(keyring.folder / "_identity.json", json.dumps(state).encode())
    assert keyring.static_private().hex() == (keyring.folder / name).read_text()


def test_an_absolute_key_path_that_can_be_used_is_used(keyring: Keyring, tmp_path: Path) -> None:
    keyring.folder.mkdir()
    replace_file(keyring.folder / "_identity.json", json.dumps({"noise_key": str(tmp_path / "far.key")}).encode())
    assert keyring.static_private().hex() == (tmp_path / "far.key").read_text()


@pytest.mark.parametrize("linked", ["hivemind", "hivemind/_identity.json", "hivemind/unnamed-node_noise.key"])
def test_symlinks_are_refused(tmp_path: Path, linked: str) -> None:
    real = Keyring(tmp_path / "hivemind")
    real.static_private()
    real.store_pin(PIN, KEY)
    (tmp_path / linked).rename(tmp_path / "elsewhere")
    (tmp_path / linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ThalovantIdentityError, match="symlink"):
        Keyring(tmp_path / "hivemind").static_private()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ThalovantIdentityError, match="cannot be written"):
        Keyring(tmp_path / "file" / "hivemind").static_private()


# ------------------------------------------------------------------------------------------ pins


def test_a_hub_is_pinned_on_first_contact_and_never_again(keyring: Keyring) -> None:
    assert keyring.pin(PIN) is None
    keyring.store_pin(PIN, KEY)
    keyring.store_pin(PIN, KEY)
    assert Keyring(keyring.folder).pin(PIN) == KEY
    with pytest.raises(ThalovantIdentityError, match="only a person"):
        keyring.store_pin(PIN, OTHER)
    assert keyring.pin(PIN) == KEY
    keyring.replace_pin(PIN, OTHER)
    assert keyring.pin(PIN) == OTHER
    assert stat.S_IMODE((keyring.folder / "_identity.json").stat().st_mode) == 0o600


def test_pins_are_compared_without_case_and_other_members_are_kept(keyring: Keyring) -> None:
    keyring.folder.mkdir()
    known = {"name": "kiosk", "extra": [1], "pinned_noise_keys": {PIN: OTHER.hex().upper()}}
    replace_file(keyring.folder / "_identity.json", json.dumps(known).encode())
    assert keyring.pin(PIN) == OTHER
    keyring.store_pin(PIN, OTHER)
    keyring.store_pin("https://h:443", KEY)
    assert state_of(keyring) == {
        **known,
        "pinned_noise_keys": {PIN: OTHER.hex().upper(), "https://h:443": KEY.hex()},
    }


def test_pins_learnt_by_two_programs_at_once_all_survive(keyring: Keyring) -> None:
    def learn(program: int) -> None:
        mine = Keyring(keyring.folder)
        for number in range(5):
            mine.store_pin(f"wss://h{program}-{number}:443", KEY)

    programs = [threading.Thread(target=learn, args=(each,)) for each in range(4)]
    for program in programs:
        program.start()
    for program in programs:
        program.join(20)
    assert len(state_of(keyring)["pinned_noise_keys"]) == 20


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "\udcff",
        '{"pinned_noise_keys": []}',
        '{"pinned_noise_keys": {"wss://h:443": "ab"}}',
        '{"pinned_noise_keys": {"wss://h:443": null}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_pin_file_is_an_error_and_is_left_as_it_is(keyring: Keyring, damage: str) -> None:
    keyring.folder.mkdir()
    path = keyring.folder / "_identity.json"
    replace_file(path, damage.encode(errors="surrogateescape"))
    for use in (lambda: keyring.pin(PIN), lambda: keyring.store_pin(PIN, KEY), keyring.static_private):
        with pytest.raises(ThalovantIdentityError, match=r"_identity\.json is damaged"):
            use()
    assert path.read_bytes() == damage.encode(errors="surrogateescape")
    assert list(keyring.folder.glob("*_noise.key")) == []


def test_a_pin_file_cut_short_anywhere_is_an_error(keyring: Keyring) -> None:
    keyring.store_pin(PIN, KEY)
    path = keyring.folder / "_identity.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ThalovantIdentityError):
            keyring.pin(PIN)


# ------------------------------------------------------------------------------------ the PSK cache


def test_a_psk_outlives_the_program_for_the_same_password_alone(keyring: Keyring) -> None:
    keyring.store_psk(identity(), NODE, KEY)
    again = Keyring(keyring.folder)
    assert again.psk(identity(), NODE) == KEY
    assert again.psk(identity(password="changed"), NODE) is None
    assert again.psk(identity(access_key="another"), NODE) is None
    assert again.psk(identity(), "another node") is None
    assert keyring.psk(identity(password="changed"), NODE) is None


@pytest.mark.parametrize("nodes", [(NODE,), ("another node", NODE), (NODE, "another node"), ()])
def test_an_expected_psk_is_the_same_as_one_that_was_not(keyring: Keyring, nodes: tuple[str, ...]) -> None:
    for node in nodes:
        keyring.store_psk(identity(), node, KEY if node == NODE else OTHER)
    again = Keyring(keyring.folder)
    again.expect(identity())
    assert again.psk(identity(), NODE) == (KEY if NODE in nodes else None)
    again.expect(identity(password="changed"))
    assert again.psk(identity(password="changed"), NODE) is None
    assert again.psk(identity(), NODE) == (KEY if NODE in nodes else None)


def test_a_new_password_takes_the_place_of_the_old(keyring: Keyring) -> None:
    keyring.store_psk(identity(), NODE, KEY)
    keyring.store_psk(identity(password="changed"), NODE, OTHER)
    again = Keyring(keyring.folder)
    assert again.psk(identity(), NODE) is None
    assert again.psk(identity(password="changed"), NODE) == OTHER
    assert len(json.loads((keyring.folder / "unnamed-node_noise_psks.json").read_text())) == 1


def test_forgetting_a_psk_forgets_the_published_clients_too(keyring: Keyring) -> None:
    keyring.folder.mkdir()
    path = keyring.folder / "unnamed-node_noise_psks.json"
    stranger = published_entry("another node")
    replace_file(path, json.dumps({published_entry(): OTHER.hex(), stranger: OTHER.hex()}).encode())
    assert keyring.psk(identity(), NODE) is None  # it knows no password, so it is not believed
    keyring.store_psk(identity(), NODE, KEY)
    assert published_entry() in json.loads(path.read_text())
    keyring.forget_psk(identity(), NODE)
    assert json.loads(path.read_text()) == {stranger: OTHER.hex()}
    assert keyring.psk(identity(), NODE) is None
    assert Keyring(keyring.folder).psk(identity(), NODE) is None


def test_nothing_in_the_cache_is_a_fast_hash_of_the_password(keyring: Keyring) -> None:
    keyring.store_psk(identity(), NODE, KEY)
    text = (keyring.folder / "unnamed-node_noise_psks.json").read_text()
    assert "S3CRET" not in text
    (name,) = json.loads(text)
    told = name.removeprefix(published_entry())[1:]
    salt, proof = told[:32], told[32:]
    password = b"S3CRET-password"
    for digest in ("sha256", "sha512", "md5", "blake2b"):
        for guess in (password, salt.encode() + password, password + salt.encode()):
            assert hashlib.new(digest, guess).hexdigest()[:64] != proof
    assert hashlib.scrypt(password, salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex() == proof


def test_each_entry_has_its_own_salt(keyring: Keyring) -> None:
    for number in range(3):
        keyring.store_psk(identity(), f"node-{number}", KEY)
    names = json.loads((keyring.folder / "unnamed-node_noise_psks.json").read_text())
    assert len({name.rpartition("#")[2] for name in names}) == 3


def test_the_cache_holds_32_entries_and_the_oldest_goes_first(keyring: Keyring) -> None:
    keyring.folder.mkdir()
    path = keyring.folder / "unnamed-node_noise_psks.json"
    replace_file(path, json.dumps({f"entry-{number}": OTHER.hex() for number in range(32)}).encode())
    keyring.store_psk(identity(), NODE, KEY)
    names = list(json.loads(path.read_text()))
    assert len(names) == 32
    assert names[0] == "entry-1"


def test_a_node_id_that_is_too_long_is_kept_for_this_program_alone(keyring: Keyring) -> None:
    keyring.store_psk(identity(), "n" * 513, KEY)
    assert keyring.psk(identity(), "n" * 513) == KEY
    assert Keyring(keyring.folder).psk(identity(), "n" * 513) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff", b'{"x": 1}', b" " * (1 << 21), b"[" * 100_000])
def test_a_damaged_cache_is_empty_and_is_written_anew(keyring: Keyring, damage: bytes) -> None:
    keyring.folder.mkdir(mode=0o700)
    replace_file(keyring.folder / "unnamed-node_noise_psks.json", damage)
    assert keyring.psk(identity(), NODE) is None
    keyring.store_psk(identity(), NODE, KEY)
    assert Keyring(keyring.folder).psk(identity(), NODE) == KEY


def test_a_cache_others_can_read_is_not_believed(keyring: Keyring) -> None:
    keyring.store_psk(identity(), NODE, KEY)
    (keyring.folder / "unnamed-node_noise_psks.json").chmod(0o644)
    assert Keyring(keyring.folder).psk(identity(), NODE) is None


def test_a_cache_that_cannot_be_kept_never_fails_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = Keyring(tmp_path / "file" / "hivemind")
    nowhere.store_psk(identity(), NODE, KEY)
    nowhere.forget_psk(identity(), "another node")
    assert nowhere.psk(identity(), NODE) == KEY


# ---------------------------------------------------------------------------------- which folder


def at(path: Path, **changes: Any) -> ThalovantIdentity:
    path.parent.mkdir(parents=True, exist_ok=True)
    return identity(**changes).save(path)


def test_the_keys_lie_beside_the_identity_file_or_with_all_programs_of_the_user(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    shared = tmp_path / "config" / "hivemind"
    beside = at(tmp_path / "etc" / "identity.json")
    assert Keyring.for_identity(beside, environ=environ).folder == tmp_path / "etc" / "hivemind"
    assert Keyring.for_identity(identity(), environ=environ).folder == shared
    assert Keyring.for_identity(beside, tmp_path / "given", environ=environ).folder == tmp_path / "given"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_made_beside_the_file_is_not_chosen(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    beside = at(tmp_path / "etc" / "identity.json")
    (tmp_path / "etc").chmod(0o500)
    assert Keyring.for_identity(beside, environ=environ).folder == tmp_path / "config" / "hivemind"


def shared_keyring(tmp_path: Path) -> tuple[Keyring, dict[str, str]]:
    shared = Keyring(tmp_path / "config" / "hivemind")
    shared.static_private()
    shared.store_pin(PIN, KEY)
    shared.store_pin("wss://other.example:443", KEY)
    return shared, {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_a_hub_already_known_to_the_user_is_known_beside_the_file_too(tmp_path: Path) -> None:
    shared, environ = shared_keyring(tmp_path)
    beside = at(tmp_path / "etc" / "identity.json")
    Keyring(tmp_path / "etc" / "hivemind").store_pin("wss://other.example:443", OTHER)
    taken = Keyring.for_identity(beside, environ=environ)
    assert taken.static_private() == shared.static_private()
    assert taken.pin(PIN) == KEY
    assert taken.pin("wss://other.example:443") == OTHER  # what was pinned here wins
    assert (shared.folder / "unnamed-node_noise.key").exists()


def test_a_folder_with_a_key_of_its_own_keeps_it(tmp_path: Path) -> None:
    _, environ = shared_keyring(tmp_path)
    beside = at(tmp_path / "etc" / "identity.json")
    own = Keyring(tmp_path / "etc" / "hivemind").static_private()
    taken = Keyring.for_identity(beside, environ=environ)
    assert (taken.static_private(), taken.pin(PIN)) == (own, None)


def test_keys_for_other_hubs_or_damaged_ones_are_not_taken_over(tmp_path: Path) -> None:
    shared, environ = shared_keyring(tmp_path)
    elsewhere = at(tmp_path / "a" / "identity.json", default_master="wss://unknown.example")
    assert Keyring.for_identity(elsewhere, environ=environ).static_private() != shared.static_private()
    (shared.folder / "_identity.json").write_text("{")
    beside = at(tmp_path / "b" / "identity.json")
    assert Keyring.for_identity(beside, environ=environ).pin(PIN) is None


def test_a_take_over_cut_short_before_the_key_is_made_again(tmp_path: Path) -> None:
    shared, environ = shared_keyring(tmp_path)
    beside = at(tmp_path / "etc" / "identity.json")
    Keyring(tmp_path / "etc" / "hivemind").store_pin(PIN, KEY)  # the pins were written, and then the plug was pulled
    assert Keyring.for_identity(beside, environ=environ).static_private() == shared.static_private()


def test_no_secret_is_in_anything_a_keyring_shows(keyring: Keyring) -> None:
    key = keyring.static_private()
    keyring.store_psk(identity(), NODE, KEY)
    shown = repr(keyring) + str(keyring)
    replace_file(keyring.folder / "unnamed-node_noise.key", key.hex().encode() + b"S3CRET")
    with pytest.raises(ThalovantIdentityError) as caught:
        keyring.static_private()
    keyring.store_pin(PIN, KEY)
    with pytest.raises(ThalovantIdentityError) as again:
        keyring.store_pin(PIN, OTHER)
    shown += f"{caught.value!r}{again.value!r}"
    for secret in ("S3CRET", key.hex(), KEY.hex()):
        assert secret not in shown
