"""Who the device is: its identity, where it lies, and the protocols it can be used over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from agent.config import Config
from agent.doctor.finding import Finding
from agent.hub.errors import ThalovantIdentityError
from agent.identity_source import find_identity


def check_identity(config: Config) -> Iterator[Finding]:
    """The identity file, and whether the configured protocols have addresses in it."""
    path = config.identity.file
    try:
        identity = find_identity(path, environ=os.environ)
    except ThalovantIdentityError as error:
        text, _, what_to_do = str(error).partition("; ")
        yield Finding(subject="identity", state="problem", text=text, advice=what_to_do)
        return
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            owner, agent = path.stat().st_uid, config.identity.state.stat().st_uid
            if owner != agent:
                yield Finding(
                    subject="identity",
                    state="problem",
                    text=f"{path} belongs to user {owner}, and the agent's folder to user {agent}",
                    advice=f"sudo chown {agent} {path}",
                )
                return
    usable = [name for name in config.hub.protocols if identity.can_dial(name)]
    missing = [name for name in config.hub.protocols if name not in usable]
    if not usable:
        yield Finding(
            subject="identity",
            state="problem",
            text=f"it has no address for any of {', '.join(config.hub.protocols)}",
            advice="create the identity again with one of them, or change hub.protocols",
        )
        return
    also = f" (not {', '.join(missing)})" if missing else ""
    yield Finding(subject="identity", state="ok", text=f"{identity.site_id}, over {', '.join(usable)}{also}")
