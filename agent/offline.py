"""What the device answers by itself while its hub is away: `[[offline]]` of `agent.toml`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from agent.parcel import Parcel
from agent.record import record
from agent.settings import Filled
from agent.value_checks import ByLanguage


@record(kw_only=True)
class OfflineConfig:
    """One answer, from an `[[offline]]` table. The first that fits an input is given."""

    code: str = ""
    """For the code that is exactly this."""
    pattern: str = ""
    """For codes that this regular expression fits from end to end."""
    button: str = ""
    """For presses of the button of this name."""
    text: Annotated[Mapping[str, str], Filled("a text by language"), ByLanguage()]
    """What is shown and spoken, by language."""

    def problems(self, buttons: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What is wrong with the table among buttons of these names: a key, and a sentence for it."""
        given = [key for key in ("code", "pattern", "button") if getattr(self, key)]
        if len(given) > 1:
            yield given[1], f"{given[0]} says already what this answers; leave one of the two out"
        if self.button and self.button not in buttons:
            yield "button", f'no button is called "{self.button}"; there are: {", ".join(buttons) or "none"}'
        try:
            re.compile(self.pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield "pattern", f"expected a regular expression: {error}"


class OfflineAnswers:
    """The answers of one device."""

    def __init__(self, answers: Iterable[OfflineConfig], language: str) -> None:
        """`language` is the device's: what is answered to an input in a language without a text."""
        self._language = language
        self._answers = [(one, re.compile(one.pattern)) for one in answers]

    def to(self, parcel: Parcel) -> tuple[str, str] | None:
        """The text and its language for an input, or None where nothing is to be said."""
        given = parcel.message.context.get("input")
        value = str(given.get("value", "")) if isinstance(given, Mapping) else ""
        for one, pattern in self._answers:
            if one.button:
                fits = parcel.kind == "action" and parcel.origin == one.button
            elif one.code or one.pattern:
                fits = parcel.kind == "code" and (value == one.code if one.code else bool(pattern.fullmatch(value)))
            else:
                fits = True
            if fits:
                return self._in_language(one.text, str(parcel.message.data.get("lang") or ""))
        return None

    def _in_language(self, texts: Mapping[str, str], wanted: str) -> tuple[str, str]:
        """The text in the input's language, in its first part, in the device's, or in the first there is."""
        for language in (wanted.lower(), wanted.lower().split("-")[0], self._language.lower()):
            for tag, text in texts.items():
                if tag.lower() == language:
                    return text, tag
        tag, text = next(iter(texts.items()))
        return text, tag
