"""What the device itself says to the person in front of it, in the languages it speaks.

The hub answers in its own words; these are the few the device needs when it speaks for itself. A language that is not
here gets English: better understood by some than silent for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agent.hub.protocol.causes import Cause
from agent.record import record


class Word(StrEnum):
    """The device's own sentences."""

    READY = "ready"
    KEPT = "kept"
    SENT = "sent"
    DONE = "done"
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    TOO_LONG = "too long"
    UNDECODABLE = "undecodable"
    EMPTY = "empty"
    CHECK_DIGIT = "check digit"
    INCOMPLETE = "incomplete"
    NOT_GS1 = "not GS1"
    NOT_SAVED = "not saved"
    NO_LINK = "no link"
    CONNECTING = "connecting"
    LOST = "lost"
    NO_IDENTITY = "no identity"
    HUB_WAITS = "hub waits"
    STOPPED = "stopped"
    BUSY = "busy"


_ENGLISH: Mapping[Word, str] = {
    Word.READY: "Ready",
    Word.KEPT: "kept, will be sent",
    Word.SENT: "sent, waiting for the answer",
    Word.DONE: "done",
    Word.UNANSWERED: "no answer for this",
    Word.REFUSED: "refused: {reason}",
    Word.EXPIRED: "too late, please try again",
    Word.UNKNOWN: "sent, but never answered: please ask",
    Word.TOO_LONG: "Code too long: scan again",
    Word.UNDECODABLE: "Code with unknown characters: scan another, or ask for help",
    Word.EMPTY: "Nothing read: scan again",
    Word.CHECK_DIGIT: "Code misread: scan again",
    Word.INCOMPLETE: "Code cut short: scan again",
    Word.NOT_GS1: "Not a code this device takes: scan the right one",
    Word.NOT_SAVED: "NOT accepted: {reason}",
    Word.NO_LINK: "No connection: {reason}",
    Word.CONNECTING: "Connecting",
    Word.LOST: "{name} does not respond: {reason}",
    Word.NO_IDENTITY: "This device has no identity yet: {reason}",
    Word.HUB_WAITS: "The hub takes nothing at the moment: {reason}",
    Word.STOPPED: "Out of service",
    Word.BUSY: "Too much at once, please try again",
}

_GERMAN: Mapping[Word, str] = {
    Word.READY: "Bereit",
    Word.KEPT: "gespeichert, wird gesendet",
    Word.SENT: "gesendet, Antwort folgt",
    Word.DONE: "erledigt",
    Word.UNANSWERED: "keine Antwort dazu",
    Word.REFUSED: "abgelehnt: {reason}",
    Word.EXPIRED: "zu spät, bitte noch einmal",
    Word.UNKNOWN: "gesendet, aber nie beantwortet: bitte nachfragen",
    Word.TOO_LONG: "Code zu lang: bitte noch einmal scannen",
    Word.UNDECODABLE: "Code mit unbekannten Zeichen: bitte anderen scannen oder Hilfe holen",
    Word.EMPTY: "Nichts gelesen: bitte noch einmal scannen",
    Word.CHECK_DIGIT: "Code falsch gelesen: bitte noch einmal scannen",
    Word.INCOMPLETE: "Code unvollständig: bitte noch einmal scannen",
    Word.NOT_GS1: "Kein Code für dieses Gerät: bitte den richtigen scannen",
    Word.NOT_SAVED: "NICHT angenommen: {reason}",
    Word.NO_LINK: "Keine Verbindung: {reason}",
    Word.CONNECTING: "Verbindung wird aufgebaut",
    Word.LOST: "{name} antwortet nicht: {reason}",
    Word.NO_IDENTITY: "Dieses Gerät hat noch keine Identität: {reason}",
    Word.HUB_WAITS: "Der Hub nimmt gerade nichts an: {reason}",
    Word.STOPPED: "Außer Betrieb",
    Word.BUSY: "Zu viel auf einmal, bitte noch einmal",
}

_GERMAN_CAUSES: Mapping[Cause, str] = {
    Cause.NO_CARRIER: "kein Netz: Kabel einstecken oder WLAN einrichten",
    Cause.NO_ADDRESS: "das Netz gibt diesem Gerät keine Adresse; Router prüfen",
    Cause.NO_ROUTE: "das Netz führt nicht zum Hub; Router prüfen",
    Cause.DNS: "der Name des Hubs wird nicht gefunden; DNS des Netzes und den Namen in der Identität prüfen",
    Cause.PORT_CLOSED: "an der Adresse des Hubs hört niemand zu; Hub oder Broker laufen vielleicht nicht",
    Cause.NO_ANSWER: "die Adresse des Hubs antwortet nicht; eine Firewall ist im Weg, oder der Hub läuft nicht",
    Cause.CAPTIVE_PORTAL: "das Netz verlangt erst eine Anmeldung im Browser; dort anmelden oder anderes Netz nehmen",
    Cause.CLOCK: "die Uhr ist nicht gestellt; sie stellt sich selbst, wenn das Netz einen Zeitserver hat",
    Cause.TLS_NAME: "das Zertifikat gehört zu einem anderen Namen als dem des Hubs; Adresse in der Identität prüfen",
    Cause.TLS_DATE: "das Zertifikat des Hubs ist abgelaufen; sein Betreiber muss es erneuern",
    Cause.TLS_UNTRUSTED: "dem Zertifikat des Hubs vertraut dieses Gerät nicht; dessen Aussteller hier einrichten",
    Cause.TLS: "die verschlüsselte Verbindung zum Hub kam nicht zustande; vielleicht ist ein Proxy im Weg",
    Cause.BROKER_REFUSED: "der Broker weist die Anmeldung dieses Geräts ab; Identität neu erstellen",
    Cause.SERVER: "der Server des Hubs meldet einen Fehler; sein Betreiber muss nachsehen",
    Cause.HUB_SILENT: "der Hub antwortet nicht; er läuft vielleicht nicht oder kennt dieses Gerät nicht",
    Cause.DROPPED: "der Hub hat die Verbindung beendet",
    Cause.PROTOCOL: "der Hub sagt etwas, das keinen Sinn ergibt; er hat vielleicht eine andere Version",
    Cause.UNKNOWN_KEY: "der Hub kennt dieses Gerät nicht; es wurde dort entfernt oder noch nicht zugelassen",
    Cause.WRONG_PASSWORD: "der Hub nimmt das Passwort dieses Geräts nicht an; Identität neu erstellen",
    Cause.NOT_ADMITTED: "wartet auf die Zulassung durch den Hub; bei einem neuen Gerät dauert das etwa zwei Minuten",
    Cause.HUB_KEY_CHANGED: "der Hub hat einen anderen Schlüssel als bisher; ansehen mit: thalovant-agent trust --show",
    Cause.CLIENT_KEY_REJECTED: (
        "der Hub kennt dieses Gerät unter einem anderen Schlüssel; am Hub: hivemind-core reset-noise-pin <client id>"
    ),
    Cause.TYPE_DENIED: "der Hub lässt dieses Gerät nicht senden, was es sendet; sein Betreiber muss den Typ erlauben",
    Cause.NO_PROTOCOL: "die Identität hat keines der Protokolle aus agent.toml; neu erstellen oder die Liste ändern",
    Cause.KEY_FILES: "die Schlüsseldateien dieses Geräts sind unbrauchbar; das Journal sagt, welche und warum",
}


@record
class _Language:
    words: Mapping[Word, str]
    causes: Mapping[Cause, str]


_LANGUAGES: Mapping[str, _Language] = {
    "en": _Language(_ENGLISH, {cause: cause.sentence for cause in Cause}),
    "de": _Language(_GERMAN, _GERMAN_CAUSES),
}
LANGUAGES = tuple(_LANGUAGES)
"""The languages it speaks, by the first part of their tag."""


def spoken(language: str) -> str:
    """The one of `LANGUAGES` for a BCP 47 tag, whose first part decides; English where there is none."""
    first = language.replace("_", "-").split("-")[0].lower()
    return first if first in _LANGUAGES else "en"


class Words:
    """The device's sentences in one language."""

    def __init__(self, language: str) -> None:
        """`language` is a BCP 47 tag such as "de-de"."""
        self._language = _LANGUAGES[spoken(language)]

    def say(self, word: Word, **values: object) -> str:
        """The sentence, with its places filled."""
        return self._language.words[word].format(**values)

    def cause(self, cause: Cause) -> str:
        """Why there is no connection, in words an installer can act on."""
        return self._language.causes[cause]
