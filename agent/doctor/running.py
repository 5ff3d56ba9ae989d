"""The running agent, and the link: what the agent says of it, or what comes of dialling in its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

from agent.config import Config
from agent.control_socket import AgentNotRunningError, ControlError, ask_agent
from agent.doctor.finding import Finding
from agent.hub.errors import ThalovantIdentityError
from agent.identity_source import find_identity
from agent.state_folder import KEYS

_ANSWER_SECONDS = 5.0


def check_agent(config: Config) -> Iterator[Finding]:
    """The running agent, and what it says of its link and its devices."""
    try:
        answer = ask_agent(config.control.socket, {"command": "status"}, _ANSWER_SECONDS)
    except AgentNotRunningError as error:
        text, _, what_to_do = str(error).partition("; ")
        yield Finding(subject="agent", state="problem", text=text, advice=what_to_do)
        yield from _try_link(config)
        return
    except ControlError as error:
        yield Finding(subject="agent", state="problem", text=str(error), advice="journalctl -u thalovant-agent")
        return
    try:
        link, outbox, configuration = answer["link"], answer["outbox"], answer["configuration"]
        up = link["state"] in {"up", "degraded"}
        text = f"{link['state']}" + (f" over {link['protocol']}" if up else "")
        yield Finding(subject="agent", state="ok", text=f"running, version {answer['version']}")
        if configuration["trouble"]:
            advice = "mend the file, then: systemctl reload thalovant-agent"
            yield Finding(subject="configuration", state="problem", text=configuration["trouble"], advice=advice)
        if configuration["from_hub"]:
            text = f"{' and '.join(configuration['from_hub'])} set by the hub, in the place of the configuration"
            yield Finding(subject="settings", state="ok", text=text)
        if not answer["identity"]["trouble"]:  # which has been told, and explains all the rest
            yield Finding(subject="link", state="ok" if up else "problem", text=text, advice=link["advice"])
        if answer["report"]["trouble"]:
            text, _, what_to_do = answer["report"]["trouble"].partition("; ")
            yield Finding(subject="report", state="warning", text=text, advice=what_to_do)
        if outbox["trouble"]:
            yield Finding(subject="outbox", state="problem", text=outbox["trouble"])
        elif outbox["dead"]:
            text = f"{outbox['dead']} messages ended badly"
            yield Finding(subject="outbox", state="warning", text=text, advice="thalovant-agent outbox")
        else:
            yield Finding(subject="outbox", state="ok", text=f"{outbox['waiting']} waiting")
        for part in (*answer["inputs"], *answer["outputs"]):
            if part["trouble"]:
                subject = f'{part["kind"]} "{part["name"]}"'
                yield Finding(subject=subject, state="problem", text=f"the agent says: {part['trouble']}")
    except (KeyError, TypeError):
        text = "the running agent is of another version than this command"
        yield Finding(subject="agent", state="warning", text=text, advice="systemctl restart thalovant-agent")


def _try_link(config: Config) -> Iterator[Finding]:
    """Dial the hub in the place of an agent that does not run, as it would: with the device's keys, by each protocol.

    With a copy of them, so that a doctor who is root leaves no files in the agent's folder that the agent cannot write.
    Without any this is not done: a hub keeps the first key a device shows, and it must be the one that stays.
    """
    try:
        identity = find_identity(config.identity.file, environ=os.environ)
    except ThalovantIdentityError:
        return  # which has been told, and explains this
    usable = [name for name in config.hub.protocols if identity.can_dial(name)]
    keys = config.identity.state / KEYS
    if not usable:
        return
    if not (keys.is_dir() and os.access(keys, os.R_OK | os.X_OK) and any(keys.iterdir())):
        text = "not tried: the device has no key yet, or this user may not read it"
        yield Finding(subject="link", state="warning", text=text, advice="start the agent, or run the doctor with sudo")
        return

    from agent.hub.client import ThalovantClient

    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(keys, os.path.join(folder, KEYS))
        for protocol in usable:
            client = ThalovantClient(
                identity, protocol=protocol, auto_reconnect=False, reconnect_attempts=0, noise_state_dir=copy
            )
            try:
                report = client.doctor()
            finally:
                client.close()
            failed = next((check for check in report.checks if not check.ok), None)
            subject = f"link over {protocol}"
            if failed is None:
                yield Finding(subject=subject, state="ok", text=report.checks[-1].detail)
            else:
                advice = failed.cause.sentence if failed.cause is not None else ""
                yield Finding(subject=subject, state="problem", text=failed.detail, advice=advice)
