from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.hub.errors import ThalovantIdentityError
from agent.hub.files import create_file, read_private, replace_file

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes and symlinks as POSIX has them")


@posix_only
def test_a_replaced_file_is_its_owners_alone_whatever_it_was_before(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_replacing_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "state", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_replacement_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()  # a directory cannot be replaced by a file
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "state", b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_process_killed_while_replacing_leaves_the_old_bytes_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "state"
    replace_file(path, b"a" * 70_000)
    program = (
        "import sys; from pathlib import Path; from agent.hub.files import replace_file\n"
        "print('on', flush=True)\n"
        "while True:\n"
        "    for letter in b'ab': replace_file(Path(sys.argv[1]), bytes([letter]) * 70_000)\n"
    )
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"on\n"
            while path.read_bytes()[:1] != b"b":
                pass
            writer.kill()
        assert path.read_bytes() in (b"a" * 70_000, b"b" * 70_000)


def test_of_two_that_create_one_file_the_first_wins(tmp_path: Path) -> None:
    assert create_file(tmp_path / "key", b"first")
    assert not create_file(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o777])
def test_a_file_that_others_can_reach_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "identity.json"
    path.write_text("{}")
    path.chmod(mode)
    with pytest.raises(ThalovantIdentityError) as caught:
        read_private(path, "identity file")
    assert str(caught.value) == f"{path} can be read by others; run chmod 600 {path}"


@posix_only
def test_a_projected_secret_is_read_whatever_its_mode_but_only_as_the_link_it_is(tmp_path: Path) -> None:
    data = tmp_path / "..2026"
    data.mkdir()
    (data / "identity.json").write_text("{}")
    (data / "identity.json").chmod(0o644)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "identity.json").symlink_to("..data/identity.json")
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert read_private(tmp_path / "identity.json", "identity file", environ=inside) == "{}"
    for path, environ in ((tmp_path / "identity.json", {}), (data / "identity.json", inside)):
        with pytest.raises(ThalovantIdentityError, match="chmod 600"):
            read_private(path, "identity file", environ=environ)


def test_what_is_no_file_of_ours_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ThalovantIdentityError, match=r"missing\.json does not exist"):
        read_private(tmp_path / "missing.json", "identity file")
    with pytest.raises(ThalovantIdentityError, match="not a regular file"):
        read_private(tmp_path, "identity file")
    for data, words in ((b"\xff\xfe\x00", "not UTF-8"), (b" " * (1 << 21), "larger than 1 MiB")):
        replace_file(tmp_path / "odd", data)
        with pytest.raises(ThalovantIdentityError, match=words):
            read_private(tmp_path / "odd", "identity file")


@posix_only
def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "identity.json", 0o600)
    with pytest.raises(ThalovantIdentityError, match="not a regular file"):
        read_private(tmp_path / "identity.json", "identity file")
