"""The `[page]` table of `agent.toml`: the kiosk screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from agent.page import branding
from agent.page.branding import Branding
from agent.record import field, record
from agent.settings import Range
from agent.value_checks import ByLanguage, LanguageTag


class _Colour:
    """A colour the page can be drawn in."""

    def problem(self, value: str) -> str | None:
        try:
            branding.colour(value)
        except ValueError:
            return 'a colour such as "#1f4fd8"'
        return None


class _Picture:
    """A file whose name says that it is a picture. Whether it is there is seen when it is shown."""

    def problem(self, value: Path | None) -> str | None:
        fits = value is None or value.suffix.lower() in branding.LOGO_TYPES
        return None if fits else f"a file that ends with {', '.join(sorted(branding.LOGO_TYPES))}"


class _Origin:
    """Where pictures may come from: the beginning of a web address."""

    def problem(self, value: str) -> str | None:
        from agent.page.images import origin

        try:
            origin(value)
        except ValueError:
            return 'an origin such as "https://pictures.example.org"'
        return None


@record(kw_only=True)
class PageConfig:
    """`[page]`: a web page on this device's loopback, for a browser in kiosk mode."""

    enabled: bool = False
    """Whether it is served at all."""
    port: Annotated[int, Range(1024, 65_535)] = 8180
    """Its port on 127.0.0.1; the kiosk unit's KIOSK_PAGE names it too."""
    name: str = ""
    """What stands at the top left; with a logo, what a screen reader says for it."""
    colour: Annotated[str, _Colour()] = "#1f4fd8"
    """The house's colour. Text stays readable whatever it is."""
    theme: Literal["light", "dark"] = "light"
    """Dark text on light ground, or the other way round."""
    logo: Annotated[Path | None, _Picture()] = None
    """A picture of at most 1 MB."""
    idle: Annotated[Mapping[str, str], ByLanguage()] = field(default_factory=lambda: MappingProxyType({}))
    """What stands there while nobody is being served, by language: `de-de = "Bitte Ausweis scannen"`."""
    languages: tuple[Annotated[str, LanguageTag(required=True)], ...] = ()
    """What a person may read the page in, the first by default; empty for the device's own."""
    code_entry: bool = False
    """Whether codes of damaged labels can be typed on the screen."""
    image_origins: tuple[Annotated[str, _Origin()], ...] = ()
    """Where pictures the hub names may be fetched from; empty fetches none."""
    silent_seconds: Annotated[float, Range(20, 600)] = 60.0
    """Without a sign of life from the browser for this time, another one is asked for."""

    def branding(self, language: str) -> Branding:
        """What the page needs to look as configured; `language` is the device's."""
        return Branding(
            name=self.name,
            colour=self.colour,
            theme=self.theme,
            logo=self.logo,
            idle=self.idle,
            languages=self.languages or (language,),
            code_entry=self.code_entry,
        )
