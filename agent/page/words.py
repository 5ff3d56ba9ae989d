"""What the page says by itself, in each language it can be read in.

These are words for the person in front of the screen. What an installer should do about a lost link stands under them,
smaller: it is what the text display says.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.hub.protocol.causes import Cause
from agent.words import Words as DeviceWords
from agent.words import spoken

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


def page_words(language: str) -> dict[str, str]:
    """All the page says in a language, given as a BCP 47 tag; English where it has no words for it."""
    return dict(_LANGUAGES.get(spoken(language), _ENGLISH))


def page_causes(language: str) -> dict[str, str]:
    """Why there is no link, by the cause's value."""
    words = DeviceWords(language)
    return {cause.value: words.cause(cause) for cause in Cause}
