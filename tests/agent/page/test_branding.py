from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub.protocol.causes import Cause
from agent.page.branding import AA, Branding, brand_css, colour, contrast, ink_on, read_logo, readable
from agent.page.words import page_causes, page_words

channels = st.integers(0, 255)
colours = st.tuples(channels, channels, channels)


def test_contrast_is_that_of_the_guidelines():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((0x76, 0x76, 0x76), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@given(ground=colours)
def test_black_or_white_can_be_read_on_every_colour(ground):
    assert contrast(ink_on(ground), ground) >= AA


@given(ink=colours, ground=colours)
def test_every_colour_can_be_made_readable_on_every_ground(ink, ground):
    assert contrast(readable(ink, ground), ground) >= AA


def test_a_colour_that_can_be_read_stays_as_it_is():
    assert readable((0x0B, 0x5D, 0x52), (255, 255, 255)) == (0x0B, 0x5D, 0x52)


@given(brand=colours, theme=st.sampled_from(["light", "dark"]))
def test_what_stands_on_the_houses_colour_can_be_read(brand, theme):
    css = brand_css(Branding(colour="#" + bytes(brand).hex(), theme=theme)).decode()
    values = {name: colour(value) for name, value in re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css)}
    assert contrast(values["on-brand"], values["brand"]) >= AA
    assert contrast(values["on-brand"], values["brand-pressed"]) >= AA
    assert contrast(values["brand-ink"], values["brand-wash"]) >= AA


@pytest.mark.parametrize("text", ["blue", "#12345", "#1234567", "#12345g", "red;}body{display:none"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(ValueError, match="no colour"):
        colour(text)


def test_a_logo_of_another_kind_or_too_large_is_refused(tmp_path):
    (tmp_path / "logo.html").write_text("x")
    (tmp_path / "logo.png").write_bytes(b"x" * 1_000_001)
    with pytest.raises(ValueError, match="no jpeg"):
        read_logo(tmp_path / "logo.html")
    with pytest.raises(ValueError, match="larger than 1 MB"):
        read_logo(tmp_path / "logo.png")


def test_every_language_says_everything():
    english, german = page_words("en-us"), page_words("de")
    assert english.keys() == german.keys()
    for key, sentence in english.items():
        assert re.findall(r"{\w+}", sentence) == re.findall(r"{\w+}", german[key]), key
    assert page_words("xx") == english
    for tag in ("en", "de-at"):
        assert page_causes(tag).keys() == {cause.value for cause in Cause}
    assert all(page_causes("de")[cause] != cause.sentence for cause in Cause)
