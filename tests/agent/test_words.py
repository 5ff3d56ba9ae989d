from __future__ import annotations

import pytest

from agent.hub.protocol.causes import Cause
from agent.words import LANGUAGES, Word, Words

VALUES = {"reason": "the reason", "name": "counter"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_there_in_every_language(language):
    words = Words(language)
    said = [words.say(word, **VALUES) for word in Word]
    assert all(text.strip() for text in said)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cause_is_there_in_every_language_in_the_manner_of_a_display(language):
    words = Words(language)
    said = [words.cause(cause) for cause in Cause]
    assert len(set(said)) == len(said)
    assert not any(text.endswith(".") or "\n" in text for text in said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("word", Word)
def test_a_sentence_has_the_same_places_in_every_language(word, language):
    english = Words("en").say(word, **{name: f"<{name}>" for name in VALUES})
    theirs = Words(language).say(word, **{name: f"<{name}>" for name in VALUES})
    assert [f"<{name}>" in english for name in VALUES] == [f"<{name}>" in theirs for name in VALUES]


@pytest.mark.parametrize("tag", ["de", "de-de", "DE-AT", "de_CH"])
def test_the_first_part_of_the_tag_decides(tag):
    assert Words(tag).say(Word.READY) == "Bereit"


@pytest.mark.parametrize("tag", ["en-us", "fr-fr", "tlh", ""])
def test_a_language_it_does_not_speak_gets_english(tag):
    words = Words(tag)
    assert words.say(Word.READY) == "Ready"
    assert words.cause(Cause.DNS) == Cause.DNS.sentence


def test_nothing_in_a_reason_is_taken_for_a_place():
    assert Words("en").say(Word.REFUSED, reason="{name} {0}") == "refused: {name} {0}"
