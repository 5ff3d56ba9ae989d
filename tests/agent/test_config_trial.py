"""A changed configuration is tried, and the last one that worked is what the device goes back to."""

from __future__ import annotations

import pytest

from agent.config import ConfigError
from agent.config_trial import CALM_SECONDS, LINK_SECONDS, MARK, ConfigTrial

FIRST = '[device]\nlanguage = "en-us"\n'
SECOND = '[device]\nlanguage = "pt-br"\n'
BROKEN = "[device]\nlangauge = 1\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(FIRST)
    return path


@pytest.fixture
def start(tmp_path, file):
    """Start as a new process does: the trial, and the language it runs with."""
    state = tmp_path / "state"
    state.mkdir()

    def starting():
        trial = ConfigTrial(file, state)
        return trial, trial.choose().device.language

    return starting


@pytest.fixture
def settled(start):
    """A device that has shown that it works with the first configuration."""
    trial, _ = start()
    assert trial.look(0.0, link_is_up=True) == "passed"
    return trial


def test_a_broken_first_configuration_is_told(start, file):
    file.write_text(BROKEN)
    with pytest.raises(ConfigError):
        start()


def test_a_broken_file_does_not_stop_a_device_that_has_worked(start, settled, file):
    file.write_text(BROKEN)
    trial, language = start()
    assert language == "en-us"
    assert "langauge" in trial.trouble


def test_a_broken_file_is_not_even_tried(settled, file, tmp_path):
    file.write_text(BROKEN)
    with pytest.raises(ConfigError):
        settled.propose(link_is_up=True)
    assert not (tmp_path / "state" / MARK).exists()


def test_a_changed_one_is_kept_when_the_link_comes_up(start, settled, file):
    file.write_text(SECOND)
    settled.propose(link_is_up=True)
    trial, language = start()
    assert (language, trial.look(1.0, link_is_up=False)) == ("pt-br", None)
    assert trial.look(2.0, link_is_up=True) == "passed"
    file.write_text(BROKEN)
    assert start()[1] == "pt-br"


def test_one_under_which_the_link_stays_down_is_given_up(start, settled, file):
    file.write_text(SECOND)
    settled.propose(link_is_up=True)
    trial, _ = start()
    assert trial.look(0.0, link_is_up=False) is None
    assert trial.look(LINK_SECONDS, link_is_up=False) == "failed"
    trial, language = start()
    assert language == "en-us"
    assert "did not come up" in trial.trouble
    assert trial.look(0.0, link_is_up=True) is None  # nothing is on trial any more


def test_a_link_that_was_down_before_is_not_waited_for(start, settled, file):
    file.write_text(SECOND)
    settled.propose(link_is_up=False)
    trial, _ = start()
    assert trial.look(0.0, link_is_up=False) is None
    assert trial.look(CALM_SECONDS, link_is_up=False) == "passed"


def test_one_under_which_the_agent_ends_again_and_again_is_given_up(start, settled, file):
    file.write_text(SECOND)
    assert [start()[1] for _ in range(5)] == ["pt-br", "pt-br", "pt-br", "en-us", "en-us"]


def test_the_file_changed_once_more_is_tried_again(start, settled, file):
    file.write_text(SECOND)
    for _ in range(4):
        start()
    file.write_text(SECOND + "# mended\n")
    trial, language = start()
    assert (language, trial.trouble) == ("pt-br", "")


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"digest": 1, "what": 2}'])
def test_a_damaged_mark_is_a_trial_begun_anew(start, settled, file, tmp_path, damage):
    file.write_text(SECOND)
    settled.propose(link_is_up=True)
    (tmp_path / "state" / MARK).write_text(damage)
    assert start()[1] == "pt-br"


def test_by_hand_nothing_is_tried_and_nothing_remembered(file):
    trial = ConfigTrial(file, None)
    assert trial.choose().device.language == "en-us"
    trial.propose(link_is_up=True)
    assert trial.look(0.0, link_is_up=True) == "passed" or trial.look(0.0, link_is_up=True) is None
