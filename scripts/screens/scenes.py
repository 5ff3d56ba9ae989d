"""What a day at a kiosk looks like, as states of its page: an entrance hall in which parcels are picked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.hub.items import display_items
from agent.page.branding import Branding
from agent.page.items import page_items
from agent.page.state import Answer, Input, LinkLine, PageState, Trouble

NOW = 100_000.0
"""The moment of every scene, in seconds of the monotonic clock it is drawn with."""
_UP = LinkLine(state="up")


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    name: str
    state: Callable[[str, float], PageState]
    """For a language, "de" or "en", at a moment."""
    touch: str = ""
    """A selector of what is touched before the picture is taken."""


def branding(language: str) -> Branding:
    """The look of the hall in the scenes."""
    tags = {"de": "de-de", "en": "en-us"}
    other = {"de": "en", "en": "de"}[language]
    return Branding(
        name="Paketstation Nord" if language == "de" else "Northgate parcels",
        colour="#0b5d52",
        idle={"de-de": "Paketschein vor den Scanner halten", "en-us": "Hold your parcel slip to the scanner"},
        languages=(tags[language], tags[other]),
        code_entry=True,
    )


def _said(data: Mapping[str, object], language: str, number: int, to: str) -> Answer:
    return Answer(number=number, items=page_items(display_items(data)), language=language, to=to)


def _history(language: str, now: float) -> tuple[Input, ...]:
    german = language == "de"
    return (
        Input(id="2", title="00340434161094042557", state="done", at=now - 160),
        Input(
            id="1",
            title="Personal rufen" if german else "Call staff",
            kind="action",
            state="done",
            at=now - 340,
        ),
    )


def _idle(language: str, now: float) -> PageState:
    return PageState(link=_UP)


def _choices(language: str, now: float) -> PageState:
    if language == "de":
        words = "Guten Tag, Frau Okafor. Zwei Pakete sind für Sie da. Wohin damit?"
        titles = ("Jetzt mitnehmen", "Nach Hause liefern", "Eine Woche aufheben", "Zurück an Absender")
    else:
        words = "Hello, Ms Okafor. There are two parcels for you. What shall we do?"
        titles = ("Take them now", "Deliver to my home", "Keep for a week", "Back to the sender")
    data = {"utterance": words, "quick_replies": [{"title": each, "payload": f"/parcel {each}"} for each in titles]}
    scan = Input(id="9", title="00340434161094027318", state="done", at=now - 4)
    answer = _said(data, language, 1, "9")
    return PageState(answer=answer, current="9", inputs=(scan, *_history(language, now)), link=_UP)


def _table(language: str, now: float) -> PageState:
    if language == "de":
        words = "Ihre Sendungen"
        table = {
            "columns": ["Sendung", "Fach", "Liegt bereit bis", "Gewicht"],
            "rows": [
                ["Weinhandlung Roth", "A 12", "Freitag, 28. November", "6,40 kg"],
                ["Stadtbücherei", "A 13", "Montag, 1. Dezember", "1,15 kg"],
                ["Okafor & Söhne", "C 02", "Montag, 1. Dezember", "12,80 kg"],
            ],
        }
    else:
        words = "Your parcels"
        table = {
            "columns": ["From", "Locker", "Ready until", "Weight"],
            "rows": [
                ["Roth Wine Merchants", "A 12", "Friday, 28 November", "6.40 kg"],
                ["City Library", "A 13", "Monday, 1 December", "1.15 kg"],
                ["Okafor & Sons", "C 02", "Monday, 1 December", "12.80 kg"],
            ],
        }
    scan = Input(id="9", title="KUNDE-4471" if language == "de" else "CUSTOMER-4471", state="done", at=now - 3)
    answer = _said({"utterance": words, "display": {"table": table}}, language, 2, "9")
    return PageState(answer=answer, current="9", inputs=(scan, *_history(language, now)), link=_UP)


def _waiting(language: str, now: float) -> PageState:
    scan = Input(id="9", title="00340434161094027318", state="sent", at=now - 1)
    return PageState(current="9", inputs=(scan, *_history(language, now)), link=_UP)


def _refused(language: str, now: float) -> PageState:
    reason = (
        "Dieses Gerät darf hier keine Retouren annehmen. Bitte an Schalter 2."
        if language == "de"
        else "This device may not take returns. Please go to counter 2."
    )
    scan = Input(id="9", title="RET-2026-0417", state="refused", reason=reason, at=now - 2)
    return PageState(current="9", inputs=(scan, *_history(language, now)), link=_UP)


def _offline(language: str, now: float) -> PageState:
    kept = Input(id="9", title="00340434161094027318", state="kept", at=now - 5)
    earlier = Input(id="8", title="00340434161094051160", state="kept", at=now - 75)
    link = LinkLine(state="down", cause="no_carrier", waiting=2)
    return PageState(current="9", inputs=(kept, earlier, *_history(language, now)), link=link)


def _offline_idle(language: str, now: float) -> PageState:
    return PageState(link=LinkLine(state="down", cause="dns", waiting=2))


def _full(language: str, now: float) -> PageState:
    german = language == "de"
    reason = "der Speicher ist voll" if german else "the store is full"
    text = "Der Speicher ist voll, bis der Hub antwortet" if german else "The store is full until the hub answers"
    scan = Input(id="9", title="00340434161094027318", state="not saved", reason=reason, at=now - 2)
    link = LinkLine(state="down", cause="port_closed", waiting=100_000)
    trouble = Trouble(kind="store", text=text)
    return PageState(current="9", inputs=(scan, *_history(language, now)), link=link, troubles=(trouble,))


SCENES = (
    Scene("idle", _idle),
    Scene("choices", _choices),
    Scene("table", _table),
    Scene("waiting", _waiting),
    Scene("refused", _refused),
    Scene("offline", _offline),
    Scene("offline-idle", _offline_idle),
    Scene("full", _full),
    Scene("typing", _idle, touch="#type"),
)
SIZES = ((800, 480), (1280, 800), (720, 1280))
LANGUAGES = ("de", "en")
