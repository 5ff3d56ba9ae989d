"""A small shop: what the assistant behind the demo's hub knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.peers.rig.answers import BusPair, Heard, speak, unmatched

GOODS: Mapping[str, str] = {
    "4006381333931": "Fineliner, black: 1.20 euro, in aisle 3.",
    "9780141036144": "Nineteen Eighty-Four, paperback: 9.99 euro, in aisle 7.",
    "5449000000996": "Cola, 33 centilitres: 0.89 euro and 0.25 deposit, in aisle 1.",
}
"""By the number under the bars."""

INVOICE = "INV-2026-001"
HELP = "call-staff"
DELIVERY = "delivery"


def answer(heard: Heard) -> Iterator[BusPair]:
    """What the shop says to one scan, press or sentence."""
    said = heard.utterance
    if said in GOODS:
        yield speak(GOODS[said])
    elif said.startswith("INV-"):
        # The first sentence comes marked up for a voice; a display shows it without.
        yield speak(f"<speak>Invoice <say-as interpret-as='characters'>{said}</say-as> is paid. Thank you.</speak>")
        if said == INVOICE:
            yield speak("Your parcel waits at counter 2.")
    elif said == HELP:
        yield speak("Somebody is on the way to you.")
    elif said == DELIVERY:
        halls = [{"title": f"Hall {hall}", "payload": f"hall {hall}"} for hall in ("A", "B")]
        yield speak("Which hall is the delivery for?", rich_media_data={"quick_replies": halls})
    elif heard.input:
        yield unmatched(heard)
    else:
        yield speak(f"You said: {said}")
