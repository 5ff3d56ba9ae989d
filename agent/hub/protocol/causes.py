"""Why there is no link: a closed list of reasons, each with what a person can do about it.

The list is closed so that a display, `status`, `doctor` and the journal say the same thing, and so that a test can make
each of them happen. What an exception of the operating system or of a library means is decided in
`agent.hub.transports.faults`; what a hub's silence or its close means, in `agent.hub.connection`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Cause(StrEnum):
    """One reason; its value is what programs see in `status --json` and in the journal."""

    NO_CARRIER = "no_carrier"
    NO_ADDRESS = "no_address"
    NO_ROUTE = "no_route"
    DNS = "dns"
    PORT_CLOSED = "port_closed"
    NO_ANSWER = "no_answer"
    CAPTIVE_PORTAL = "captive_portal"
    CLOCK = "clock"
    TLS_NAME = "tls_name"
    TLS_DATE = "tls_date"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS = "tls"
    BROKER_REFUSED = "broker_refused"
    SERVER = "server"
    HUB_SILENT = "hub_silent"
    DROPPED = "dropped"
    PROTOCOL = "protocol"
    UNKNOWN_KEY = "unknown_key"
    WRONG_PASSWORD = "wrong_password"
    NOT_ADMITTED = "not_admitted"
    HUB_KEY_CHANGED = "hub_key_changed"
    CLIENT_KEY_REJECTED = "client_key_rejected"
    TYPE_DENIED = "type_denied"
    NO_PROTOCOL = "no_protocol"
    KEY_FILES = "key_files"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, in one English sentence without a full stop."""
        return _SENTENCES[self]

    @property
    def needs_person(self) -> bool:
        """Whether waiting can never help: the link stops trying and says so."""
        return self in _NEED_PERSON


_NEED_PERSON = frozenset({Cause.HUB_KEY_CHANGED, Cause.CLIENT_KEY_REJECTED, Cause.NO_PROTOCOL})

_SENTENCES: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.NO_CARRIER: "no network: plug in the cable or set up the Wi-Fi",
        Cause.NO_ADDRESS: "the network gives this device no address; check the router",
        Cause.NO_ROUTE: "the network does not lead to the hub; check the router",
        Cause.DNS: "the hub's name is not found; check the network's DNS, and the name in the identity",
        Cause.PORT_CLOSED: "nothing listens at the hub's address; the hub or its broker may be down",
        Cause.NO_ANSWER: "the hub's address does not answer; a firewall may be in the way, or the hub is down",
        Cause.CAPTIVE_PORTAL: "the network wants a sign-in page first; open it on this network, or use another one",
        Cause.CLOCK: "the clock is not set; it sets itself when the network has a time server",
        Cause.TLS_NAME: "the certificate is for another name than the hub's; check the address in the identity",
        Cause.TLS_DATE: "the hub's certificate has expired; its operator must renew it",
        Cause.TLS_UNTRUSTED: "the hub's certificate is not from an authority this device trusts; install it",
        Cause.TLS: "the encrypted connection to the hub failed; a proxy may be in the way",
        Cause.BROKER_REFUSED: "the broker refuses this device's login; create the identity again",
        Cause.SERVER: "the hub's server answers with an error; its operator must look",
        Cause.HUB_SILENT: "the hub does not answer; it may be down, or does not know this device",
        Cause.DROPPED: "the hub ended the connection",
        Cause.PROTOCOL: "the hub said something that makes no sense; it may be of another version",
        Cause.UNKNOWN_KEY: "the hub does not know this device; it was removed there, or has not been admitted yet",
        Cause.WRONG_PASSWORD: "the hub does not accept this device's password; create the identity again",
        Cause.NOT_ADMITTED: "waiting to be admitted by the hub; that takes about two minutes for a new device",
        Cause.HUB_KEY_CHANGED: "the hub has another key than before; look at it with: thalovant-agent trust --show",
        Cause.CLIENT_KEY_REJECTED: (
            "the hub knows this device by another key; on the hub run: hivemind-core reset-noise-pin <client id>"
        ),
        Cause.TYPE_DENIED: "the hub does not let this device send what it sends; its operator must allow that type",
        Cause.NO_PROTOCOL: "the identity has none of the protocols in agent.toml; create it again, or change the list",
        Cause.KEY_FILES: "this device's key files cannot be used; the journal says which and why",
    }
)
