"""What the page says by itself, in each language it can be read in.

These are words for the person in front of the screen. What an installer should do about a lost link stands under them,
smaller: in English it is the sentence of `Cause`, as in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.hub.protocol.causes import Cause

Words = Mapping[str, str]

_ENGLISH: Words = {
    "language": "English",
    "idle": "Please scan your code",
    "idle offline": "You can go on scanning. Everything is kept and sent later.",
    "recent": "Recent",
    "now": "just now",
    "minutes": "{count} min ago",
    "hours": "{count} h ago",
    "kept": "Saved",
    "kept advice": "It will be sent as soon as the connection is back.",
    "sent": "Sent",
    "sent advice": "Waiting for the answer",
    "done": "Done",
    "done advice": "",
    "unanswered": "No answer",
    "unanswered advice": "Nobody knows anything about this. Please ask the staff.",
    "refused": "Refused",
    "refused advice": "This was not allowed.",
    "expired": "Too late",
    "expired advice": "It could not be sent in time. Please try again.",
    "unknown": "Not confirmed",
    "unknown advice": "It was sent, but nobody answered. Please ask the staff.",
    "not saved": "Not accepted",
    "not saved advice": "Please tell the staff.",
    "again": "Please scan again",
    "again advice": "The code could not be read.",
    "link up": "Connected",
    "link connecting": "Connecting",
    "link down": "No connection",
    "link attention": "Needs attention",
    "waiting one": "1 waiting to be sent",
    "waiting": "{count} waiting to be sent",
    "silent": "This screen has lost its device",
    "silent advice": "It comes back by itself in a moment. Please do not scan now.",
    "trouble store": "Nothing can be accepted right now",
    "trouble identity": "Not set up yet",
    "trouble device": "Something is not working",
    "trouble stopping": "Out of service",
    "choose": "Please choose",
    "accepted": "Chosen",
    "not accepted": "That did not work",
    "unclear": "That may not have worked. Please look at the list of recent inputs.",
    "enter code": "Type a code",
    "enter code advice": "For labels the scanner cannot read.",
    "code": "Code",
    "send": "Send",
    "cancel": "Cancel",
    "delete": "Delete",
    "space": "Space",
    "capitals": "Capital letters",
    "image": "Picture",
    "image loading": "Loading the picture",
    "image missing": "The picture cannot be shown",
    "file": "Attached: {title}",
    "more rows": "{count} more rows",
    "table": "Table",
    "languages": "Language",
    "answer": "Answer",
    "keys": "1234567890 QWERTYUIOP ASDFGHJKL- ZXCVBNM./",
}

_GERMAN: Words = {
    "language": "Deutsch",
    "idle": "Bitte Code scannen",
    "idle offline": "Sie können weiter scannen. Alles wird gespeichert und später gesendet.",
    "recent": "Zuletzt",
    "now": "gerade eben",
    "minutes": "vor {count} Min.",
    "hours": "vor {count} Std.",
    "kept": "Gespeichert",
    "kept advice": "Wird gesendet, sobald die Verbindung wieder steht.",
    "sent": "Gesendet",
    "sent advice": "Die Antwort kommt gleich",
    "done": "Erledigt",
    "done advice": "",
    "unanswered": "Keine Antwort",
    "unanswered advice": "Dazu ist nichts bekannt. Bitte fragen Sie das Personal.",
    "refused": "Abgelehnt",
    "refused advice": "Das war nicht erlaubt.",
    "expired": "Zu spät",
    "expired advice": "Das konnte nicht rechtzeitig gesendet werden. Bitte noch einmal.",
    "unknown": "Nicht bestätigt",
    "unknown advice": "Gesendet, aber niemand hat geantwortet. Bitte fragen Sie das Personal.",
    "not saved": "Nicht angenommen",
    "not saved advice": "Bitte sagen Sie dem Personal Bescheid.",
    "again": "Bitte noch einmal scannen",
    "again advice": "Der Code war nicht lesbar.",
    "link up": "Verbunden",
    "link connecting": "Verbindet",
    "link down": "Keine Verbindung",
    "link attention": "Bitte prüfen",
    "waiting one": "1 noch zu senden",
    "waiting": "{count} noch zu senden",
    "silent": "Der Bildschirm hat sein Gerät verloren",
    "silent advice": "Das gibt sich gleich von selbst. Bitte jetzt nicht scannen.",
    "trouble store": "Zurzeit kann nichts angenommen werden",
    "trouble identity": "Noch nicht eingerichtet",
    "trouble device": "Etwas funktioniert nicht",
    "trouble stopping": "Außer Betrieb",
    "choose": "Bitte wählen",
    "accepted": "Gewählt",
    "not accepted": "Das hat nicht geklappt",
    "unclear": "Vielleicht hat das nicht geklappt. Bitte sehen Sie unter „Zuletzt“ nach.",
    "enter code": "Code eintippen",
    "enter code advice": "Für Etiketten, die der Scanner nicht lesen kann.",
    "code": "Code",
    "send": "Senden",
    "cancel": "Abbrechen",
    "delete": "Löschen",
    "space": "Leertaste",
    "capitals": "Großbuchstaben",
    "image": "Bild",
    "image loading": "Das Bild wird geladen",
    "image missing": "Das Bild kann nicht gezeigt werden",
    "file": "Angehängt: {title}",
    "more rows": "{count} weitere Zeilen",
    "table": "Tabelle",
    "languages": "Sprache",
    "answer": "Antwort",
    "keys": "1234567890 QWERTZUIOP ASDFGHJKL- YXCVBNM./",
}

_LANGUAGES: Mapping[str, Words] = {"en": _ENGLISH, "de": _GERMAN}

_GERMAN_CAUSES: Mapping[Cause, str] = {
    Cause.NO_CARRIER: "kein Netz: Kabel einstecken oder WLAN einrichten",
    Cause.NO_ADDRESS: "das Netz gibt diesem Gerät keine Adresse; Router prüfen",
    Cause.NO_ROUTE: "das Netz führt nicht zum Hub; Router prüfen",
    Cause.DNS: "der Name des Hubs wird nicht gefunden; DNS des Netzes und den Namen in der Identität prüfen",
    Cause.PORT_CLOSED: "an der Adresse des Hubs antwortet kein Dienst; Hub oder Broker laufen vielleicht nicht",
    Cause.NO_ANSWER: "die Adresse des Hubs antwortet nicht; vielleicht sperrt eine Firewall, oder der Hub ist aus",
    Cause.CAPTIVE_PORTAL: "das Netz verlangt erst eine Anmeldung; dort anmelden oder ein anderes Netz nehmen",
    Cause.CLOCK: "die Uhr ist nicht gestellt; sie stellt sich, sobald das Netz einen Zeitserver hat",
    Cause.TLS_NAME: "das Zertifikat gilt für einen anderen Namen als den des Hubs; Adresse in der Identität prüfen",
    Cause.TLS_DATE: "das Zertifikat des Hubs ist abgelaufen; sein Betreiber muss es erneuern",
    Cause.TLS_UNTRUSTED: "dem Aussteller des Hub-Zertifikats vertraut dieses Gerät nicht; Zertifikat installieren",
    Cause.TLS: "die verschlüsselte Verbindung zum Hub kommt nicht zustande; vielleicht stört ein Proxy",
    Cause.BROKER_REFUSED: "der Broker lehnt die Anmeldung dieses Geräts ab; Identität neu erstellen",
    Cause.SERVER: "der Server des Hubs meldet einen Fehler; sein Betreiber muss nachsehen",
    Cause.HUB_SILENT: "der Hub antwortet nicht; er ist vielleicht aus oder kennt dieses Gerät nicht",
    Cause.DROPPED: "der Hub hat die Verbindung beendet",
    Cause.PROTOCOL: "der Hub sagt etwas Unverständliches; vielleicht ist er von einer anderen Version",
    Cause.UNKNOWN_KEY: "der Hub kennt dieses Gerät nicht; es wurde dort entfernt oder noch nicht zugelassen",
    Cause.WRONG_PASSWORD: "der Hub nimmt das Passwort dieses Geräts nicht an; Identität neu erstellen",
    Cause.NOT_ADMITTED: "der Hub muss dieses Gerät noch zulassen; das dauert bei einem neuen etwa zwei Minuten",
    Cause.HUB_KEY_CHANGED: "der Hub hat einen anderen Schlüssel als bisher; ansehen mit: thalovant-agent trust --show",
    Cause.CLIENT_KEY_REJECTED: (
        "der Hub kennt dieses Gerät unter einem anderen Schlüssel; am Hub: hivemind-core reset-noise-pin <client id>"
    ),
    Cause.TYPE_DENIED: "der Hub lässt dieses Gerät nicht senden, was es sendet; sein Betreiber muss die Art erlauben",
    Cause.NO_PROTOCOL: "die Identität hat keines der Protokolle aus agent.toml; neu erstellen oder die Liste ändern",
    Cause.KEY_FILES: "die Schlüsseldateien dieses Geräts sind unbrauchbar; das Journal sagt, welche und warum",
}


def page_words(language: str) -> dict[str, str]:
    """All the page says in a language, a BCP 47 tag whose first part decides; English where there are none."""
    return dict(_LANGUAGES.get(_first(language), _ENGLISH))


def page_causes(language: str) -> dict[str, str]:
    """Why there is no link, by the cause's value."""
    translated = _GERMAN_CAUSES if _first(language) == "de" else {}
    return {cause.value: translated.get(cause, cause.sentence) for cause in Cause}


def _first(language: str) -> str:
    return language.replace("_", "-").split("-")[0].lower()
