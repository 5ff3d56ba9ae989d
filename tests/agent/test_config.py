from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from agent import config, settings
from agent.config import (
    ButtonConfig,
    ChordConfig,
    Config,
    ConfigError,
    KnobConfig,
    LightConfig,
    OfflineConfig,
    ScannerConfig,
)
from agent.display_config import DisplayConfig
from agent.hub.errors import ThalovantError
from hardware.framing import Framing
from hardware.learning import Learned
from hardware.reading import Reading
from hardware.routing import Rule

CONFIG = Path(__file__).parents[2] / "config"
ARRAYS = {
    "displays": DisplayConfig,
    "scanners": ScannerConfig,
    "rules": Rule,
    "buttons": ButtonConfig,
    "chords": ChordConfig,
    "knobs": KnobConfig,
    "lights": LightConfig,
    "offline": OfflineConfig,
}
EITHER_OR = {"scanners.port", "buttons.payload", "lights.pin"}
"""Keys that have a default because another may stand in their place; the manual shows the usual one."""

SCANNER = '[[scanner]]\nname = "front"\nport = "/dev/ttyACM0"\n'
BUTTON = '[[button]]\nname = "help"\npin = 17\npayload = "/help"\n'
NEXT = '[[button]]\nname = "next"\npin = 22\npayload = "/next"\n'
RULE = '[[rule]]\nkind = "article"\n'
CHORD = '[[chord]]\nname = "both"\nbuttons = ["help", "next"]\npayload = "/both"\n'
LAMP = '[[light]]\nname = "lamp"\n'
KNOB = '[[knob]]\nname = "volume"\na = 5\nb = 6\nclockwise = "/up"\ncounterclockwise = "/down"\n'


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
    text = uncommented_manual().replace('kind = ""', 'kind = "article"')  # a rule must change something
    manual = load(tmp_path, text + NEXT)
    for item in dataclasses.fields(Config):
        if item.name not in ARRAYS:
            assert getattr(manual, item.name) == getattr(Config(), item.name), item.name
    for name, kind in ARRAYS.items():
        first = getattr(manual, name)[0]
        for key in dataclasses.fields(kind):
            place = f"{name}.{key.name}"
            if key.default is not dataclasses.MISSING and place not in {*EITHER_OR, "rules.kind"}:
                assert getattr(first, key.name) == key.default, place


def test_the_manual_leaves_no_key_out():
    section, seen = "", set()
    for line in uncommented_manual().splitlines():
        if header := re.match(r"\[+([a-z]+)\]+", line):
            section = header[1]
        elif key := re.match(r"([a-z_0-9]+) = ", line):
            seen.add(f"{section}.{key[1]}")
    known = set()
    for table, name in settings.keys(Config).items():
        kind = ARRAYS.get(name) or type(getattr(Config(), name))
        known |= {f"{table}.{key}" for key in settings.keys(kind)}
    assert seen == known


@pytest.mark.parametrize("example", sorted((CONFIG / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_every_example_loads(example):
    assert config.load(example).scanners


@pytest.mark.parametrize(
    ("keys", "low"),
    [
        ("", True),
        ('pull = "down"', False),
        ('pull = "none"', True),
        ('active = "high"', False),  # normally closed, to ground: open and pulled up while it is pushed
        ('pull = "down"\nactive = "low"', True),
    ],
)
def test_a_button_may_be_wired_either_way(tmp_path, keys, low):
    assert load(tmp_path, BUTTON + keys).buttons[0].active_low is low


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
        (SCANNER + 'terminators = [""]', "scanner[1].terminators[1]: expected at least one character"),
        (SCANNER + 'terminators = ["€"]\nencoding = "latin-1"', "scanner[1].terminators: cannot be written in latin-1"),
        (SCANNER + 'terminator = "\\r"', 'scanner[1].terminator: unknown key; did you mean "terminators"?'),
        (SCANNER + 'encoding = "utf-16"', 'scanner[1].encoding: "utf-16" is no encoding of bytes; use utf-8'),
        (SCANNER + "baud = 20", "scanner[1].baud: expected 50 to 4000000, got 20"),
        (SCANNER + "idle_seconds = 6", "scanner[1].idle_seconds: expected 0 to 5, got 6"),
        (SCANNER + "idle_seconds = 0.05\nline_seconds = 0.01", "scanner[1].line_seconds: line_seconds is about term"),
        (SCANNER + 'start = "\\r"', "scanner[1].start: what starts a code cannot be what ends one"),
        (SCANNER + 'profile = "acme"', 'scanner[1].profile: there is no scanner profile "acme"; known: datalogic, '),
        (SCANNER + 'check = ["ean-14"]', 'scanner[1].check[1]: expected "ean-8", "ean-13"'),
        (SCANNER + 'gs1 = "on"', 'scanner[1].gs1: expected "read", "strict" or "off", got "on"'),
        (SCANNER + 'commands_at_start = ["a"]', 'scanner[1].commands_at_start: no command is called "a"; known: none'),
        (SCANNER + 'profile = "gm65"\ncommands_at_start = ["a"]', "scanner[1].commands_at_start: no command is called"),
        (SCANNER + 'device = "0c2e:0b61"', "scanner[1].device: has a port already; a scanner is either at a port or"),
        ('[[scanner]]\nname = "a"', "scanner[1].port: this key is required, or device for a keyboard scanner"),
        ('[[scanner]]\nname = "a"\ndevice = "c2e:b61"', 'scanner[1].device: expected numbers such as "0c2e:0b61"'),
        (RULE + 'scanner = "a"', 'rule[1].scanner: no scanner is called "a"; there are: none'),
        ("[[rule]]", "rule[1].kind: the rule changes nothing"),
        (RULE + 'symbologies = ["ean"]', 'rule[1].symbologies: "ean" is no symbology'),
        (RULE + 'identifiers = ["1"]', 'rule[1].identifiers: "1" is no GS1 application identifier'),
        (RULE + 'pattern = "("', 'rule[1].pattern: "(" is no regular expression: '),
        (RULE + RULE + 'value = "{lot}"', "rule[2].value: nothing gives {lot} a value"),
        (RULE + 'action = "/go {lot}"', "rule[1].action: nothing gives {lot} a value"),
        (
            BUTTON.replace('payload = "/help"', ""),
            "button[1].payload: this key is required, unless gestures has actions",
        ),
        (BUTTON + 'gestures = { press = "/a" }', "button[1].gestures.press: payload is the action of a press"),
        (BUTTON + 'gestures = { klick = "/a" }', 'button[1].gestures: no button makes "klick"; known: click, '),
        (BUTTON + 'gestures = { click = "" }', "button[1].gestures.click: expected a payload"),
        (BUTTON + CHORD, 'chord[1].buttons: no button is called "next"; there are: help'),
        (BUTTON + CHORD.replace(', "next"', ""), 'chord[1].buttons: the chord "both" needs two buttons at least'),
        (BUTTON + KNOB.replace("volume", "help"), 'knob[1].name: "help" is taken by button[1]'),
        (BUTTON + KNOB.replace("5", "17"), "knob[1].a: 17 is taken by button[1]"),
        (KNOB.replace("6", "5"), "knob[1].b: 5 is taken by knob[1]"),
        (KNOB + "edges_per_step = 3", "knob[1].edges_per_step: expected 1, 2 or 4, got 3"),
        (SCANNER + SCANNER.replace("ACM0", "ACM1"), 'scanner[2].name: "front" is taken by scanner[1]'),
        (SCANNER + SCANNER.replace("front", "back"), 'scanner[2].port: "/dev/ttyACM0" is taken by scanner[1]'),
        (BUTTON + '[[light]]\nname = "lamp"\npin = 17', "light[1].pin: 17 is taken by button[1]"),
        (BUTTON + LAMP + 'kind = "rgb"\npins = [27, 17, 22]', "light[1].pins[2]: 17 is taken by button[1]"),
        (LAMP, "light[1].pin: this key is required"),
        (LAMP + 'kind = "rgb"\npins = [27, 17]', "light[1].pins: expected three, for red, green and blue, got 2"),
        (LAMP + 'kind = "rgb"\npin = 5\npins = [27, 17, 22]', 'light[1].pin: has no meaning for kind = "rgb"'),
        (LAMP + "pin = 5\npins = [27, 17, 22]", 'light[1].pins: has no meaning for kind = "light"'),
        (LAMP + "pin = 28", "light[1].pin: expected 0 to 27, got 28"),
        (LAMP + "pin = 5\ntone_hz = 2700", 'light[1].tone_hz: has no meaning for kind = "light"'),
        (LAMP + 'pin = 5\nkind = "beeper"\ntone_hz = 20000', "light[1].tone_hz: expected 0, or 50 to 10000, got 20000"),
        (
            LAMP + 'pin = 5\nkind = "beeper"\nbrightness = 0.5',
            "light[1].brightness: has no meaning for kind",
        ),
        (LAMP + "pin = 5\nbrightness = 0", "light[1].brightness: expected 0.01 to 1, got 0"),
        (BUTTON.replace("17", "40"), "button[1].pin: expected 0 to 27, got 40"),
        ('[[display]]\n[[display]]\nname = "b"', 'display[2].target: "/dev/tty1" is taken by display[1]'),
        ('[[display]]\n[[display]]\ntarget = "-"', 'display[2].name: "screen" is taken by display[1]'),
        ("[page]\nport = 80", "page.port: expected 1024 to 65535, got 80"),
        ('[page]\ncolour = "blue"', 'page.colour: expected a colour such as "#1f4fd8", got "blue"'),
        ('[page]\nlogo = "logo.exe"', "page.logo: expected a file that ends with .jpeg, .jpg, .png, .svg, .webp"),
        ('[page]\nidle = { "not a tag" = "x" }', 'page.idle: expected each key to be a language such as "en-us"'),
        ('[page]\nlanguages = [""]', 'page.languages[1]: expected a language such as "en-us", got ""'),
        ('[page]\nimage_origins = ["example.org"]', "page.image_origins[1]: expected an origin such as"),
        ("[page]\nsilent_seconds = 5", "page.silent_seconds: expected 20 to 600, got 5"),
        ('[signals]\nquiet = ["22-06"]', 'signals.quiet[1]: expected a time such as "22:00-06:00", got "22-06"'),
        ('[speech]\nmarkup = "pass"', 'speech.markup: only a command of your own can be given "pass"'),
        ('[scaner]\nname = "a"', 'scaner: unknown key; did you mean "scanner"?'),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path, text, sentence):
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(sentence)


def test_panels_of_every_kind_stand_side_by_side(tmp_path):
    text = """
    [[display]]
    name = "lcd"
    type = "lcd"
    [[display]]
    name = "oled"
    type = "oled"
    [[display]]
    name = "picture"
    type = "png"
    file = "panel.png"
    [[display]]
    name = "console"
    """
    found = load(tmp_path, text).displays
    assert [one.where for one in found] == [
        "I2C bus 1, address 0x27",
        "I2C bus 1, address 0x3c",
        str(tmp_path / "panel.png"),
        "/dev/tty1",
    ]


def test_a_page_is_branded_as_written_and_speaks_the_devices_language(tmp_path):
    text = '[page]\nlogo = "logo.svg"\ncolour = "#aa0000"\nidle = { de-de = "Karte zeigen" }'
    branding = load(tmp_path, text).page.branding("de-de")
    assert (branding.logo, branding.colour) == (tmp_path / "logo.svg", "#aa0000")
    assert (branding.languages, dict(branding.idle)) == (("de-de",), {"de-de": "Karte zeigen"})


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
    scanner = load(tmp_path, SCANNER + 'terminators = ["\\u001d\\r", "\\t"]').scanners[0]
    assert scanner.framing().terminators == (b"\x1d\r", b"\t")


def test_what_the_table_does_not_say_is_what_its_make_says(tmp_path):
    bare, honeywell, gm65, own = load(
        tmp_path,
        SCANNER
        + '[[scanner]]\nname = "a"\nport = "a"\nprofile = "honeywell"\n'
        + '[[scanner]]\nname = "b"\nport = "b"\nprofile = "gm65"\ncommands_at_start = ["trigger"]\n'
        + '[[scanner]]\nname = "c"\nport = "c"\nprofile = "gm65"\nbaud = 38400\nencoding = "latin-1"\n',
    ).scanners
    assert [one.speed() for one in (bare, honeywell, gm65, own)] == [9600, 115200, 9600, 38400]
    assert [one.reading().encoding for one in (bare, honeywell, gm65, own)] == ["utf-8", "utf-8", "gbk", "latin-1"]
    assert bare.framing() == Framing()


def test_silence_alone_ends_a_code_where_no_terminator_is_named(tmp_path):
    silent, both = load(
        tmp_path,
        SCANNER
        + "idle_seconds = 0.05\n"
        + '[[scanner]]\nname = "b"\nport = "b"\nidle_seconds = 0.05\nterminators = ["\\r"]\n',
    ).scanners
    assert silent.framing() == Framing(terminators=(), idle_seconds=0.05)
    assert both.framing() == Framing(idle_seconds=0.05)


def test_the_lines_that_learning_prints_are_a_configuration_that_means_the_same(tmp_path):
    framing = Framing(start=b"\x02", terminators=(b"\x03",), prefix=b"", suffix=b"#")
    learned = Learned(
        baud=115200, framing=framing, reading=Reading(encoding="gbk", gs="^]"), sends_aim=True, sends_gs=True
    )
    (scanner,) = load(tmp_path, "\n".join(learned.lines("counter", "/dev/ttyACM0"))).scanners
    assert (scanner.speed(), scanner.framing(), scanner.reading()) == (115200, framing, learned.reading)


def test_a_whole_counter_of_inputs_is_read(tmp_path):
    text = (
        BUTTON + 'gestures = { long = "/staff" }\n' + NEXT + CHORD + KNOB + RULE + 'symbologies = ["ean-13", "]C1"]\n'
    )
    counter = load(tmp_path, text + '[[scanner]]\nname = "wedge"\ndevice = "0C2E:0b61"\nlayout = "de"\n')
    assert counter.buttons[0].actions == {"press": "/help", "long": "/staff"}
    assert counter.chords[0].chord.buttons == {"help", "next"}
    assert (counter.knobs[0].a, counter.rules[0].kind, counter.scanners[0].layout) == (5, "article", "de")


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
