"""How the device is, as plain data: for `thalovant-agent status`, and for the event its operator sees at the hub.

Values come in and JSON comes out, so that both tell the same. Nothing in it is a secret, and nothing is what people
scanned or heard. Times are ages in seconds, since a device without a clock of its own has no hours to give.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.record import field, record
from agent.version import __version__

if TYPE_CHECKING:
    from agent.config import Config
    from agent.hub.link_report import LinkSnapshot
    from agent.outbox import OutboxCounts

EVENT_STATUS = "thalovant.client.status"
"""The bus message with which a device reports itself; its hub must allow that type."""

NOT_ALLOWED = (
    "the hub does not let this device report its status; "
    f"on the hub run: hivemind-core allow-msg {EVENT_STATUS} <client id>"
)

EVENT_STATUS_REQUEST = "thalovant.client.status.request"
"""The bus message with which a hub asks for that report now."""

DISTRIBUTION = "thalovant-agent"


def version() -> str:
    """The version of this program."""
    return __version__


@functools.cache
def versions() -> Mapping[str, str]:
    """Of what this runs on: Python, the kernel, the system."""
    import platform

    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return {"python": platform.python_version(), "kernel": platform.release(), "system": system}


def user_agent() -> str:
    """The product token the hub sees."""
    return f"ThalovantAgent/{version()}"


@record(kw_only=True)
class Part:
    """One thing that is connected to the device."""

    kind: str
    """"scanner", "button", "display", "speech", "page" or "light"."""
    name: str
    trouble: str = ""
    """What is wrong with it and what to do; empty while it works."""

    def as_dict(self) -> dict[str, str]:
        """The part as JSON data."""
        return {"kind": self.kind, "name": self.name, "trouble": self.trouble}


def parts(config: Config, lost: Mapping[tuple[str, str], str]) -> tuple[list[Part], list[Part]]:
    """The inputs and the outputs `config` asks for; `lost` has the trouble of those that fail, by kind and name."""

    def part(kind: str, name: str) -> Part:
        return Part(kind=kind, name=name, trouble=lost.get((kind, name), ""))

    inputs = [part("scanner", one.name) for one in config.scanners] + [
        part("button", name) for name in [one.name for one in config.buttons] + [one.name for one in config.knobs]
    ]
    outputs = [part("display", one.name) for one in config.displays] + [
        part("light", one.name) for one in config.lights
    ]
    if config.speech.enabled:
        outputs.append(part("speech", "speech"))
    if config.page.enabled:
        outputs.append(part("page", "page"))
    return inputs, outputs


def written_bytes(io: Path = Path("/proc/self/io")) -> int | None:
    """Bytes this process had written to its disks, by the kernel's count; None where it does not say."""
    try:
        fields = dict(line.split(": ") for line in io.read_text().splitlines())
        return int(fields["write_bytes"])
    except (OSError, ValueError, KeyError):
        return None


@record(kw_only=True)
class Card:
    """What the device does to its card, and the card to what is scanned."""

    flushes: int
    """Commits of the store since the start."""
    written_bytes: int | None
    """By the whole process, since its start."""
    survives_power_cut: bool
    """False where the state folder lies in memory."""

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "flushes": self.flushes,
            "written_bytes": self.written_bytes,
            "survives_power_cut": self.survives_power_cut,
        }


@record(kw_only=True)
class Status:
    """The device at one moment."""

    now: float
    """The moment, in seconds of the monotonic clock; the link's times are of the same."""
    version: str
    uptime_seconds: float
    """Since this process started."""
    boot_id: str
    """The kernel's; another one means that the machine was started anew."""
    site_id: str
    """Who the identity says this device is; empty while there is none."""
    identity_trouble: str
    """Why there is no usable identity and what to do; empty when there is one."""
    store_trouble: str
    """Why nothing is accepted; empty while the disk takes what is scanned."""
    config_trouble: str = ""
    """Why it runs with another configuration than its file's; empty when it does not."""
    from_hub: Mapping[str, Any] = field(default_factory=dict)
    """What the hub has set in the place of the configuration: "volume" and "quiet"."""
    report_trouble: str = ""
    """Why the hub does not get this, and what to do; empty while it does."""
    link: LinkSnapshot | None
    """None while there is no identity to dial with."""
    outbox: OutboxCounts
    oldest_seconds: float | None = None
    """The age of what has waited longest; None when nothing does, and where nobody looked."""
    card: Card
    inputs: Sequence[Part]
    outputs: Sequence[Part]
    counts: Mapping[str, int]
    """What happened since the start, by name."""

    @property
    def state(self) -> str:
        """One word for it: "attention" (a person must act), "offline", "degraded" (something is missing) or "ready"."""
        if self.identity_trouble or self.store_trouble or (self.link is not None and self.link.state == "attention"):
            return "attention"
        if self.link is None or self.link.state not in {"up", "degraded"}:
            return "offline"
        missing = (
            bool(self.config_trouble)
            or any(part.trouble for part in (*self.inputs, *self.outputs))
            or not self.card.survives_power_cut
        )
        return "degraded" if missing or self.link.state == "degraded" else "ready"

    @property
    def headline(self) -> str:
        """The same in a few words, for `systemctl status`."""
        if self.identity_trouble:
            words = f"no identity: {self.identity_trouble}"
        elif self.link is None:
            words = "starting"
        elif self.link.state in {"up", "degraded"}:
            words = f"{self.link.state} over {self.link.protocol}"
        else:
            words = self.link.state + (f": {self.link.cause.sentence}" if self.link.cause else "")
        return f"{words}; {self.outbox.waiting} waiting to be sent" if self.outbox.waiting else words

    def as_dict(
        self,
        *,
        state: str | None = None,
        board: Mapping[str, Any] | None = None,
        refused: Sequence[Mapping[str, Any]] | None = None,
    ) -> dict[str, Any]:
        """The status as JSON data; `state`, when given, says what the device is about to do instead of how it is.

        `board` is from `agent.board`, which is read only for those who look. `refused` is from `agent.refusals`, for
        those alone who ask on the device: it has what people scanned. What this gives fits `status.schema.json`.
        """
        return {
            "state": state or self.state,
            "version": self.version,
            "versions": versions(),
            "uptime_seconds": round(self.uptime_seconds, 1),
            "boot_id": self.boot_id,
            "identity": {"site_id": self.site_id, "trouble": self.identity_trouble},
            "configuration": {"trouble": self.config_trouble, "from_hub": dict(self.from_hub)},
            "report": {"trouble": self.report_trouble},
            "link": self._link(),
            "outbox": {
                "waiting": self.outbox.waiting,
                "bytes": self.outbox.bytes,
                "dead": self.outbox.dead,
                "oldest_seconds": None if self.oldest_seconds is None else round(self.oldest_seconds, 1),
                "trouble": self.store_trouble,
            },
            "card": self.card.as_dict(),
            "inputs": [part.as_dict() for part in self.inputs],
            "outputs": [part.as_dict() for part in self.outputs],
            "board": None if board is None else dict(board),
            "counts": dict(self.counts),
            **({} if refused is None else {"refused_scans": [dict(one) for one in refused]}),
        }

    def _link(self) -> dict[str, Any]:
        link = self.link
        if link is None:
            return {"state": "offline", "protocol": None, "seconds": 0.0, "drops": 0, "cause": None, "advice": ""}
        return {
            "state": link.state,
            "protocol": link.protocol,
            "seconds": round(self.now - link.since, 1),
            "drops": link.drops,
            "cause": link.cause.value if link.cause else None,
            "advice": link.cause.sentence if link.cause and link.state not in {"up", "degraded"} else "",
        }
