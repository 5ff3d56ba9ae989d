from __future__ import annotations

import argparse
import io
import json
import stat
from typing import Any

import pytest

from agent.api_login import ApiLogin, login_path, read_login, write_login
from agent.commands import account
from agent.commands.desk import Desk, Progress
from agent.hub.errors import ThalovantError, ThalovantIdentityError
from tests.peers.clock import FakeClock
from tests.peers.control_plane import ControlPlane
from tests.peers.http_peer import DROP, HTML, free_port, problem

PASSWORD = "S3CRET-password"


@pytest.fixture
def plane():
    with ControlPlane() as peer:
        peer.add_user("ada@example.org", PASSWORD)
        peer.add_user("grace@example.org", PASSWORD, otp="123456", recovery="brave-otter")
        peer.add_hub("Kitchen", public=True)
        peer.add_hub("Back Office")
        yield peer


class Person:
    """Somebody at a terminal: what they are shown, and what they answer when they are asked."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.clock = FakeClock()
        self.answers: list[str] = []
        self.shown = io.StringIO()
        self.piped = io.StringIO()
        self.desk = Desk(
            environ=environ,
            lines=self.piped,
            errors=self.shown,
            ask_secret=lambda question: self.answers.pop(0),
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        account.add(parser.add_subparsers(), self.desk)
        options = parser.parse_args(arguments)
        code: int = options.run(options)
        return code


@pytest.fixture
def person(plane, tmp_path):
    return Person({"XDG_CONFIG_HOME": str(tmp_path), "THALOVANT_API_URL": plane.url})


def kept(person: Person) -> ApiLogin | None:
    return read_login(login_path(person.desk.environ))


def signed_in(person: Person, plane: ControlPlane) -> Any:
    token = plane.add_token()
    login = ApiLogin(api_url=f"{plane.url}/", access_token=token.text, token_id=token.token_id)
    write_login(login_path(person.desk.environ), login)
    return token


# --------------------------------------------------------------------------------------------------- login


def test_a_machine_without_a_browser_is_signed_in_by_a_code(plane, person):
    def sleep(seconds: float) -> None:
        person.clock.sleep(seconds)
        plane.approve("WDJB-0001")

    person.desk.sleep = sleep
    assert person.run("login") == 0
    shown = person.shown.getvalue()
    assert "Open https://thalovant.com/activate on any device, and enter the code WDJB-0001" in shown
    assert plane.requests[0].json["client_name"] == "thalovant-agent"
    login = kept(person)
    assert login is not None
    assert plane.store.tokens[login.access_token].token_id == login.token_id
    assert login.access_token not in shown
    assert "tvt_" not in repr(login)


def test_the_token_is_its_owners_alone(plane, person):
    signed_in(person, plane)
    path = login_path(person.desk.environ)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    with pytest.raises(ThalovantIdentityError, match="chmod 600"):
        person.run("hubs")


def test_a_password_is_asked_for_and_not_shown(person):
    person.answers = [PASSWORD]
    assert person.run("login", "--email", "ada@example.org") == 0
    assert "lasts 60 minutes" in person.shown.getvalue()
    assert PASSWORD not in person.shown.getvalue()
    assert person.run("hubs") == 0


@pytest.mark.parametrize(("code", "member"), [("123456", "otp_code"), ("brave-otter", "recovery_code")])
def test_a_second_factor_is_asked_for_when_it_is_wanted(plane, person, code, member):
    person.answers = [PASSWORD, code]
    assert person.run("login", "--email", "grace@example.org") == 0
    assert plane.requests[-1].json[member] == code
    assert not {"otp_code", "recovery_code"} - {member} & set(plane.requests[-1].json) - {member}


def test_a_ready_token_is_read_from_a_pipe_and_tried(plane, person):
    person.piped.write(plane.add_token(["hubs:read"]).text + "\n")
    person.piped.seek(0)
    assert person.run("login", "--with-token") == 0
    assert person.run("hubs") == 0


def test_a_token_that_is_none_is_not_kept(person):
    person.piped.write("tvt_wrong\n")
    person.piped.seek(0)
    with pytest.raises(ThalovantError, match="Not authenticated; sign in with: thalovant-agent login"):
        person.run("login", "--with-token")
    assert kept(person) is None


def test_a_sign_in_that_fails_leaves_the_one_before(plane, person):
    token = signed_in(person, plane)
    person.answers = ["S3CRET-wrong"]
    with pytest.raises(ThalovantError, match="Invalid credentials") as caught:
        person.run("login", "--email", "ada@example.org")
    assert "S3CRET" not in str(caught.value)
    login = kept(person)
    assert login is not None
    assert login.access_token == token.text


# -------------------------------------------------------------------------------------------------- logout


def test_signing_out_revokes_the_token(plane, person):
    token = signed_in(person, plane)
    assert person.run("logout") == 0
    assert token.revoked
    assert kept(person) is None
    assert person.run("logout") == 0


def test_a_token_that_could_not_be_revoked_is_kept_unless_told_otherwise(plane, person):
    token = signed_in(person, plane)
    plane.put_in_the_way(DROP)
    with pytest.raises(ThalovantError, match="Could not reach the Thalovant API: the connection was cut"):
        person.run("logout")
    assert kept(person) is not None
    assert person.run("logout", "--forget") == 0
    assert kept(person) is None
    assert not token.revoked


@pytest.mark.parametrize("text", ["", "{", "[]", '{"api_url": "x"}', "null", '"tvt_S3CRET"'])
def test_a_login_file_that_is_none_is_told_without_its_content(person, text):
    path = login_path(person.desk.environ)
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(ThalovantIdentityError, match="remove it and sign in again") as caught:
        person.run("hubs")
    assert "S3CRET" not in str(caught.value)


def test_a_token_does_not_go_to_another_api(plane, person):
    signed_in(person, plane)
    with ControlPlane() as other:
        person.desk.environ["THALOVANT_API_URL"] = other.url
        with pytest.raises(ThalovantError, match="Missing Thalovant API access token; sign in with"):
            person.run("hubs")
        assert other.requests == []
        person.run("logout")
        assert other.requests == []
    assert plane.lines[-1].startswith("DELETE /v1/auth/api-tokens/")


# ----------------------------------------------------------------------------------------------------- hubs


def test_hubs_are_listed_for_a_person_and_for_a_program(plane, person, capsys):
    person.desk.environ["THALOVANT_API_TOKEN"] = plane.add_token().text
    person.run("hubs")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        "Kitchen  (kitchen)  wss https",
        "Back Office  (back-office)  wss https",
    ]
    person.run("hubs", "--json")
    listed = json.loads(capsys.readouterr().out)["hubs"]
    assert [hub["slug"] for hub in listed] == ["kitchen", "back-office"]


def test_public_hubs_need_no_account(person, capsys):
    assert person.run("hubs", "--public") == 0
    assert "Kitchen" in capsys.readouterr().out
    assert person.run("hub", "kitchen") == 0
    assert "kitchen.thalovant.io" in capsys.readouterr().out


@pytest.mark.parametrize("ref", ["id", "back-office", "back office"])
def test_a_hub_is_found_by_its_id_its_slug_or_its_name(plane, person, capsys, ref):
    signed_in(person, plane)
    wanted = list(plane.store.hubs.values())[1].resource
    assert person.run("hub", wanted["id"] if ref == "id" else ref, "--json") == 0
    assert json.loads(capsys.readouterr().out)["hub"]["id"] == wanted["id"]


def test_a_name_that_several_hubs_have_is_not_guessed(plane, person):
    signed_in(person, plane)
    plane.add_hub("Kitchen", slug="kitchen-2")
    with pytest.raises(ThalovantError, match="several hubs are called 'KITCHEN'"):
        person.run("hub", "KITCHEN")


def test_a_hub_that_is_not_there_is_told_with_what_may_help(plane, person):
    with pytest.raises(ThalovantError, match="no hub 'attic' to be seen, and nobody is signed in"):
        person.run("hub", "attic")
    signed_in(person, plane)
    with pytest.raises(ThalovantError, match=r"no hub 'attic' to be seen$"):
        person.run("hub", "attic")


def test_what_keeps_the_api_away_is_told_in_its_own_words(plane, person):
    plane.put_in_the_way(HTML)
    with pytest.raises(ThalovantError, match="the network wants a sign-in page first"):
        person.run("hubs", "--public")
    plane.put_in_the_way(problem(403, "Insufficient scopes"))
    signed_in(person, plane)
    with pytest.raises(ThalovantError, match="sign in with a token that may"):
        person.run("hubs")
    person.desk.environ["THALOVANT_API_URL"] = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ThalovantError, match="nothing listens at its address"):
        person.run("hubs", "--public")


# ------------------------------------------------------------------------------------------------- progress


def test_progress_is_one_line_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    progress = Progress(Desk(errors=terminal))
    for text in ("one", "two"):
        progress.show(text)
    progress.clear()
    progress.clear()
    assert terminal.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"


def test_progress_in_a_log_is_a_line_now_and_then():
    clock, log = FakeClock(), io.StringIO()
    progress = Progress(Desk(errors=log, clock=clock))
    for second in range(25):
        progress.show(str(second))
        clock.advance(1)
    progress.clear()
    assert log.getvalue().split() == ["0", "10", "20"]
