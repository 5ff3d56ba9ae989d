from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from agent import config, settings
from agent.config import ButtonConfig, Config, ConfigError, DisplayConfig, LightConfig, ScannerConfig
from agent.hub.errors import ThalovantError

CONFIG = Path(__file__).parents[2] / "config"
ARRAYS = {"displays": DisplayConfig, "scanners": ScannerConfig, "buttons": ButtonConfig, "lights": LightConfig}

SCANNER = '[[scanner]]\nname = "front"\nport = "/dev/ttyACM0"\n'
BUTTON = '[[button]]\nname = "help"\npin = 17\npayload = "/help"\n'


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path)


def problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    return raised.value.problems


def uncommented_manual() -> str:
    return re.sub(r"^#(?=[^\s#])", "", (CONFIG / "agent.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_manual_as_it_is_changes_nothing():
    assert config.load(CONFIG / "agent.toml") == Config()


def test_the_manual_shows_every_key_at_its_default(tmp_path):
    manual = load(tmp_path, uncommented_manual())
    for item in dataclasses.fields(Config):
        if item.name not in ARRAYS:
            assert getattr(manual, item.name) == getattr(Config(), item.name), item.name
    for name, kind in ARRAYS.items():
        (only,) = getattr(manual, name)
        for key in dataclasses.fields(kind):
            if key.default is not dataclasses.MISSING:
                assert getattr(only, key.name) == key.default, f"{name}.{key.name}"


def test_the_manual_leaves_no_key_out():
    section, seen = "", set()
    for line in uncommented_manual().splitlines():
        if header := re.match(r"\[+([a-z]+)\]+", line):
            section = header[1]
        elif key := re.match(r"([a-z_]+) = ", line):
            seen.add(f"{section}.{key[1]}")
    known = set()
    for table, name in settings.keys(Config).items():
        kind = ARRAYS.get(name) or type(getattr(Config(), name))
        known |= {f"{table}.{key}" for key in settings.keys(kind)}
    assert seen == known


@pytest.mark.parametrize("example", sorted((CONFIG / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_every_example_loads(example):
    assert config.load(example).scanners


def test_a_missing_file_means_all_defaults_at_the_default_place_only(tmp_path):
    if not config.DEFAULT_PATH.exists():
        assert config.load() == Config()
    with pytest.raises(ConfigError, match=r"absent\.toml does not exist"):
        config.load(tmp_path / "absent.toml")


def test_a_config_error_is_one_of_the_library_and_names_all_places(tmp_path):
    text = SCANNER + 'baud = "fast"\nbauds = 1\n'
    assert problems(tmp_path, text) == (
        'scanner[1].bauds: unknown key; did you mean "baud"?',
        'scanner[1].baud: expected an integer, got "fast"',
    )
    with pytest.raises(ThalovantError, match=re.escape('"baud"?; scanner[1].baud: expected')):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[device]\nlanguage = "english (US)"', 'device.language: expected a language such as "en-us", got "engl'),
        ('[device]\nlanguage = ""', 'device.language: expected a language such as "en-us", got ""'),
        ('[hub]\nprotocols = ["mqtt", "http"]', 'hub.protocols[2]: expected "mqtt", "wss" or "https", got "http"'),
        ("[hub]\nprotocols = []", "hub.protocols: expected at least one protocol, got an empty list"),
        ('[hub]\nprotocols = ["wss", "wss"]', "hub.protocols: expected each entry once, got a list"),
        ("[hub]\nin_flight = 0", "hub.in_flight: expected 1 to 32, got 0"),
        ('[control]\nsocket = "' + "x" * 120 + '"', "control.socket: expected a path of at most 107 bytes"),
        (SCANNER + 'encoding = "utf-88"', "scanner[1].encoding: expected the name of a text encoding"),
        (SCANNER + 'encoding = "hex"', "scanner[1].encoding: expected the name of a text encoding"),
        (SCANNER + 'terminator = ""', "scanner[1].terminator: expected at least one character"),
        (SCANNER + 'terminator = "€"\nencoding = "latin-1"', "scanner[1].terminator: cannot be written in latin-1"),
        (SCANNER + SCANNER.replace("ACM0", "ACM1"), 'scanner[2].name: "front" is taken by scanner[1]'),
        (SCANNER + SCANNER.replace("front", "back"), 'scanner[2].port: "/dev/ttyACM0" is taken by scanner[1]'),
        (BUTTON + '[[light]]\nname = "lamp"\npin = 17', "light[1].pin: 17 is taken by button[1]"),
        (BUTTON.replace("17", "40"), "button[1].pin: expected 0 to 27, got 40"),
        (BUTTON + 'active = "high"', 'button[1].active: a pin pulled up cannot be active "high"; leave'),
        ('[[display]]\n[[display]]\nname = "b"', 'display[2].target: "/dev/tty1" is taken by display[1]'),
        ('[[display]]\n[[display]]\ntarget = "-"', 'display[2].name: "screen" is taken by display[1]'),
        ('[scaner]\nname = "a"', 'scaner: unknown key; did you mean "scanner"?'),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, text, sentence):
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(sentence)


def test_inputs_of_different_kinds_may_share_a_name(tmp_path):
    assert load(tmp_path, SCANNER + BUTTON.replace("help", "front")).buttons[0].name == "front"


@pytest.mark.parametrize(
    ("pull", "active", "low"),
    [
        ("up", "", True),
        ("down", "", False),
        ("none", "", True),
        ("none", "high", False),
        ("up", "low", True),
        ("down", "high", False),
    ],
)
def test_the_level_of_a_pressed_button_follows_its_pull(tmp_path, pull, active, low):
    (button,) = load(tmp_path, f'{BUTTON}pull = "{pull}"\nactive = "{active}"').buttons
    assert button.active_low is low


def test_a_terminator_of_a_gs1_scanner_is_kept_as_written(tmp_path):
    assert load(tmp_path, SCANNER + 'terminator = "\\u001d\\r"').scanners[0].terminator == "\x1d\r"


def test_broken_toml_is_one_sentence_with_the_line(tmp_path):
    (sentence,) = problems(tmp_path, '[device]\nlanguage = "en-us"\nsession = device\n')
    assert sentence.startswith(f"{tmp_path}/agent.toml is not valid TOML: ")
    assert "line 3" in sentence


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5000])
def test_toml_that_breaks_the_parser_is_a_sentence_too(tmp_path, text):
    (sentence,) = problems(tmp_path, text)
    assert "is not valid TOML" in sentence


def test_a_file_that_is_not_text_or_not_a_file_is_a_sentence(tmp_path):
    (tmp_path / "agent.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        config.load(tmp_path / "agent.toml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        config.load(tmp_path)


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    result = load(tmp_path, '[identity]\nfile = "identity.json"\nstate = "state"\n[control]\nsocket = "c.sock"')
    assert result.identity.file == tmp_path / "identity.json"
    assert result.identity.state == tmp_path / "state"
    assert result.control.socket == tmp_path / "c.sock"
