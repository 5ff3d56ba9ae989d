"""`login`, `logout`, `hubs`, `hub`: the account at Thalovant, and the hubs it can use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agent.api_advice import explain
from agent.api_login import TOKEN_VARIABLE, ApiLogin, connect, forget_login, login_path, read_login, write_login
from agent.commands.desk import Desk
from agent.commands.options import Commands
from agent.hub.api_problems import sentence_of
from agent.hub.errors import ThalovantAPIError, ThalovantError
from agent.status import DISTRIBUTION, user_agent

if TYPE_CHECKING:
    from agent.hub.control import ThalovantControlPlane
    from agent.hub.device_login import DeviceLogin
    from agent.hub.sign_in import ApiToken

SCOPES = ("hubs:read", "clients:read", "clients:write")
"""What `hubs` and `claim` need, and no more; also all that the free plan gives."""


def add(commands: Commands, desk: Desk | None = None) -> None:
    """Tell argparse of these commands."""
    text = "Sign in to Thalovant: shows a code to approve in any browser, or asks for a password."
    parser = commands.add_parser("login", help=text, description=text)
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--email", metavar="EMAIL", help="sign in with this account's password, which is asked for")
    ways.add_argument("--with-token", action="store_true", help="read a ready API token from standard input")
    parser.set_defaults(run=lambda options: login(options, desk or Desk()))

    text = "Sign out: revoke the token and forget it."
    parser = commands.add_parser("logout", help=text, description=text)
    parser.add_argument("--forget", action="store_true", help="only forget it here, without asking the API")
    parser.set_defaults(run=lambda options: logout(options, desk or Desk()))

    text = "List the hubs this account can use."
    parser = commands.add_parser("hubs", help=text, description=text)
    parser.add_argument("--public", action="store_true", help="list the public hubs instead; needs no account")
    parser.add_argument("--json", action="store_true", help="write one line of JSON, for programs")
    parser.set_defaults(run=lambda options: hubs(options, desk or Desk()))

    text = "Show one hub."
    parser = commands.add_parser("hub", help=text, description=text)
    parser.add_argument("ref", metavar="REF", help="its id, slug or name")
    parser.add_argument("--json", action="store_true", help="write one line of JSON, for programs")
    parser.set_defaults(run=lambda options: hub(options, desk or Desk()))


def login(options: argparse.Namespace, desk: Desk) -> int:
    """Sign in and keep the token. Raises ThalovantError."""
    path = login_path(desk.environ)
    with connect(desk.environ, user_agent()) as api:
        api.access_token = api.token_id = None
        if options.with_token:
            api.access_token = desk.lines.readline().strip()
            with explained():
                api.list_hubs(limit=1)  # a token that does nothing is better found now
        else:
            with explained():
                token = _with_password(api, options.email, desk) if options.email else _with_device(api, desk)
            if token.expires_in:
                desk.say(f"this sign-in lasts {token.expires_in / 60:.0f} minutes; one without --email lasts longer")
        write_login(path, ApiLogin(api_url=api.base_url, access_token=api.access_token or "", token_id=api.token_id))
    desk.say(f"signed in to {api.base_url}; the token is in {path}")
    if desk.environ.get(TOKEN_VARIABLE):
        desk.say(f"{TOKEN_VARIABLE} is set, and commands will use that token instead")
    return 0


def logout(options: argparse.Namespace, desk: Desk) -> int:
    """Sign out where the login file says. Raises ThalovantError, and then the token is kept."""
    from agent.hub.control import ThalovantControlPlane

    path = login_path(desk.environ)
    kept = None if options.forget else read_login(path)
    if kept is not None:
        api = ThalovantControlPlane(
            kept.api_url, access_token=kept.access_token, token_id=kept.token_id, user_agent=user_agent()
        )
        with api, explained():
            api.logout()
    forget_login(path)
    desk.say("signed out")
    return 0


def hubs(options: argparse.Namespace, desk: Desk) -> int:
    """List hubs, one to a line. Raises ThalovantError."""
    with connect(desk.environ, user_agent()) as api, explained():
        found = list(api.iter_public_hubs() if options.public else api.iter_hubs())
    facts = [_facts(each) for each in found]
    if options.json:
        print(json.dumps({"ok": True, "hubs": facts}, ensure_ascii=False))
        return 0
    for each in facts:
        print(f"{each['id']}  {each['name']}  ({each['slug']})  {' '.join(each['protocols'])}")
    if not facts:
        desk.say("no hubs")
    return 0


def hub(options: argparse.Namespace, desk: Desk) -> int:
    """Show a hub. Raises ThalovantError."""
    with connect(desk.environ, user_agent()) as api, explained():
        facts = _facts(find_hub(api, options.ref))
    if options.json:
        print(json.dumps({"ok": True, "hub": facts}, ensure_ascii=False))
        return 0
    for name in ("name", "id", "slug", "domain"):
        print(f"{name:<10}{facts[name]}")
    for protocol in facts["protocols"]:
        print(f"{protocol:<10}{facts['endpoints'].get(protocol) or 'the address comes with an identity'}")
    return 0


def find_hub(api: ThalovantControlPlane, ref: str) -> Mapping[str, Any]:
    """The hub that a person means by `ref`: an id, a slug or a name. Raises ThalovantAPIError."""
    from agent.hub.hubs import hub_display_name

    if api.access_token:
        try:
            return api.get_hub(ref)
        except ThalovantAPIError as error:
            if error.status_code not in (400, 404, 422):  # a slug is no id, and each API says so in its own way
                raise
        known = list(api.iter_hubs())
        named = [each for each in known if each.get("slug") == ref] or [
            each for each in known if hub_display_name(each).casefold() == ref.casefold()
        ]
        if len(named) > 1:
            ids = ", ".join(str(each.get("id")) for each in named)
            raise ThalovantAPIError(f"several hubs are called {ref!r}; say which one by its id: {ids}")
        if named:
            return named[0]
    try:
        return api.get_public_hub(ref)
    except ThalovantAPIError as error:
        if error.status_code != 404:
            raise
        where = "" if api.access_token else f", and nobody is signed in: {DISTRIBUTION} login"
        raise ThalovantAPIError(f"there is no hub {ref!r} to be seen{where}", status_code=404) from None


@contextmanager
def explained() -> Iterator[None]:
    """Make an error of the API one that also says what a person can do about it."""
    try:
        yield
    except ThalovantAPIError as error:
        raise ThalovantError(explain(error)) from None


def _with_password(api: ThalovantControlPlane, email: str, desk: Desk) -> ApiToken:
    from agent.hub.sign_in import wants_code

    password = desk.ask_secret(f"Password of {email}: ")
    try:
        return api.login(email, password)
    except ThalovantAPIError as error:
        if not wants_code(error):
            raise
    code = desk.ask_secret("One-time code, or a recovery code: ").strip()
    # An authenticator's code is six digits, with some eight; a recovery code has letters, or is longer.
    is_otp = code.isdigit() and len(code) <= 8
    return api.login(email, password, otp_code=code if is_otp else None, recovery_code=None if is_otp else code)


def _with_device(api: ThalovantControlPlane, desk: Desk) -> ApiToken:
    def show(begun: DeviceLogin) -> None:
        desk.say(f"Open {begun.verification_uri} on any device, and enter the code {sentence_of(begun.user_code)}")
        if begun.verification_uri_complete:
            desk.say(f"or open {begun.verification_uri_complete}")
        desk.say(f"waiting for up to {begun.expires_in / 60:.0f} minutes")

    return api.login_with_device(show, SCOPES, client_name=DISTRIBUTION, clock=desk.clock, sleep=desk.sleep)


def _facts(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wants to know of a hub, in one line of a terminal at most for each."""
    from agent.hub.endpoints import ProtocolFlags
    from agent.hub.hubs import hub_display_name, hub_endpoints

    texts = {name: sentence_of(str(resource.get(name) or "")) for name in ("id", "slug", "domain")}
    return {
        **texts,
        "name": sentence_of(hub_display_name(resource)),
        "protocols": list(ProtocolFlags.from_mapping(resource).enabled()),
        "endpoints": hub_endpoints(resource).as_dict(),
    }
