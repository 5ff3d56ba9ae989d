"""What the device itself says to the person in front of it, in the languages it speaks.

The hub answers in its own words; these are the few the device needs when it speaks for itself. A language that is not
here gets English: better understood by some than silent for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from agent.hub.protocol.causes import Cause


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
    WAITING = "waiting"
    STOPPED = "stopped"


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
    Word.UNDECODABLE: "Code not readable: scan again",
    Word.EMPTY: "Nothing read: scan again",
    Word.CHECK_DIGIT: "Code misread: scan again",
    Word.INCOMPLETE: "Code cut short: scan again",
    Word.NOT_GS1: "Not a code this device takes: scan the right one",
    Word.NOT_SAVED: "NOT accepted: {reason}",
    Word.NO_LINK: "No connection: {reason}",
    Word.CONNECTING: "Connecting",
    Word.LOST: "{name} does not respond: {reason}",
    Word.NO_IDENTITY: "This device has no identity yet: {reason}",
    Word.WAITING: "{count} waiting to be sent",
    Word.STOPPED: "Out of service",
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
    Word.UNDECODABLE: "Code nicht lesbar: bitte noch einmal scannen",
    Word.EMPTY: "Nichts gelesen: bitte noch einmal scannen",
    Word.CHECK_DIGIT: "Code falsch gelesen: bitte noch einmal scannen",
    Word.INCOMPLETE: "Code unvollständig: bitte noch einmal scannen",
    Word.NOT_GS1: "Kein Code für dieses Gerät: bitte den richtigen scannen",
    Word.NOT_SAVED: "NICHT angenommen: {reason}",
    Word.NO_LINK: "Keine Verbindung: {reason}",
    Word.CONNECTING: "Verbindung wird aufgebaut",
    Word.LOST: "{name} antwortet nicht: {reason}",
    Word.NO_IDENTITY: "Dieses Gerät hat noch keine Identität: {reason}",
    Word.WAITING: "{count} noch zu senden",
    Word.STOPPED: "Außer Betrieb",
}

_LANGUAGES: Mapping[str, Mapping[Word, str]] = {"en": _ENGLISH, "de": _GERMAN}


class Words:
    """The device's sentences in one language."""

    def __init__(self, language: str) -> None:
        """`language` is a BCP 47 tag such as "de-de"; its first part decides."""
        self._table = _LANGUAGES.get(language.replace("_", "-").split("-")[0].lower(), _ENGLISH)

    def say(self, word: Word, **values: object) -> str:
        """The sentence, with its places filled."""
        return self._table[word].format(**values)

    def cause(self, cause: Cause) -> str:
        """Why there is no connection, in words an installer can act on."""
        return cause.sentence
