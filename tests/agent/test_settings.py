from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import settings
from agent.record import field, fields, record
from agent.settings import Filled, Key, Range, SettingsError


@record(kw_only=True)
class Port:
    name: Annotated[str, Filled("a name")]
    baud: Annotated[int, Range(300, 115_200)] = 9600
    parity: Literal["none", "even"] = "none"


@record(kw_only=True)
class Limits:
    seconds: Annotated[float, Range(0, 10)] = 1.0
    loud: bool = False
    path: Path = Path("/var")
    picture: Path | None = None
    order: tuple[Literal["a", "b"], ...] = ("a",)
    voices: Mapping[str, str] = field(default_factory=dict)


@record(kw_only=True)
class Schema:
    limits: Limits = field(default_factory=Limits)
    ports: Annotated[tuple[Port, ...], Key("port")] = ()


def read(text: str) -> Schema:
    return settings.read(Schema, tomllib.loads(text), base=Path("/base"))


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as raised:
        read(text)
    return raised.value.problems


def test_an_empty_file_is_all_defaults():
    assert read("") == Schema()


def test_values_arrive_in_their_fields():
    text = '[limits]\nseconds = 2\nloud = true\norder = ["b", "a"]\nvoices = {en = "x"}\n[[port]]\nname = "front"\n'
    result = read(text)
    assert result.limits == Limits(seconds=2.0, loud=True, order=("b", "a"), voices={"en": "x"})
    assert isinstance(result.limits.seconds, float)
    assert result.ports == (Port(name="front"),)


def test_a_relative_path_is_taken_from_the_folder_of_the_file():
    assert read('[limits]\npath = "state"').limits.path == Path("/base/state")
    assert read('[limits]\npath = "/state"').limits.path == Path("/state")


def test_a_path_that_may_be_missing_is_missing_when_it_is_empty():
    assert read('[limits]\npicture = ""').limits.picture is None
    assert read('[limits]\npicture = "logo.svg"').limits.picture == Path("/base/logo.svg")
    assert problems("[limits]\npicture = 1") == ("limits.picture: expected a string, got 1",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[port]]\nname = "a"\nbaud = "fast"', 'port[1].baud: expected an integer, got "fast"'),
        ('[[port]]\nname = "a"\nbaud = 9600.0', "port[1].baud: expected an integer, got 9600.0"),
        ('[[port]]\nname = "a"\nbaud = true', "port[1].baud: expected an integer, got true"),
        ('[[port]]\nname = "a"\nbaud = 5', "port[1].baud: expected 300 to 115200, got 5"),
        ('[[port]]\nname = "a"\n[[port]]\nbaud = 9600', "port[2].name: this key is required"),
        ('[[port]]\nname = " "', 'port[1].name: expected a name, got " "'),
        ('[[port]]\nname = "a"\nparity = "odd"', 'port[1].parity: expected "none" or "even", got "odd"'),
        ('[[port]]\nname = "a"\nbauds = 1', 'port[1].bauds: unknown key; did you mean "baud"?'),
        ('[[port]]\nname = "a"\nBAUD = 1', 'port[1].BAUD: unknown key; did you mean "baud"?'),
        ('[[port]]\nname = "a"\nxyz = 1', "port[1].xyz: unknown key; known here: baud, name, parity"),
        ('[[ports]]\nname = "a"', 'ports: unknown key; did you mean "port"?'),
        ('[port]\nname = "a"', "port: expected tables that start with [[port]], got a table"),
        ("port = [1]", "port: expected tables that start with [[port]], got a list"),
        ("[[limits]]", "limits: expected one table [limits], got a list of tables"),
        ("limits = 3", "limits: expected one table [limits], got 3"),
        ('[limits]\nseconds = "1"', 'limits.seconds: expected a number, got "1"'),
        ("[limits]\nseconds = nan", "limits.seconds: expected a number, got NaN"),
        ("[limits]\nseconds = inf", "limits.seconds: expected a number, got Infinity"),
        ("[limits]\nseconds = 11", "limits.seconds: expected 0 to 10, got 11"),
        ("[limits]\nloud = 1", "limits.loud: expected true or false, got 1"),
        ("[limits]\npath = 1", "limits.path: expected a string, got 1"),
        ('[limits]\npath = ""', 'limits.path: expected a path, got ""'),
        ('[limits]\norder = "a"', 'limits.order: expected a list, got "a"'),
        ('[limits]\norder = ["a", "c"]', 'limits.order[2]: expected "a" or "b", got "c"'),
        ("[limits]\nvoices = {en = 1}", "limits.voices.en: expected a string, got 1"),
        ('[limits]\nvoices = "en"', 'limits.voices: expected a table, got "en"'),
        ("[limits]\nseconds = 1979-05-27", "limits.seconds: expected a number, got 1979-05-27"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_file(text, sentence):
    assert problems(text) == (sentence,)


def test_every_problem_is_found_in_one_reading():
    text = '[limits]\nloud = 1\nsecond = 2\n[[port]]\nbaud = "fast"\n'
    assert problems(text) == (
        'limits.second: unknown key; did you mean "seconds"?',
        "limits.loud: expected true or false, got 1",
        "port[1].name: this key is required",
        'port[1].baud: expected an integer, got "fast"',
    )


def test_a_long_value_is_cut_in_the_message():
    (sentence,) = problems(f'[limits]\nseconds = "{"x" * 5000}"')
    assert len(sentence) < 120


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "0x" + "f" * 10_000])
def test_a_huge_integer_is_a_problem_and_no_crash(number):
    expected = ("limits.seconds: expected a number, got an integer beyond all bounds",)
    assert problems(f"[limits]\nseconds = {number}") == expected


def test_a_strange_key_is_quoted():
    assert problems('[limits]\n"a\\n b" = 1')[0].startswith('limits."a\\n b": unknown key')


toml_values = st.recursive(
    st.none().map(lambda _: True)
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.dates()
    | st.sampled_from(["a", "none", 300, 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
port_tables = st.dictionaries(st.sampled_from(["name", "baud", "parity", "x"]), toml_values)
limit_tables = st.dictionaries(st.sampled_from([f.name for f in fields(Limits)] + ["y"]), toml_values)
tables = st.dictionaries(st.text(string.ascii_lowercase, max_size=6), toml_values) | st.fixed_dictionaries(
    {}, optional={"limits": limit_tables | toml_values, "port": st.lists(port_tables, max_size=3) | toml_values}
)


@given(table=tables)
def test_any_table_is_read_or_refused_with_a_place(table: dict[str, Any]):
    problems: tuple[str, ...] = ()
    result = Schema()
    try:
        result = settings.read(Schema, table)
    except SettingsError as error:
        problems = error.problems or ("none",)
    assert all(": " in problem and "\n" not in problem for problem in problems)
    assert all(300 <= port.baud <= 115_200 and port.name for port in result.ports)
    assert 0 <= result.limits.seconds <= 10
