"""What values of `agent.toml` must be beyond their type, for the tables of more than one module."""

from __future__ import annotations

from typing import Annotated

from agent.settings import Filled, Range


class LanguageTag:
    """A BCP 47 tag as the hub knows them, `en-us`; empty stands for the one of the table above."""

    def __init__(self, *, required: bool) -> None:
        self._required = required

    def problem(self, value: str) -> str | None:
        """What was expected, or None."""
        parts = value.split("-")
        fits = all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts) and parts[0].isalpha()
        return None if fits or (not value and not self._required) else 'a language such as "en-us"'


class ByLanguage:
    """A table whose keys are languages."""

    def problem(self, value: dict[str, str]) -> str | None:
        """What was expected, or None."""
        tag = LanguageTag(required=True)
        return next((f"each key to be {problem}" for key in value if (problem := tag.problem(key))), None)


class Encoding:
    """The name of a text encoding Python knows; empty stands for another one's."""

    def problem(self, value: str) -> str | None:
        """What was expected, or None."""
        try:
            "".encode(value or "utf-8")
        except (LookupError, ValueError):
            return 'the name of a text encoding such as "utf-8"'
        return None


class NoRepeats:
    """A list that names nothing twice."""

    def problem(self, value: tuple[object, ...]) -> str | None:
        """What was expected, or None."""
        return None if len(set(value)) == len(value) else "each entry once"


class Baud:
    """A speed in bits per second; 0 stands for another one's."""

    def problem(self, value: int) -> str | None:
        """What was expected, or None."""
        return None if value == 0 or 50 <= value <= 4_000_000 else "50 to 4000000"


Name = Annotated[str, Filled("a name")]
Pin = Annotated[int, Range(0, 27)]  # the header of every Raspberry Pi brings out GPIO 0 to 27
Language = Annotated[str, LanguageTag(required=False)]
